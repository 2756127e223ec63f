package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/remap"
)

func (e *env) enableCommand(c *cobra.Command) action {
	e.writeFlags(c)
	want := e.enableFlags(c)
	e.restartFlag(c)
	return func(ctx context.Context, _ []string) error {
		if err := errors.Join(e.mayRestart(), e.complete(ctx, want)); err != nil {
			return err
		}
		e.aside = func() { e.foresee(ctx, want.Remap.String()) }
		var last remap.Enable
		receipt, err := e.change(ctx, func() (_ usernskit.Plan, err error) {
			last, err = remap.PlanEnable(ctx, e.host, *want)
			return last.Plan, err
		})
		if err != nil {
			return err
		}
		return e.restart(ctx, receipt, last.Store())
	}
}

func (e *env) disableCommand(c *cobra.Command) action {
	e.writeFlags(c)
	e.restartFlag(c)
	var daemon dockerd.Choice
	daemonFlags(c, &daemon)
	release := c.Flags().Bool("release", false, "also remove the account's ranges from /etc/subuid and /etc/subgid")
	return func(ctx context.Context, _ []string) error {
		if err := e.mayRestart(); err != nil {
			return err
		}
		receipt, err := e.change(ctx, func() (usernskit.Plan, error) {
			return remap.PlanDisable(ctx, e.host, remap.Disable{Release: *release, Daemon: daemon})
		})
		if err != nil {
			return err
		}
		return e.restart(ctx, receipt, "")
	}
}

func (e *env) restartFlag(c *cobra.Command) {
	c.Flags().BoolVar(&e.restarts, "restart", false, "restart docker, wait for it, and undo if it does not start as wanted")
}

// mayRestart refuses --restart where there is nothing to restart, before
// anything is written.
func (e *env) mayRestart() error {
	if e.restarts && !e.host.Live() {
		return errors.New("nothing was changed: a --root has no docker for --restart to restart")
	}
	return nil
}

// restart is --restart, after change: it restarts docker and waits until it is
// as wanted, remapped to the store of that name, or not remapped where store is
// empty.
func (e *env) restart(ctx context.Context, receipt usernskit.Receipt, store string) error {
	if !e.restarts {
		return nil
	}
	restarting := slices.ContainsFunc(receipt.Actions, func(a usernskit.Action) bool { return a.Kind == usernskit.ActionRestartDocker })
	if !restarting {
		action, err := e.isBehind(ctx, receipt, store)
		if err != nil {
			return err
		}
		if action.Argv != nil {
			receipt.Actions = append(receipt.Actions, action)
			restarting = true
		}
	}
	switch {
	case restarting:
		e.note("restarting docker")
	case receipt.ID == "":
		return nil
	}
	err := e.during("waiting for docker", func() error {
		return e.write(func() error {
			return remap.Restart{Host: e.host, Receipt: receipt, Store: store, Ask: e.reported, Step: e.step}.Run(ctx)
		})
	})
	if errors.Is(err, remap.ErrNoSystemd) { // what was written stays
		e.note("docker was not restarted: %v", err)
		return behind
	}
	var fail *remap.RestartError
	if errors.As(err, &fail) && fail.Down != nil && fail.Undo == nil {
		e.note("%v", err)
		return behind // the files are back, and docker is down
	}
	if err == nil && restarting && e.done == "" {
		e.done = "docker was restarted"
	}
	return err
}

// step says what --restart runs besides the restart itself.
func (e *env) step(a usernskit.Action) {
	if a.Kind != usernskit.ActionRestartDocker {
		e.note("running %s", strings.Join(a.Argv, " "))
	}
}

// isBehind returns the restart that docker needs for what the files already had
// before this run, or an empty action.
func (e *env) isBehind(ctx context.Context, receipt usernskit.Receipt, store string) (usernskit.Action, error) {
	startup, err := dockerd.Read(ctx, e.host)
	if err != nil {
		return usernskit.Action{}, err
	}
	action := startup.Restart()
	daemon, err := e.reported(ctx)
	if err != nil {
		e.note("docker was not restarted: whether it has to be is not known: %v", err)
		e.next([]usernskit.Action{action})
		return usernskit.Action{}, incomplete
	}
	if err = daemon.Check(store); err == nil {
		if receipt.ID == "" {
			e.say("nothing to do")
		}
		return usernskit.Action{}, nil
	}
	e.say("the files are as wanted, and docker is not: %v", err)
	if e.dryRun {
		e.next([]usernskit.Action{action})
		return usernskit.Action{}, findings
	}
	return action, e.agreed(ctx, "", usernskit.Plan{}, func() error { return nil })
}

// reported is what a restart has to know of the daemon.
func (e *env) reported(ctx context.Context) (remap.Daemon, error) {
	engine, err := e.ask(ctx)
	if err != nil {
		return remap.Daemon{}, err
	}
	return remap.Daemon{Remapped: engine.Remaps(), DataRoot: engine.RootDir}, nil
}
