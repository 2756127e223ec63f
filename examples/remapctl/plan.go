package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
)

func (e *env) planCommand(c *cobra.Command) action {
	want := e.enableFlags(c)
	e.riskFlag(c)
	return func(ctx context.Context, _ []string) error { return e.plan(ctx, c, want) }
}

// enableFlags adds those that plan and enable share.
func (e *env) enableFlags(c *cobra.Command) *remap.Request {
	want := remap.Request{Remap: daemoncfg.Remap{User: daemoncfg.Default}}
	c.Flags().TextVar(&want.Remap, "user", want.Remap, "`U[:G]` to remap to, as dockerd's --userns-remap has it")
	c.Flags().Var((*number)(&want.Start), "start", "first host `ID` of the range, in both files (default: the first free one)")
	c.Flags().Var((*number)(&want.Count), "count", "how many IDs, `N` (default: 65536)")
	daemonFlags(c, &want.Daemon)
	return &want
}

// daemonFlags say which dockerd is meant, where looking cannot tell.
func daemonFlags(c *cobra.Command, daemon *dockerd.Choice) {
	c.Flags().StringVar(&daemon.Unit, "unit", "", "`NAME` of the unit or script that starts that dockerd")
	c.Flags().StringVar(&daemon.ConfigFile, "config-file", "", "`PATH` of the daemon.json that it reads")
}

// complete adds what other flags say, and notes a --config-file that is not in use.
func (e *env) complete(ctx context.Context, want *remap.Request) error {
	if want.Remap.User == "" {
		return errors.New("--user is empty: leave it out for Docker's own account")
	}
	e.daemon = want.Daemon // for the forecast
	want.AllowSmall = slices.Contains(e.accepted, subid.WarnSmallRange)
	if chosen := want.Daemon.ConfigFile; chosen != "" {
		found, err := dockerd.Choice{Unit: want.Daemon.Unit}.Read(ctx, e.host)
		if err == nil && found.State() == dockerd.StateFound && found.ConfigFile != chosen {
			e.note("%s", e.fold(fmt.Sprintf("warning: dockerd reads %s here, and not %s of --config-file", found.ConfigFile, chosen), 2))
		}
	}
	return nil
}

// commandLine is what does what was planned.
func (e *env) commandLine(c *cobra.Command, risks []string) string {
	words := []string{"enable"}
	for _, name := range []string{"user", "start", "count", "unit", "config-file"} {
		if f := c.Flags().Lookup(name); f.Changed {
			words = append(words, "--"+name, f.Value.String())
		}
	}
	for _, id := range risks {
		words = append(words, "--accept-risk", id)
	}
	return e.self(words...)
}

func (e *env) plan(ctx context.Context, c *cobra.Command, want *remap.Request) error {
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
			e.say("nothing to do: %s is remapped to %s", p.Remap, span(p.Grant.UID.Start, p.Grant.UID.Count))
			return nil
		}
		e.foresee(ctx, want.Remap.String())
		e.text("to take it back afterwards: %s\nto do it: %s", e.self("undo"), e.commandLine(c, append(e.accepted, e.open(p.Plan)...)))
		return code
	}
	side := func(r subid.Range, existing bool) members {
		return members{"start": r.Start, "count": r.Count, "existing": existing}
	}
	g := p.Grant
	return e.printed(code, members{"remap": p.Remap, "uid": side(g.UID, g.UIDExisting), "gid": side(g.GID, g.GIDExisting)}, p.Plan)
}

// A number is the value of a flag: from 1 on, 0 where it was not given.
type number uint32

func (n *number) Type() string { return "N" }

func (n *number) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*n), 10)
}

func (n *number) Set(text string) error {
	v, err := strconv.ParseUint(text, 10, 32)
	if err != nil || v == 0 {
		return fmt.Errorf("must be a number from 1 to %d", uint32(1<<32-1))
	}
	*n = number(v)
	return nil
}
