package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
)

// A lookup finds what a flag or an argument may be on this host, each with what
// it is behind a tab. Where it cannot it finds nothing: a completion has no
// place for errors.
type lookup func(c *cobra.Command, before []string) []string

// choices are the flags that take a few words and no others.
var choices = map[string][]string{
	"color":   {"auto", "always", "never"},
	"fail-on": {"fail", "warn", "low", "medium", "high", "critical"},
	"for":     {"docker", "kubelet", "podman"},
	"format":  {"text", "json", "junit", "sarif", "prometheus"},
	"via":     {"files", "grubby"},
}

// values says how each flag and the arguments of each command are completed.
func (e *env) values() map[string]lookup {
	all := map[string]lookup{
		"--accept-risk":  e.risks,
		"--allow":        e.hosts,
		"--container":    e.containers,
		"--force-file":   e.receiptFiles,
		"--forget":       e.receipts,
		"--kernel":       words("ALL", "DEFAULT"),
		"--user":         e.users,
		"drill --format": words(choices["format"][:4]...), // it counts no checks

		"completion":    words("bash", "zsh", "fish", "powershell"),
		"explain":       func(c *cobra.Command, l []string) []string { return append(e.checks(c, l), e.risks(c, l)...) },
		"help":          e.commands,
		"man":           e.commands,
		"map":           words(),
		"migrate":       e.volumes,
		"subid add":     e.claims(false),
		"subid list":    e.claims(true),
		"subid release": e.claims(true),
		"undo":          e.receipts,
		"verify":        e.checks,
	}
	for name, list := range choices {
		all["--"+name] = words(list...)
	}
	return all
}

// complete completes a flag, or the first arguments of a command.
func (find lookup) complete(most int) cobra.CompletionFunc {
	if find == nil {
		return nil
	}
	return func(c *cobra.Command, before []string, word string) (list []string, how cobra.ShellCompDirective) {
		if len(before) < most {
			list = fitting(find(c, before), word)
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// fitting returns those that word begins, each once.
func fitting(list []string, word string) (out []string) {
	seen := map[string]bool{}
	for _, c := range list {
		value, text, _ := strings.Cut(c, "\t")
		if strings.HasPrefix(value, word) && !strings.Contains(c, "\n") && !strings.Contains(text, "\t") && !seen[value] {
			seen[value] = true
			out = append(out, c)
		}
	}
	return out
}

func words(list ...string) lookup { return func(*cobra.Command, []string) []string { return list } }

// commands lists those of the group that is named so far.
func (e *env) commands(c *cobra.Command, before []string) []string {
	of, _, _ := c.Root().Find(before)
	return subcommands(of)
}

func (e *env) checks(*cobra.Command, []string) (out []string) {
	for _, c := range verify.Checks() {
		out = append(out, c.ID+"\t"+c.Title)
	}
	return out
}

// receipts lists those that can be undone, the newest first.
func (e *env) receipts(*cobra.Command, []string) (out []string) {
	list, _ := e.host.Receipts()
	for _, r := range slices.Backward(list) {
		out = append(out, fmt.Sprintf("%s\t%s, %s, %s", r.ID, r.Title, r.State, when(r.Time)))
	}
	return out
}

// receiptFiles lists the files of the receipts.
func (e *env) receiptFiles(*cobra.Command, []string) (out []string) {
	list, _ := e.host.Receipts()
	for _, r := range list {
		for _, c := range r.Changes {
			out = append(out, c.Path)
		}
	}
	return out
}

// claims lists the users of this host, or the owners of ranges.
func (e *env) claims(owners bool) lookup {
	return func(c *cobra.Command, _ []string) (out []string) {
		set, err := subid.Read(c.Context(), e.host)
		if err != nil {
			return nil
		}
		users, _ := set.Claims()
		for _, c := range users {
			if owners == (c.File == subid.UIDFile) {
				out = append(out, c.Owner+"\tUID "+span(c.Range.Start, c.Range.Count))
			}
		}
		return out
	}
}

func (e *env) containers(c *cobra.Command, _ []string) (out []string) {
	if !e.host.Live() {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
	defer cancel()
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return nil
	}
	for _, c := range engine.Containers {
		out = append(out, c.Name+"\t"+c.Image)
	}
	return out
}

// hosts lists what verify may allow: each container to be without remapping.
func (e *env) hosts(c *cobra.Command, before []string) (out []string) {
	for _, name := range e.containers(c, before) {
		out = append(out, "userns-host="+name)
	}
	return out
}

func (e *env) users(c *cobra.Command, before []string) []string {
	return append([]string{"default\tDocker's own account, dockremap"}, e.claims(false)(c, before)...)
}

// volumes lists those of the plain store.
func (e *env) volumes(c *cobra.Command, _ []string) (out []string) {
	startup, err := e.daemon.Read(c.Context(), e.host)
	if err != nil {
		return nil
	}
	s, err := store.Read(e.host, startup.DataRoot)
	if err != nil {
		return nil
	}
	for _, v := range s.Volumes {
		out = append(out, v.Name)
	}
	return out
}

// risks lists those that a plan may warn of.
func (e *env) risks(*cobra.Command, []string) []string {
	var out []string
	for _, r := range riskTexts {
		out = append(out, r.ID+"\t"+r.Text)
	}
	return out
}
