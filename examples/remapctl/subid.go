package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/subid"
)

func subidCommand(e *env) *cobra.Command {
	return group(&cobra.Command{Use: "subid COMMAND", Short: "list, audit, allocate and release subordinate IDs"},
		subidListCommand(e), subidAuditCommand(e), subidFindCommand(e), subidAddCommand(e), subidReleaseCommand(e), subidOwnerCommand(e))
}

func subidListCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "list [OWNER]", Short: "list the ranges of both files, or those of one owner",
		Long:    "Shows what any reader reads on any line; subid audit shows where they differ.",
		Example: "remapctl subid list dockremap",
		Args:    args(0, 1),
		RunE:    e.action(e.subidList),
	}
	e.argument(c, false, e.claims(true))
	return c
}

func (e *env) subidList(ctx context.Context, list []string) error {
	s, err := subid.Read(ctx, e.host)
	if err != nil {
		return err
	}
	users, groups := s.Claims()
	claims := slices.DeleteFunc(append(users, groups...), func(c subid.Claim) bool { // accounts are not listed
		return c.File != subid.UIDFile && c.File != subid.GIDFile
	})
	if len(list) == 1 {
		claims = s.Held(list[0])
	}
	machine, host, err := fleet.Identity(e.host)
	if e.json && err != nil && !errors.Is(err, fleet.ErrNoMachineID) {
		return err
	}
	return errors.Join(e.printClaims(claims), e.printed(fleet.Export{Machine: machine, Host: host, Ranges: append([]subid.Claim{}, claims...)}, nil))
}

func (e *env) printClaims(claims []subid.Claim) error {
	var rows [][]string
	for _, c := range claims {
		place := "getent"
		if c.File != "" {
			place = fmt.Sprintf("%s:%d", c.File, c.Line)
		}
		rows = append(rows, []string{place, c.Owner, span(c.Range.Start, c.Range.Count)})
	}
	return e.table(rows)
}
