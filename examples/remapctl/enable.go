package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
)

func enableCommand() *cli.Command {
	return &cli.Command{
		Name:  "enable",
		Usage: "turn userns-remap on",
		Description: "Writes the ranges, then daemon.json. dockerd takes it up when it restarts;\n" +
			"nothing is restarted without --restart.\n\n" +
			"Example: remapctl enable --yes && systemctl restart docker && remapctl verify",
		Flags:  writeFlags(append(enableFlags(), restartFlag())...),
		Action: action(runEnable),
	}
}

func restartFlag() cli.Flag {
	return &cli.BoolFlag{Name: "restart", Usage: "restart docker, wait for it, and undo if it does not come back remapped"}
}

func runEnable(ctx context.Context, e *env, cmd *cli.Command) error {
	want, err := request(cmd)
	if err := errors.Join(err, e.mayRestart(cmd)); err != nil {
		return err
	}
	e.aside = func() { e.foresee(ctx, want.Remap.String()) }
	var last remap.Enable
	receipt, err := e.change(ctx, cmd, func() (usernskit.Plan, error) {
		last, err = remap.PlanEnable(ctx, e.host, want)
		return last.Plan, err
	})
	if err != nil {
		return err
	}
	return e.restart(ctx, cmd, receipt, last.Store())
}
