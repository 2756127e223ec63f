package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/bootargs"
)

func bootargsCommand(e *env) *cobra.Command {
	return group(&cobra.Command{
		Use: "bootargs COMMAND", Short: "read and edit the kernel arguments wherever this host keeps them",
		Long: "ARG is spelled as for the kernel, in quotes for the shell where it has blanks:\n" +
			"'dyndbg=\"file a.c +p\"'. In names, - and _ are the same.",
	}, &cobra.Command{
		Use: "show [ARG]...", Short: "print the command lines of this host, or where each ARG is set",
		Long: "With ARGs it exits 0 where they are in force, now and at every boot to come, 1\n" +
			"where they are not, and 3 where that is unknown.",
		Example: "remapctl bootargs show user_namespace.enable=1",
		RunE:    e.action(e.bootargsShow),
	}, bootargsSetCommand(e), bootargsRemoveCommand(e), bootargsEditCommand(e), bootargsCheckCommand(e))
}

func (e *env) bootargsShow(ctx context.Context, want []string) error {
	r, err := bootargs.Status(ctx, e.host, want...)
	if err != nil {
		return unseen(err)
	}
	line := func(what, format string, a ...any) { e.text("%-9s "+format, append([]any{what}, a...)...) }
	show := func(what string, places ...bootargs.Place) {
		for _, p := range places {
			switch {
			case p.Where() == "":
			case len(want) > 0:
				line(what, "%-12v %s: %s", p.State, p.Where(), p.Line)
			default:
				line(what, "%s: %s", p.Where(), p.Line)
			}
		}
	}
	line("loader", "%v (%s)", r.Kind, r.Why)
	if len(r.Evidence) > 0 {
		line("found", "%s", strings.Join(r.Evidence, ", "))
	}
	for _, other := range r.Others {
		line("weaker", "%s", other)
	}
	if len(r.Command) > 0 {
		line("edit by", "%s", quoted(r.Command))
	}
	show("running", r.Running)
	show("default", r.Default)
	show("entry", r.Entries...)
	show("future", r.Future)
	var code error
	if len(want) > 0 {
		line("state", "%v", r.State)
		switch r.State {
		case bootargs.StateActive:
		case bootargs.StateCannotTell:
			code = incomplete
		default:
			code = findings
		}
	}
	return e.printed(r, code)
}

func bootargsCheckCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "show whether update-grub will read /etc/default/grub, and which file wins",
		Long: "update-grub (grub-mkconfig) reads /etc/default/grub, and on Debian and Ubuntu\n" +
			"/etc/default/grub.d, under sh -e: it ends at a line that runs a command which\n" +
			"does not exist. Exits 0 where it reads all of them, 1 where it stops, and 3\n" +
			"where it stops if a command fails.",
		Example: "remapctl bootargs check --root /mnt/image",
		RunE:    e.action(e.bootargsCheck),
	}
}

func (e *env) bootargsCheck(ctx context.Context, _ []string) error {
	s, err := bootargs.Check(ctx, e.host)
	if err != nil {
		return unseen(err)
	}
	for _, name := range s.Files {
		e.text("reads     %s", name)
	}
	for _, w := range s.Problems {
		e.text("%-9s %s", w.ID, w)
	}
	for _, v := range s.Values {
		switch {
		case v.Path == "":
			e.text("value     %s is not set", v.What)
		case v.State == bootargs.StateCannotTell:
			e.text("value     %s: not known by reading, %s has the last word", v.What, v.Path)
		default:
			e.text("value     %s=%s (%s)", v.What, v.Line, v.Path)
		}
	}
	verdict, code := "update-grub reads all of them", error(nil)
	switch {
	case s.Stops():
		verdict, code = "update-grub stops, and no menu is made", findings
	case len(s.Problems) > 0:
		verdict, code = "update-grub stops if one of these commands fails", incomplete
	}
	e.text("%s", verdict)
	return e.printed(s, code)
}
