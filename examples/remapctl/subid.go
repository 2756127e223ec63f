package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/fleet"
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
		rows = append(rows, []string{place, c.Owner, span(c.Range.Start, c.Range.Count)})
	}
	return e.table(rows)
}

func (e *env) subidAuditCommand(c *cobra.Command) action {
	against := c.Flags().StringArray("against", nil, "`FILE` of another host; may be repeated")
	return func(ctx context.Context, _ []string) error { return e.subidAudit(ctx, *against) }
}

func (e *env) subidAudit(ctx context.Context, against []string) error {
	s, err := subid.Read(ctx, e.host)
	if err != nil {
		return err
	}
	problems, err := s.Problems(ctx)
	if err != nil {
		return err
	}
	var others [2][]*subid.File // of users and of groups
	for _, path := range against {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		side := 0
		if strings.Contains(filepath.Base(path), "gid") {
			side = 1
		}
		others[side] = append(others[side], subid.Parse(path, data))
	}
	for i, own := range []*subid.File{s.UID, s.GID} {
		meet, err := own.Against(ctx, others[i]...)
		if err != nil {
			return err
		}
		problems = append(problems, meet...)
	}
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

func (e *env) subidOwner(ctx context.Context, args []string) error {
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not an ID: 0 to 4294967295", args[0])
	}
	id := uint32(n)
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
