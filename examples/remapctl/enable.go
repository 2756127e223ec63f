package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
)

func (e *env) planCommand(c *cobra.Command) action {
	want := e.enableFlags(c)
	e.riskFlag(c)
	return func(ctx context.Context, _ []string) error {
		if err := e.complete(ctx, want); err != nil {
			return err
		}
		p, err := remap.PlanEnable(ctx, e.host, *want)
		if err != nil {
			return err
		}
		code := error(findings)
		if p.Plan.Empty() {
			code = nil
		}
		if !e.json {
			e.show(p.Plan)
			e.warn(p.Plan)
			e.next(p.Plan.Actions)
			if code == nil {
				e.say("nothing to do: %s is remapped to %s", p.Remap, text.IDs(p.Grant.UID.Start, p.Grant.UID.Count))
				return nil
			}
			e.foresee(ctx, want.Remap.String())
			e.text("to take it back afterwards: %s\nto do it: %s", e.self("undo"), e.commandLine(want, append(e.accepted, p.Plan.Risks(e.accepted...)...)))
			return code
		}
		side := func(r subid.Range, existing bool) members {
			return members{"start": r.Start, "count": r.Count, "existing": existing}
		}
		g := p.Grant
		return e.printed(code, members{"remap": p.Remap, "uid": side(g.UID, g.UIDExisting), "gid": side(g.GID, g.GIDExisting)}, p.Plan)
	}
}

// enableFlags adds the flags that plan and enable share.
func (e *env) enableFlags(c *cobra.Command) *remap.Request {
	want := remap.Request{Remap: daemoncfg.Remap{User: daemoncfg.Default}}
	c.Flags().TextVar(&want.Remap, "user", want.Remap, "`U[:G]` to remap to, as dockerd's --userns-remap has it")
	number(c, &want.Start, "start", "first host `ID` of the range, in both files (default: the first free one)")
	number(c, &want.Count, "count", "how many IDs, `N` (default: 65536)")
	e.daemonFlags(c)
	return &want
}

// daemonFlags adds the flags that say which dockerd is meant, where the host does
// not tell.
func (e *env) daemonFlags(c *cobra.Command) {
	c.Flags().StringVar(&e.daemon.Unit, "unit", "", "`NAME` of the unit or script that starts that dockerd")
	c.Flags().StringVar(&e.daemon.ConfigFile, "config-file", "", "`PATH` of the daemon.json that it reads")
}

// complete fills in want from other flags, and warns of a --config-file that
// dockerd does not read.
func (e *env) complete(ctx context.Context, want *remap.Request) error {
	want.Daemon = e.daemon
	want.AllowSmall = slices.Contains(e.accepted, subid.WarnSmallRange)
	if chosen := want.Daemon.ConfigFile; chosen != "" {
		found, err := dockerd.Choice{Unit: want.Daemon.Unit}.Read(ctx, e.host)
		if err == nil && found.State() == dockerd.StateFound && found.ConfigFile != chosen {
			e.note("%s", e.fold(fmt.Sprintf("warning: dockerd reads %s here, and not %s of --config-file", found.ConfigFile, chosen), 2))
		}
	}
	return nil
}

// commandLine returns the enable command that does what was planned.
func (e *env) commandLine(want *remap.Request, risks []string) string {
	words := []string{"enable"}
	add := func(flag, value, none string) {
		if value != none {
			words = append(words, flag, value)
		}
	}
	add("--user", want.Remap.String(), daemoncfg.Default)
	add("--start", fmt.Sprint(want.Start), "0")
	add("--count", fmt.Sprint(want.Count), "0")
	add("--unit", want.Daemon.Unit, "")
	add("--config-file", want.Daemon.ConfigFile, "")
	for _, id := range risks {
		add("--accept-risk", id, "")
	}
	return e.self(words...)
}

// number adds a flag for a number from 1 on. Without the flag, n stays 0.
func number(c *cobra.Command, n *uint32, name, usage string) {
	c.Flags().Func(name, usage, func(text string) error {
		v, err := strconv.ParseUint(text, 10, 32)
		if err != nil || v == 0 {
			return fmt.Errorf("must be a number from 1 to %d", uint32(1<<32-1))
		}
		*n = uint32(v)
		return nil
	})
}

func (e *env) enableCommand(c *cobra.Command) action {
	e.writeFlags(c)
	want := e.enableFlags(c)
	e.restartFlag(c)
	return func(ctx context.Context, _ []string) error {
		if err := e.complete(ctx, want); err != nil {
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
	e.daemonFlags(c)
	release := c.Flags().Bool("release", false, "also remove the account's ranges from /etc/subuid and /etc/subgid")
	return func(ctx context.Context, _ []string) error {
		receipt, err := e.change(ctx, func() (usernskit.Plan, error) {
			return remap.PlanDisable(ctx, e.host, remap.Disable{Release: *release, Daemon: e.daemon})
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

// restart is --restart, after change: it restarts docker if need be, and waits
// until docker is remapped to store, or is not remapped if store is empty.
func (e *env) restart(ctx context.Context, receipt usernskit.Receipt, store string) error {
	if !e.restarts {
		return nil
	}
	r := remap.Restart{Host: e.host, Receipt: receipt, Store: store, Ask: e.ask, Step: e.step}
	due := slices.ContainsFunc(receipt.Actions, func(a usernskit.Action) bool { return a.Kind == usernskit.ActionRestartDocker })
	if !due {
		action, err := e.isBehind(ctx, r)
		switch {
		case err != nil:
			return err
		case action != nil:
			r.Receipt.Actions = append(r.Receipt.Actions, *action)
			due = true
		case receipt.ID == "":
			e.say("nothing to do")
			return nil
		}
	}
	if due {
		e.note("restarting docker")
	}
	stop := e.tell("waiting for docker")
	err := e.write(func() error { return r.Run(ctx) })
	stop()
	var fail *remap.RestartError
	switch {
	case errors.Is(err, remap.ErrNoSystemd): // what was written stays
		e.note("docker was not restarted: %v", err)
		return behind
	case errors.As(err, &fail) && fail.Undo == nil: // the files are back
		e.done = ""
		if fail.Down != nil {
			e.done = "docker is not running"
		}
	case err == nil && due && e.done == "":
		e.done = "docker was restarted"
	}
	return err
}

// step notes what --restart runs besides the restart itself.
func (e *env) step(a usernskit.Action) {
	if a.Kind != usernskit.ActionRestartDocker {
		e.note("running %s", strings.Join(a.Argv, " "))
	}
}

// isBehind returns the restart that docker needs because the files were as wanted
// before this run and docker is not, or nil. It asks the person first.
func (e *env) isBehind(ctx context.Context, r remap.Restart) (*usernskit.Action, error) {
	startup, err := e.daemon.Read(ctx, e.host)
	if err != nil {
		return nil, err
	}
	action := startup.Restart()
	daemon, err := e.ask(ctx)
	if err != nil {
		e.note("docker was not restarted: whether it has to be is not known: %v", err)
		e.next([]usernskit.Action{action})
		return nil, incomplete
	}
	if err = r.Check(daemon); err == nil {
		return nil, nil
	}
	e.say("the files are as wanted, and docker is not: %v", err)
	if e.dryRun {
		e.next([]usernskit.Action{action})
		return nil, findings
	}
	return &action, e.agreed(ctx, "", usernskit.Plan{}, func() error { return nil })
}
