package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/subid"
)

func subidCommand() *cli.Command {
	return &cli.Command{
		Name:  "subid",
		Usage: "list, audit, allocate and release subordinate IDs",
		Commands: []*cli.Command{
			subidListCommand(),
			subidAuditCommand(),
			subidFindCommand(),
			subidAddCommand(),
			subidReleaseCommand(),
			subidOwnerCommand(),
		},
	}
}

func subidListCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list the ranges of both files, or those of one owner",
		ArgsUsage:   "[OWNER]",
		Description: "Shows what any reader reads on any line; subid audit says where they differ.\n\nExample: remapctl subid list dockremap",
		Action:      action(runSubidList),
	}
}

func runSubidList(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 0, 1)
	if err != nil {
		return err
	}
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
	if e.json {
		return e.printJSON(struct {
			Schema int         `json:"schema"`
			Ranges []jsonClaim `json:"ranges"`
		}{1, claimsJSON(claims)})
	}
	return e.printClaims(claims)
}

// A jsonClaim is a hold on IDs, as every command of the group prints it.
type jsonClaim struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Owner string `json:"owner"`
	Start uint32 `json:"start"`
	Count uint32 `json:"count"`
}

func claimsJSON(claims []subid.Claim) []jsonClaim {
	out := []jsonClaim{}
	for _, c := range claims {
		out = append(out, jsonClaim{c.File, c.Line, c.Owner, c.Range.Start, c.Range.Count})
	}
	return out
}

func (e *env) printClaims(claims []subid.Claim) error {
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	for _, c := range claims {
		place := "getent"
		if c.File != "" {
			place = fmt.Sprintf("%s:%d", c.File, c.Line)
		}
		fmt.Fprintf(w, "%s\t%s\t%d-%d\t(%d)\n", place, plain(c.Owner), c.Range.Start, c.Range.Last(), c.Range.Count)
	}
	return w.Flush()
}
