package main

import (
	"context"
	"embed"
	"errors"
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

// The scripts ask cobra's __complete. Those that cobra makes evaluate the words
// of the line for that, "$(reboot)" among them; these pass them on as they are.
//
//go:embed completion
var completion embed.FS

func completionCommand(e *env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion " + strings.Join(shells, "|"), Short: "print a script that completes commands, options and values",
		Long: "For bash it belongs in /etc/bash_completion.d/remapctl, for zsh in\n" +
			"/usr/share/zsh/vendor-completions/_remapctl, for fish in\n/etc/fish/completions/remapctl.fish, for PowerShell in $PROFILE.",
		Example:   "remapctl completion bash >/etc/bash_completion.d/remapctl",
		ValidArgs: shells,
		RunE: e.action(func(_ context.Context, list []string) error {
			if e.json {
				return errors.New("a completion script is not JSON")
			}
			if !slices.Contains(shells, list[0]) {
				return fmt.Errorf("no script for %q: there is one for %s", list[0], strings.Join(shells, ", "))
			}
			script, err := completion.ReadFile("completion/remapctl." + list[0])
			if err == nil {
				_, err = e.out.Write(script)
			}
			return err
		}),
	}
}

// A lookup finds what a flag or an argument may be on this host, each with what
// it is behind a tab. Where it cannot it finds nothing: a completion has no
// place for errors.
type lookup func(ctx context.Context) []string

// values completes the value of a flag.
func (e *env) values(c *cobra.Command, flag string, find lookup) {
	if err := c.RegisterFlagCompletionFunc(flag, find.complete(true)); err != nil {
		panic("BUG: " + err.Error())
	}
}

// argument completes the first argument of a command, or all of them.
func (e *env) argument(c *cobra.Command, all bool, find lookup) {
	c.ValidArgsFunction = find.complete(all)
}

func (find lookup) complete(all bool) cobra.CompletionFunc {
	return func(c *cobra.Command, before []string, word string) (list []string, how cobra.ShellCompDirective) {
		if len(before) == 0 || all {
			list = fitting(find(c.Context()), word)
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

func words(list ...string) lookup { return func(context.Context) []string { return list } }

func (e *env) checks(context.Context) (out []string) {
	for _, c := range verify.Checks() {
		out = append(out, c.ID+"\t"+c.Title)
	}
	return out
}

// receipts lists those that can be undone, the newest first.
func (e *env) receipts(context.Context) (out []string) {
	list, _ := e.host.Receipts()
	for _, r := range slices.Backward(list) {
		out = append(out, fmt.Sprintf("%s\t%s, %s, %s", r.ID, r.Title, r.State, when(r.Time)))
	}
	return out
}

// receiptFiles lists the files of the receipts.
func (e *env) receiptFiles(context.Context) (out []string) {
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
	return func(ctx context.Context) (out []string) {
		set, err := subid.Read(ctx, e.host)
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

func (e *env) containers(ctx context.Context) (out []string) {
	if !e.host.Live() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
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

// volumes lists those of the plain store.
func (e *env) volumes(ctx context.Context) (out []string) {
	startup, err := e.daemon.Read(ctx, e.host)
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
func (e *env) risks(context.Context) []string {
	var out []string
	for _, r := range riskTexts {
		out = append(out, r.ID+"\t"+r.Text)
	}
	return out
}
