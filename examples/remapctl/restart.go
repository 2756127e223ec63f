package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
)

// mayRestart refuses --restart where there is nothing to restart, before
// anything is written.
func (e *env) mayRestart(cmd *cli.Command) error {
	if cmd.Bool("restart") && !e.host.Live() {
		return errors.New("nothing was changed: a --root has no docker for --restart to restart")
	}
	return nil
}

// restart restarts docker after a change and waits until it is as wanted:
// remapped to the store of that name, or not remapped where store is empty.
func (e *env) restart(ctx context.Context, receipt usernskit.Receipt, store string) error {
	e.note("restarting docker")
	return e.during("waiting for docker", func() error {
		return remap.Restart{Host: e.host, Receipt: receipt, Store: store, Ask: askDocker}.Run(ctx)
	})
}
