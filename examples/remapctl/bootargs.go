package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/internal/text"
)

func (e *env) bootargsShow(ctx context.Context, want []string) error {
	r, err := bootargs.Status(ctx, e.host, want...)
	if err != nil {
		return unseen(err)
	}
	code := error(findings)
	switch r.State {
	case bootargs.StateActive, bootargs.StateNone:
		code = nil
	case bootargs.StateCannotTell:
		code = incomplete
	}
	return e.shown(code, r)
}

func (e *env) bootargsCheck(ctx context.Context, _ []string) error {
	s, err := bootargs.Check(ctx, e.host)
	if err != nil {
		return unseen(err)
	}
	var code error
	if s.Stops() {
		code = findings
	} else if len(s.Problems) > 0 {
		code = incomplete
	}
	return e.shown(code, s)
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
	data, err := e.read("-")
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	line, err := edit.Apply(string(data))
	if err != nil {
		return err
	}
	if e.json {
		return e.printed(nil, members{"line": line})
	}
	if terminal(e.out) {
		line = text.VisibleLines(line)
	}
	_, err = io.WriteString(e.out, line)
	return err
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
