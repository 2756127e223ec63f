package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// subidFlags adds those that find and add share, and returns what reads them.
func (e *env) subidFlags(c *cobra.Command) func(owner string) subid.Request {
	var start, count, align uint32
	number(c, &start, "start", "first `ID` (default: the lowest free one)")
	number(c, &count, "count", "how many IDs, `N` (default: 65536)")
	number(c, &align, "align", "start at a multiple of `N`")
	return func(owner string) subid.Request {
		return subid.Request{
			Owner: owner, Start: start, Count: count,
			Policy:     subid.Policy{Align: align},
			AllowSmall: slices.Contains(e.accepted, "small-range"),
		}
	}
}

func (e *env) subidFindCommand(c *cobra.Command) action {
	request := e.subidFlags(c)
	e.riskFlag(c)
	return func(ctx context.Context, _ []string) error {
		s, err := subid.Read(ctx, e.host)
		if err != nil {
			return err
		}
		grant, warnings, err := s.Find(request(""))
		if err != nil {
			return err
		}
		var code error
		for _, w := range warnings {
			e.note("%s: %s", w.ID, w.Text)
			if w.ID == string(subid.ProblemAccountsUnseen) {
				code = incomplete
			}
		}
		e.text("%v", grant.UID)
		return e.printed(code, members{"uid": grant.UID.Start, "gid": grant.GID.Start, "count": grant.UID.Count})
	}
}

func (e *env) subidAddCommand(c *cobra.Command) action {
	e.writeFlags(c)
	request := e.subidFlags(c)
	preset := c.Flags().String("for", "", "what `PROGRAM` wants: docker, kubelet or podman; OWNER may be left out")
	slot := c.Flags().Uint32("slot", 0, "the range `N` times --count after the first ID, as of a fleet's hosts")
	pods := c.Flags().Uint32("max-pods", 110, "for kubelet: as many ranges as it runs pods, `N`")
	return func(ctx context.Context, list []string) error {
		want := request("")
		switch {
		case *preset != "":
			base, err := subid.Preset(*preset, *pods)
			if err != nil {
				return fmt.Errorf("--for: %w", err)
			}
			want = merged(base, want)
		case len(list) == 0:
			return usage(c, "an argument is missing: OWNER or --for")
		}
		if c.Flags().Changed("slot") {
			want.Slot = slot
		}
		if len(list) == 1 {
			want.Owner = list[0]
		}
		_, err := e.change(ctx, func() (usernskit.Plan, error) {
			_, plan, err := subid.Plan(ctx, e.host, want)
			return plan, err
		})
		return err
	}
}

// merged is a preset with what the flags ask for instead.
func merged(base, flags subid.Request) subid.Request {
	base.Start = cmp.Or(flags.Start, base.Start)
	base.Count = cmp.Or(flags.Count, base.Count)
	base.Policy.Align = cmp.Or(flags.Policy.Align, base.Policy.Align)
	base.AllowSmall = base.AllowSmall || flags.AllowSmall
	return base
}

func (e *env) subidReleaseCommand(c *cobra.Command) action {
	e.writeFlags(c)
	return func(ctx context.Context, list []string) error {
		held := []subid.Claim{}
		_, err := e.change(ctx, func() (usernskit.Plan, error) {
			s, err := subid.Read(ctx, e.host)
			if err != nil {
				return usernskit.Plan{}, err
			}
			held = s.Held(list[0])
			return s.PlanRelease(list[0])
		})
		if err == nil && len(held) == 0 {
			e.say("  %q has no ranges in %s and %s; this shows who has: %s", list[0], subid.UIDFile, subid.GIDFile, e.self("subid", "list"))
		}
		return err
	}
}
