package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

func (e *env) bootargsSetCommand(c *cobra.Command) action {
	var edit bootargs.Edit
	via := e.bootargsFlags(c, &edit)
	c.Flags().StringArrayVar(&edit.Append, "append", nil, "add `ARG` if it is not there with that value")
	c.Flags().StringArrayVar(&edit.Replace, "replace", nil, "make `ARG` the only one of its name")
	return func(ctx context.Context, list []string) error {
		if edit.Set = list; len(edit.Set)+len(edit.Append)+len(edit.Replace) == 0 {
			return usage(c, "an argument is missing: an ARG, --append or --replace")
		}
		return e.editBootargs(ctx, *via, edit)
	}
}

func (e *env) bootargsRemoveCommand(c *cobra.Command) action {
	var edit bootargs.Edit
	via := e.bootargsFlags(c, &edit)
	return func(ctx context.Context, list []string) error {
		edit.Remove, edit.RemoveExact = splitRemove(list)
		return e.editBootargs(ctx, *via, edit)
	}
}

// bootargsFlags say which entries are edited, and by whom.
func (e *env) bootargsFlags(c *cobra.Command, edit *bootargs.Edit) (via *string) {
	e.writeFlags(c)
	c.Flags().StringVar(&edit.Kernel, "kernel", bootargs.All, "which `KERNEL`: ALL, DEFAULT, an index, an entry's ID or a path")
	c.Flags().StringVar(&edit.Store, "store", "", "edit for the boot loader that reads the file `PATH`")
	c.Flags().BoolVar(&edit.Rescue, "rescue", false, "edit rescue entries too")
	via = c.Flags().String("via", "files", "`WHO` writes: files, or grubby where this host has it")
	return via
}

// splitRemove separates names from arguments with a value.
func splitRemove(list []string) (names, exact []string) {
	for _, s := range list {
		if strings.Contains(s, "=") {
			exact = append(exact, s)
		} else {
			names = append(names, s)
		}
	}
	return names, exact
}

func (e *env) editBootargs(ctx context.Context, via string, edit bootargs.Edit) error {
	switch via {
	case "grubby":
		edit.ViaGrubby = true
		return e.grubby(ctx, edit)
	case "files":
	default:
		return fmt.Errorf("--via %s: must be files or grubby", via)
	}
	var last usernskit.Plan
	_, err := e.change(ctx, func() (_ usernskit.Plan, err error) {
		last, err = bootargs.PlanEdit(ctx, e.host, edit)
		return last, err
	})
	if err == nil && last.Empty() {
		e.next(last.Actions) // the files are right, and grub.cfg is yet to be made from them
	}
	return err
}

// grubby has grubby(8) make an edit, and checks what it did.
func (e *env) grubby(ctx context.Context, edit bootargs.Edit) error {
	p, err := bootargs.PlanEdit(ctx, e.host, edit)
	if err != nil {
		return err
	}
	e.warn(p)
	if len(p.Actions) == 0 {
		e.say("nothing to do")
		return e.report(p, usernskit.Receipt{})
	}
	run := p.Actions[0].Argv
	e.say("run: %s", quoted(run))
	if e.dryRun {
		return errors.Join(e.report(p, usernskit.Receipt{}), findings)
	}
	if err := e.agreed(ctx, p); err != nil {
		return err
	}
	if _, err := e.host.Command(ctx, run...); err != nil {
		return err
	}
	e.done = "grubby has edited the entries"
	if err := edit.Confirm(ctx, e.host); err != nil {
		return err
	}
	e.next(p.Actions[1:])
	return e.report(p, usernskit.Receipt{})
}

func (e *env) bootargsEditCommand(c *cobra.Command) action {
	var edit bootargs.Edit
	var remove []string
	f := c.Flags()
	f.StringArrayVar(&edit.Set, "set", nil, "make `ARG` the value of its name; repeated, its values in order")
	f.StringArrayVar(&edit.Append, "append", nil, "add `ARG` if it is not there with that value")
	f.StringArrayVar(&edit.Replace, "replace", nil, "`ARG` as --set, for names that may occur several times")
	f.StringArrayVar(&edit.AddIfMissing, "if-missing", nil, "add `ARG` if there is none of its name")
	f.StringArrayVar(&remove, "remove", nil, "remove all of a `NAME`, or those with that NAME=VALUE")
	return func(context.Context, []string) error {
		edit.Remove, edit.RemoveExact = splitRemove(remove)
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
		return e.printed(jsonLine{line}, nil)
	}
}

type jsonLine struct {
	Line string `json:"line"`
}
