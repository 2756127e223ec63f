package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
)

func (e *env) subidList(ctx context.Context, args []string) error {
	s, err := subid.Read(ctx, e.host)
	if err != nil {
		return err
	}
	users, groups := s.Claims()
	claims := slices.DeleteFunc(append(users, groups...), func(c subid.Claim) bool { // accounts are not listed
		return c.File != subid.UIDFile && c.File != subid.GIDFile
	})
	if len(args) == 1 {
		claims = s.Held(args[0])
	}
	machine, host, err := fleet.Identity(e.host)
	if e.json && err != nil && !errors.Is(err, fleet.ErrNoMachineID) {
		return err
	}
	return errors.Join(e.printClaims(claims), e.printed(nil, fleet.Export{Machine: machine, Host: host, Ranges: list(claims)}))
}

func (e *env) printClaims(claims []subid.Claim) error {
	var rows [][]string
	for _, c := range claims {
		place := "getent"
		if c.File != "" {
			place = fmt.Sprintf("%s:%d", c.File, c.Line)
		}
		rows = append(rows, []string{place, c.Owner, text.IDs(c.Range.Start, c.Range.Count)})
	}
	return e.table(rows)
}

func (e *env) subidAuditCommand(c *cobra.Command) action {
	against := c.Flags().StringArray("against", nil, "`FILE` of another host; more may follow, or it is repeated")
	return func(ctx context.Context, more []string) error {
		if len(more) > 0 && len(*against) == 0 {
			return usage(c, "unexpected argument %q: files of other hosts follow --against", more[0])
		}
		s, err := subid.Read(ctx, e.host)
		if err != nil {
			return err
		}
		problems, err := s.Problems(ctx)
		if err != nil {
			return err
		}
		var others []*subid.File
		for _, name := range append(*against, more...) {
			data, err := e.read(name)
			if err != nil {
				return err
			}
			others = append(others, subid.Parse(name, data))
		}
		meet, err := s.Against(ctx, others...)
		if err != nil {
			return err
		}
		problems = append(problems, meet...)
		var code error
		for _, p := range problems {
			if p.ID != subid.ProblemAccountsUnseen {
				code = findings
			}
			e.text("%v", p)
		}
		switch {
		case len(problems) == 0:
			e.text("nothing is wrong")
		case code == nil:
			code = incomplete
		}
		return e.printed(code, members{"problems": list(problems)})
	}
}

func (e *env) subidOwner(ctx context.Context, args []string) error {
	id, err := parseID(args[0])
	if err != nil {
		return err
	}
	s, err := subid.Read(ctx, e.host)
	if err != nil {
		return err
	}
	owners, unsure := s.Owners(ctx, id)
	var code error
	if unsure != nil {
		e.note("cannot tell whether an account has %d: %v", id, unsure)
		code = incomplete
	}
	reserved := ""
	if i := slices.IndexFunc(subid.ReservedRanges(), func(r subid.Reserved) bool { return r.Contains(id) }); i >= 0 {
		reserved = subid.ReservedRanges()[i].Name
	}
	if len(owners) == 0 && unsure == nil {
		e.say("nobody has %d", id)
	}
	if reserved != "" {
		e.note("%d is one of the IDs for: %s", id, reserved)
	}
	return errors.Join(e.printClaims(owners), e.printed(code, members{"id": id, "owners": list(owners), "reserved": reserved}))
}

// subidFlags adds the flags that find and add share.
func subidFlags(c *cobra.Command, want *subid.Request) {
	number(c, &want.Start, "start", "first `ID` (default: the lowest free one)")
	number(c, &want.Count, "count", "how many IDs, `N` (default: 65536)")
	number(c, &want.Policy.Align, "align", "start at a multiple of `N`")
}

func (e *env) subidFindCommand(c *cobra.Command) action {
	var want subid.Request
	subidFlags(c, &want)
	e.riskFlag(c)
	return func(ctx context.Context, _ []string) error {
		s, err := subid.Read(ctx, e.host)
		if err != nil {
			return err
		}
		want.AllowSmall = slices.Contains(e.accepted, subid.WarnSmallRange)
		grant, warnings, err := s.Find(want)
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
	var want subid.Request
	subidFlags(c, &want)
	preset := c.Flags().String("for", "", "what `PROGRAM` wants: docker, kubelet or podman; OWNER may be left out")
	slot := c.Flags().Uint32("slot", 0, "the range `N` times --count after the first ID, as of a fleet's hosts")
	pods := c.Flags().Uint32("max-pods", 110, "for kubelet: as many ranges as it runs pods, `N`")
	return func(ctx context.Context, args []string) error {
		if *preset == "" && len(args) == 0 {
			return usage(c, "an argument is missing: OWNER or --for")
		}
		want.Owner = strings.Join(args, "")
		if *preset != "" { // for what no flag sets
			base, err := subid.Preset(*preset, *pods)
			if err != nil {
				return err
			}
			want.Owner = cmp.Or(want.Owner, base.Owner)
			want.Count = cmp.Or(want.Count, base.Count)
			want.Policy.Align = cmp.Or(want.Policy.Align, base.Policy.Align)
		}
		if c.Flags().Changed("slot") {
			want.Slot = slot
		}
		want.AllowSmall = slices.Contains(e.accepted, subid.WarnSmallRange)
		_, err := e.change(ctx, func() (usernskit.Plan, error) {
			_, plan, err := subid.Plan(ctx, e.host, want)
			return plan, err
		})
		return err
	}
}

func (e *env) subidReleaseCommand(c *cobra.Command) action {
	e.writeFlags(c)
	return func(ctx context.Context, args []string) error {
		held := []subid.Claim{}
		_, err := e.change(ctx, func() (usernskit.Plan, error) {
			s, err := subid.Read(ctx, e.host)
			if err != nil {
				return usernskit.Plan{}, err
			}
			held = s.Held(args[0])
			return s.PlanRelease(args[0])
		})
		if err == nil && len(held) == 0 {
			e.say("  %q has no ranges in %s and %s; this shows who has: %s", args[0], subid.UIDFile, subid.GIDFile, e.self("subid", "list"))
		}
		return err
	}
}
