package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

func (e *env) bootargsShow(ctx context.Context, want []string) error {
	r, err := bootargs.Status(ctx, e.host, want...)
	if err != nil {
		return unseen(err)
	}
	line := func(what, text string) {
		if text != "" {
			e.text("%-9s %s", what, text)
		}
	}
	place := func(what string, p bootargs.Place) {
		text := p.Where() + ": " + p.Line
		if len(want) > 0 {
			text = fmt.Sprintf("%-12v %s", p.State, text)
		}
		if p.Where() != "" {
			line(what, text)
		}
	}
	line("loader", fmt.Sprintf("%v (%s)", r.Kind, r.Why))
	line("found", strings.Join(r.Evidence, ", "))
	for _, other := range r.Others {
		line("weaker", other)
	}
	line("edit by", quoted(r.Command))
	place("running", r.Running)
	place("default", r.Default)
	for _, p := range r.Entries {
		place("entry", p)
	}
	place("future", r.Future)
	line("state", r.State.String())
	code := error(findings)
	switch r.State {
	case bootargs.StateActive, bootargs.StateNone:
		code = nil
	case bootargs.StateCannotTell:
		code = incomplete
	}
	return e.printed(code, r)
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
		case v.State == bootargs.StateCannotTell && v.Path == "":
			e.text("value     %s: not known by reading", v.What)
		case v.State == bootargs.StateCannotTell:
			e.text("value     %s: not known by reading, %s has the last word", v.What, v.Path)
		case v.Path == "":
			e.text("value     %s is not set", v.What)
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
	return e.printed(code, s)
}

// bootargsEdit is set, remove and edit: the first two edit a host, the last one
// a line on standard input.
func (e *env) bootargsEdit(c *cobra.Command) action {
	var edit bootargs.Edit
	var remove []string
	f, name := c.Flags(), c.Name()
	via := new("files")
	if name != "edit" {
		e.writeFlags(c)
		f.StringVar(&edit.Kernel, "kernel", bootargs.All, "which `KERNEL`: ALL, DEFAULT, an index, an entry's ID or a path")
		f.StringVar(&edit.Store, "store", "", "edit for the boot loader that reads the file `PATH`")
		f.BoolVar(&edit.Rescue, "rescue", false, "edit rescue entries too")
		via = f.String("via", "files", "`WHO` writes: files, or grubby where this host has it")
	} else {
		f.StringArrayVar(&edit.Set, "set", nil, "make `ARG` the value of its name; repeated, its values in order")
		f.StringArrayVar(&edit.AddIfMissing, "if-missing", nil, "add `ARG` if there is none of its name")
		f.StringArrayVar(&remove, "remove", nil, "remove all of a `NAME`, or those with that NAME=VALUE")
	}
	if name != "remove" {
		f.StringArrayVar(&edit.Append, "append", nil, "add `ARG` if it is not there with that value")
		f.StringArrayVar(&edit.Replace, "replace", nil, "make `ARG` the only one of its name, also of console=")
	}
	return func(ctx context.Context, list []string) error {
		switch name {
		case "set":
			edit.Set = list
		case "remove":
			remove = list
		}
		for _, arg := range remove {
			if strings.Contains(arg, "=") {
				edit.RemoveExact = append(edit.RemoveExact, arg)
			} else {
				edit.Remove = append(edit.Remove, arg)
			}
		}
		edit.ViaGrubby = *via == "grubby"
		switch {
		case name == "edit":
			return e.filterLine(edit)
		case name == "set" && len(edit.Set)+len(edit.Append)+len(edit.Replace) == 0:
			return usage(c, "an argument is missing: an ARG, --append or --replace")
		case edit.ViaGrubby:
			return e.grubby(ctx, edit)
		}
		var last usernskit.Plan
		_, err := e.change(ctx, func() (_ usernskit.Plan, err error) {
			last, err = bootargs.PlanEdit(ctx, e.host, edit)
			return last, err
		})
		if err == nil && last.Empty() {
			e.next(last.Actions) // the files are right, but grub.cfg still has to be made from them
		}
		return err
	}
}

// filterLine edits the line on standard input.
func (e *env) filterLine(edit bootargs.Edit) error {
	text, err := e.read("-")
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	line, err := edit.Apply(string(text))
	if err != nil {
		return err
	}
	if !e.json {
		fmt.Fprint(e.out, line)
	}
	return e.printed(nil, members{"line": line})
}

// grubby lets grubby(8) make an edit, and checks the result.
func (e *env) grubby(ctx context.Context, edit bootargs.Edit) error {
	p, err := bootargs.PlanEdit(ctx, e.host, edit)
	if err != nil {
		return err
	}
	e.warn(p)
	if len(p.Actions) == 0 {
		return e.planned(p)
	}
	run := p.Actions[0].Argv
	e.say("run: %s", quoted(run))
	if e.dryRun {
		return e.report(findings, p, usernskit.Receipt{})
	}
	if err := e.agreed(ctx, "", p, func() error { _, err := e.host.Command(ctx, run...); return err }); err != nil {
		return err
	}
	e.done = "grubby has edited the entries"
	if err := edit.Confirm(ctx, e.host); err != nil {
		return err
	}
	e.next(p.Actions[1:])
	return e.report(nil, p, usernskit.Receipt{})
}
