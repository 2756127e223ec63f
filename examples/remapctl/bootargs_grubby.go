package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

// grubby has grubby(8) make an edit, and looks at what it did.
func (e *env) grubby(ctx context.Context, cmd *cli.Command, edit bootargs.Edit) error {
	p, err := bootargs.PlanEdit(ctx, e.host, edit)
	if err != nil {
		return err
	}
	e.warn(p)
	dry := cmd.Bool("dry-run")
	if len(p.Actions) == 0 {
		e.say("nothing to do")
		return e.report(p, usernskit.Receipt{}, dry)
	}
	run := p.Actions[0].Argv
	e.say("run: %s", strings.Join(run, " "))
	if dry {
		return errors.Join(e.report(p, usernskit.Receipt{}, dry), findings)
	}
	if err := e.agreed(ctx, cmd, p); err != nil {
		return err
	}
	if _, err := e.host.Command(ctx, run...); err != nil {
		return err
	}
	e.done = "grubby has done it"
	if err := bootargs.Confirm(ctx, e.host, edit); err != nil {
		return err
	}
	e.next(p.Actions[1:])
	return e.report(p, usernskit.Receipt{}, dry)
}
