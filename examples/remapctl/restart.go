package main

import (
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
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

// restart is --restart, after change: it restarts docker and waits until it is
// as wanted, remapped to the store of that name, or not remapped where store is
// empty.
func (e *env) restart(ctx context.Context, cmd *cli.Command, receipt usernskit.Receipt, store string) error {
	if !cmd.Bool("restart") {
		return nil
	}
	if !slices.ContainsFunc(receipt.Actions, restarts) {
		action, err := e.behind(ctx, cmd, store)
		if err != nil || action.Argv == nil {
			return err
		}
		receipt.Actions = append(receipt.Actions, action)
	}
	e.note("restarting docker")
	err := e.during("waiting for docker", func() error {
		return remap.Restart{Host: e.host, Receipt: receipt, Store: store, Ask: e.ask}.Run(ctx)
	})
	if errors.Is(err, remap.ErrNoSystemd) { // what was written stands
		e.note("docker was not restarted: %v", err)
		return findings
	}
	if err == nil && e.done == "" {
		e.done = "docker was restarted"
	}
	return err
}

func restarts(a usernskit.Action) bool { return a.Kind == usernskit.ActionRestartDocker }

// behind returns the restart of a docker that has not taken up what the files
// have said for longer than this run, and no action where it has.
func (e *env) behind(ctx context.Context, cmd *cli.Command, store string) (usernskit.Action, error) {
	startup, err := daemoncfg.ReadStartup(e.host)
	if err != nil {
		return usernskit.Action{}, err
	}
	action := startup.Restart()
	daemon, err := e.ask(ctx)
	if err != nil {
		e.note("docker was not restarted: whether it has to be is not known: %v", err)
		e.next([]usernskit.Action{action})
		return usernskit.Action{}, incomplete
	}
	if err = daemon.Check(store); err == nil {
		e.say("nothing to do")
		return usernskit.Action{}, nil
	}
	e.say("the files are as wanted, and docker is not: %v", err)
	if cmd.Bool("dry-run") {
		e.next([]usernskit.Action{action})
		return usernskit.Action{}, findings
	}
	return action, e.agreed(ctx, cmd, usernskit.Plan{})
}
