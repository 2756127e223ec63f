package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
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
	forecast, err := e.forecast(ctx, cmd.String("user"))
	if err != nil {
		return err
	}
	var code error
	switch {
	case !forecast.Clear():
		code = exitCode(1)
	case len(forecast.Unknown) > 0:
		code = exitCode(3)
	}
	if e.json {
		return errors.Join(e.printJSON(struct {
			Schema int `json:"schema"`
			verify.Forecast
		}{format.SchemaVersion, forecast}), code)
	}
	return errors.Join(forecast.WriteText(e.out), code)
}

// forecast looks ahead to remapping to a user, or to what is configured where
// none is given.
func (e *env) forecast(ctx context.Context, user string) (f verify.Forecast, err error) {
	opts := e.look()
	opts.Remap = user
	err = e.during("asking docker for every container", func() error {
		f, err = verify.Preflight(ctx, opts)
		return err
	})
	return f, err
}

// foresee prints what will break, for the person who is about to decide. It is
// no reason to fail: the plan does not depend on it.
func (e *env) foresee(ctx context.Context, user string) {
	if e.json || !e.host.Live() {
		return
	}
	f, err := e.forecast(ctx, user)
	if err != nil {
		e.note("what breaks and what disappears is not known: %v", err)
		return
	}
	if !f.InForce {
		e.say("")
		_ = f.WriteText(e.out) // what comes after it will fail too
	}
}
