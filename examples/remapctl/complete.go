package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/engine"
)

// A lookup lists the values that a flag or an argument may have on this host, each
// with a tab and a description if it has one. On an error it lists nothing: a
// completion has no place for errors.
type lookup func(c *cobra.Command, before []string) []string

// choices are the words that a flag takes, by the flag's name.
var choices = map[string][]string{
	"color":   {"auto", "always", "never"},
	"fail-on": {"fail", "warn", "low", "medium", "high", "critical"},
	"for":     {"docker", "kubelet", "podman"},
	"format":  {"text", "json", "junit", "sarif", "prometheus"},
	"via":     {"files", "grubby"},
}

// values says how flags are completed, by flag or by command and flag.
func (e *env) values() map[string]lookup {
	all := map[string]lookup{
		"--accept-risk":  e.risks,
		"--allow":        e.hosts,
		"--container":    e.containers,
		"--force-file":   e.receiptFiles,
		"--forget":       e.receipts,
		"--kernel":       words("ALL", "DEFAULT"),
		"--user":         e.users,
		"drill --format": words(choices["format"][:4]...), // all but prometheus, which counts checks
	}
	for name, list := range choices {
		all["--"+name] = words(list...)
	}
	return all
}

// complete returns a function for cobra that completes a flag, or up to most
// arguments of a command.
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

// fitting returns the values that begin with word, each once.
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

// commands lists the commands of the group that is named so far.
func (e *env) commands(c *cobra.Command, before []string) []string {
	of, _, _ := c.Root().Find(before)
	return subcommands(of)
}

func each[T any](items []T, text func(T) string) (out []string) {
	for _, item := range items {
		out = append(out, text(item))
	}
	return out
}

func (e *env) checks(*cobra.Command, []string) []string {
	return each(verify.Checks(), func(c verify.Check) string { return c.ID + "\t" + c.Title })
}

func (e *env) risks(*cobra.Command, []string) []string {
	return each(risks(), func(r risk) string { return r.ID + "\t" + r.Text })
}

func (e *env) explained(c *cobra.Command, before []string) []string {
	return append(e.checks(c, before), e.risks(c, before)...)
}

// receipts lists all receipts, the newest first.
func (e *env) receipts(*cobra.Command, []string) []string {
	list, _ := e.host.Receipts()
	slices.Reverse(list)
	return each(list, func(r usernskit.Receipt) string {
		return fmt.Sprintf("%s\t%s, %s, %s", r.ID, r.Title, r.State, when(r.Time))
	})
}

// receiptFiles lists the files of the receipts.
func (e *env) receiptFiles(*cobra.Command, []string) (out []string) {
	list, _ := e.host.Receipts()
	for _, r := range list {
		out = append(out, each(r.Changes, func(c usernskit.Change) string { return c.Path })...)
	}
	return out
}

// claims lists the users of this host, or the owners of ranges.
func (e *env) claims(owners bool) lookup {
	return func(c *cobra.Command, _ []string) []string {
		set, err := subid.Read(c.Context(), e.host)
		if err != nil {
			return nil
		}
		users, _ := set.Claims()
		users = slices.DeleteFunc(users, func(c subid.Claim) bool { return owners != (c.File == subid.UIDFile) })
		return each(users, func(c subid.Claim) string { return c.Owner + "\tUID " + text.IDs(c.Range.Start, c.Range.Count) })
	}
}

func (e *env) users(c *cobra.Command, before []string) []string {
	return append([]string{"default\tDocker's own account, dockremap"}, e.claims(false)(c, before)...)
}

func (e *env) containers(c *cobra.Command, _ []string) []string {
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
	defer cancel()
	daemon := &engine.Engine{}
	if ask := e.look().Docker; ask != nil {
		if answer, err := ask(ctx); err == nil {
			daemon = answer
		}
	}
	return each(daemon.Containers, func(c engine.Container) string { return c.Name + "\t" + c.Image })
}

// hosts lists what verify may allow: for each container, that it is not remapped.
func (e *env) hosts(c *cobra.Command, before []string) []string {
	return each(e.containers(c, before), func(name string) string { return "userns-host=" + name })
}

// volumes lists the volumes of the plain store.
func (e *env) volumes(c *cobra.Command, _ []string) []string {
	startup, err := e.daemon.Read(c.Context(), e.host)
	if err != nil {
		return nil
	}
	s, err := store.Read(e.host, startup.DataRoot)
	if err != nil {
		return nil
	}
	return each(s.Volumes, func(v store.Volume) string { return v.Name })
}
