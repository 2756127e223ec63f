package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
)

// values looks up what a flag or an argument may be on a host. Where it cannot
// it has no candidates: a completion has no place for errors.
type values struct {
	ctx  context.Context
	host usernskit.Host
}

func (v values) ofFlag(d flagDoc) []candidate {
	switch d.names[0] {
	case "--user":
		return append([]candidate{{"default", "Docker's own account, dockremap"}}, v.users()...)
	case "--container":
		return v.containers("")
	case "--allow":
		return v.containers("userns-host=")
	case "--accept-risk":
		return v.risks()
	case "--force-file":
		return v.files()
	case "--color":
		return words("auto", "always", "never")
	case "--format":
		return words("text", "json", "junit", "sarif")
	case "--fail-on":
		return words("fail", "warn", "low", "medium", "high", "critical")
	case "--kernel":
		return words("ALL", "DEFAULT")
	case "--via":
		return words("files", "grubby")
	}
	return nil
}

func (v values) ofArgument(n node, before []string) []candidate {
	switch name := strings.TrimPrefix(n.full, "remapctl "); {
	case name == "verify", name == "explain" && len(before) == 0:
		return checks()
	case len(before) > 0:
	case name == "undo":
		return v.receipts()
	case name == "subid add":
		return v.users()
	case name == "subid list", name == "subid release":
		return v.owners()
	}
	return nil
}

func words(list ...string) []candidate {
	var out []candidate
	for _, w := range list {
		out = append(out, candidate{w, ""})
	}
	return out
}

func checks() []candidate {
	var out []candidate
	for _, c := range verify.Checks() {
		out = append(out, candidate{c.ID, c.Title})
	}
	return out
}

// receipts lists them, the newest first.
func (v values) receipts() []candidate {
	list, _ := v.host.Receipts()
	var out []candidate
	for _, r := range list {
		text := fmt.Sprintf("%s, %s, %s", r.Title, r.State, r.Time.Local().Format(time.DateTime))
		out = append([]candidate{{r.ID, text}}, out...)
	}
	return out
}

// files lists those of the receipts.
func (v values) files() []candidate {
	list, _ := v.host.Receipts()
	var out []candidate
	for _, r := range list {
		for _, f := range r.Files {
			out = addOnce(out, candidate{f.Path, ""})
		}
	}
	return out
}

// claims splits what subid tells of users into accounts and owners of ranges.
func (v values) claims() (accounts, owners []candidate) {
	set, err := subid.Read(v.ctx, v.host)
	if err != nil {
		return nil, nil
	}
	users, _ := set.Claims()
	for _, c := range users {
		if c.File == subid.UIDFile {
			owners = addOnce(owners, candidate{c.Owner, c.Range.String()})
		} else {
			accounts = addOnce(accounts, candidate{c.Owner, fmt.Sprintf("UID %d", c.Range.Start)})
		}
	}
	return accounts, owners
}

func (v values) users() []candidate  { list, _ := v.claims(); return list }
func (v values) owners() []candidate { _, list := v.claims(); return list }

func (v values) containers(prefix string) []candidate {
	if !v.host.Live() {
		return nil
	}
	ctx, cancel := context.WithTimeout(v.ctx, 2*time.Second)
	defer cancel()
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return nil
	}
	var out []candidate
	for _, c := range engine.Containers {
		out = append(out, candidate{prefix + c.Name, c.Image})
	}
	return out
}

// risks lists those that enabling would meet now.
func (v values) risks() []candidate {
	out := []candidate{{"small-range", "fewer than 65536 IDs"}}
	p, _ := remap.PlanEnable(v.ctx, v.host, remap.Request{})
	for _, w := range p.Plan.Warnings {
		if w.Risk {
			out = addOnce(out, candidate{w.ID, w.String()})
		}
	}
	return out
}

func addOnce(list []candidate, c candidate) []candidate {
	for _, have := range list {
		if have.value == c.value {
			return list
		}
	}
	return append(list, c)
}
