package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/verify/preflight"
)

func (e *env) preflightCommand(c *cobra.Command) action {
	user := c.Flags().String("user", "", "`U[:G]` to remap to (default: what is configured, else dockremap)")
	e.daemonFlags(c)
	return func(ctx context.Context, _ []string) error {
		forecast, err := e.forecast(ctx, *user)
		if err != nil {
			return err
		}
		var code error
		switch {
		case forecast.Source == "": // without facts from Docker the rest is not known
			code = incomplete
		case !forecast.Clear():
			code = findings
		case len(forecast.Unknown) > 0:
			code = incomplete
		}
		if !e.json {
			err = forecast.WriteText(e.out)
		}
		return errors.Join(err, e.printed(code, forecast))
	}
}

// forecast predicts what remapping to user does. If user is empty, it is the
// configured one.
func (e *env) forecast(ctx context.Context, user string) (f preflight.Forecast, err error) {
	look := e.look()
	opts := preflight.Options{Host: look.Host, Docker: look.Docker, Remap: user, Daemon: e.daemon}
	stop := e.tell("asking docker for every container")
	f, err = preflight.Run(ctx, opts)
	stop()
	for i, m := range f.Moves {
		switch {
		case m.Volume != "":
			f.Moves[i].Command = e.self("migrate", m.Volume)
		case m.From != "":
			f.Moves[i].Command = e.self("shift", m.Path, "--from", m.From, "--to", m.To)
		}
	}
	return f, err
}

// foresee prints what will break, for the person who is about to decide. An error
// is only noted: the plan does not depend on the forecast.
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
		_ = f.WriteText(e.out) // e.out keeps the error
	}
}
