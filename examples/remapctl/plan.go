package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/remap"
)

func planCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "plan", Short: "show what enable would change, and change nothing",
		Long: "Prints the diff of every file and what is to be done afterwards.\n" +
			"Exits 0 where nothing is to be done, and 1 where something is.",
		Example: "remapctl plan --user remapuser:remapgroup",
		Args:    args(0, 0),
	}
	want := e.enableFlags(c)
	e.riskFlag(c)
	c.RunE = e.action(func(ctx context.Context, _ []string) error { return e.plan(ctx, want) })
	return c
}

// enableRequest are the flags that plan and enable share.
type enableRequest struct {
	user         string
	start, count number
	daemon       dockerd.Choice
}

func (e *env) enableFlags(c *cobra.Command) *enableRequest {
	var want enableRequest
	c.Flags().StringVar(&want.user, "user", "default", "`U[:G]` to remap to, as dockerd's --userns-remap has it")
	c.Flags().Var(&want.start, "start", "first host `ID` of the range, in both files (default: the first free one)")
	c.Flags().Var(&want.count, "count", "how many IDs, `N` (default: 65536)")
	daemonFlags(c, &want.daemon)
	e.values(c, "user", func(ctx context.Context) []string {
		return append([]string{"default\tDocker's own account, dockremap"}, e.claims(false)(ctx)...)
	})
	return &want
}

// daemonFlags say which dockerd is meant, where looking cannot tell.
func daemonFlags(c *cobra.Command, daemon *dockerd.Choice) {
	c.Flags().StringVar(&daemon.Unit, "unit", "", "`NAME` of the unit or script that starts that dockerd")
	c.Flags().StringVar(&daemon.ConfigFile, "config-file", "", "`PATH` of the daemon.json that it reads")
}

func (e *env) request(ctx context.Context, want *enableRequest) (remap.Request, error) {
	e.daemon = want.daemon // for the forecast
	value, err := daemoncfg.ParseRemap(want.user)
	if err != nil {
		return remap.Request{}, fmt.Errorf("--user: %w", err)
	}
	if chosen := want.daemon.ConfigFile; chosen != "" {
		found, err := dockerd.Choice{Unit: want.daemon.Unit}.Read(ctx, e.host)
		if err == nil && found.State() == dockerd.StateFound && found.ConfigFile != chosen {
			e.note("%s", e.fold(fmt.Sprintf("warning: dockerd reads %s here, and not %s of --config-file", found.ConfigFile, chosen), 2))
		}
	}
	return remap.Request{
		Remap: value, Start: uint32(want.start), Count: uint32(want.count),
		AllowSmall: slices.Contains(e.accepted, "small-range"), Daemon: want.daemon,
	}, nil
}

// command is the command line that does what was planned.
func (want *enableRequest) command(e *env, risks []string) string {
	words := []string{"enable"}
	if want.user != "default" {
		words = append(words, "--user", want.user)
	}
	if want.start != 0 {
		words = append(words, "--start", want.start.String())
	}
	if want.count != 0 {
		words = append(words, "--count", want.count.String())
	}
	if want.daemon.Unit != "" {
		words = append(words, "--unit", want.daemon.Unit)
	}
	if want.daemon.ConfigFile != "" {
		words = append(words, "--config-file", want.daemon.ConfigFile)
	}
	for _, id := range risks {
		words = append(words, "--accept-risk", id)
	}
	return e.self(words...)
}

func (e *env) plan(ctx context.Context, flags *enableRequest) error {
	want, err := e.request(ctx, flags)
	if err != nil {
		return err
	}
	p, err := remap.PlanEnable(ctx, e.host, want)
	if err != nil {
		return err
	}
	var code error
	switch {
	case e.json && !p.Plan.Empty():
		code = findings
	case e.json:
	case p.Plan.Empty():
		e.warn(p.Plan)
		e.next(p.Plan.Actions)
		e.say("nothing to do: %s is remapped to %s", p.Remap, span(p.Grant.UID.Start, p.Grant.UID.Count))
	default:
		e.show(p.Plan)
		e.warn(p.Plan)
		e.next(p.Plan.Actions)
		e.foresee(ctx, want.Remap.String())
		e.text("to take it back afterwards: %s\nto do it: %s", e.self("undo"), flags.command(e, append(e.accepted, e.open(p.Plan)...)))
		code = findings
	}
	uid := jsonGrant{jsonRange(p.Grant.UID), p.Grant.UIDExisting}
	return e.printed(jsonEnable{p.Remap, uid, jsonGrant{jsonRange(p.Grant.GID), p.Grant.GIDExisting}, planJSON(p.Plan)}, code)
}

type jsonGrant struct {
	jsonRange
	Existing bool `json:"existing"`
}

type jsonEnable struct {
	Remap daemoncfg.Remap `json:"remap"`
	UID   jsonGrant       `json:"uid"`
	GID   jsonGrant       `json:"gid"`
	jsonPlan
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
