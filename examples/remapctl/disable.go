package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
)

func disableCommand() *cli.Command {
	return &cli.Command{
		Name:  "disable",
		Usage: "turn userns-remap off",
		Description: "Takes userns-remap out of daemon.json. The ranges stay, so that enable finds\n" +
			"the same images again; --release gives them back too.\n\n" +
			"Example: remapctl disable --release --yes",
		Flags: writeFlags(restartFlag(),
			&cli.BoolFlag{Name: "release", Usage: "also remove the account's ranges from /etc/subuid and /etc/subgid"}),
		Action: action(runDisable),
	}
}

func runDisable(ctx context.Context, e *env, cmd *cli.Command) error {
	_, err := args(cmd, 0, 0)
	if err := errors.Join(err, e.mayRestart(cmd)); err != nil {
		return err
	}
	receipt, err := e.change(ctx, cmd, func() (usernskit.Plan, error) {
		return remap.PlanDisable(ctx, e.host, cmd.Bool("release"))
	})
	if err != nil {
		return err
	}
	return e.restart(ctx, cmd, receipt, "")
}
