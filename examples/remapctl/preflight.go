package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/verify"
)

func preflightCommand() *cli.Command {
	return &cli.Command{
		Name:  "preflight",
		Usage: "show what breaks and what disappears when remap goes on",
		Description: "Asks the daemon, or reads its files where it is down, container by container:\n" +
			"what will not start, what will misbehave, what disappears, what is orphaned.\n" +
			"Exits 0 where nothing does, 1 where something does, 3 where not all was seen.\n\n" +
			"Example: remapctl preflight --user remapuser",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "user", Usage: "`U[:G]` to remap to (default: what is configured, else dockremap)", HideDefault: true},
		},
		Action: action(runPreflight),
	}
}

func runPreflight(ctx context.Context, e *env, cmd *cli.Command) error {
	if _, err := args(cmd, 0, 0); err != nil {
		return err
	}
	opts := e.look()
	opts.Remap = cmd.String("user")
	forecast, err := verify.Preflight(ctx, opts)
	if err != nil {
		return err
	}
	print := forecast.WriteText
	if e.json {
		print = forecast.WriteJSON
	}
	return errors.Join(print(e.out), exit(forecast.Exit()))
}
