package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/subid"
)

func subidOwnerCommand() *cli.Command {
	return &cli.Command{
		Name:      "owner",
		Usage:     "say who an ID of the host belongs to",
		ArgsUsage: "ID",
		Description: "Prints the lines of both files that give it to someone, as any reader reads\n" +
			"them, and accounts and groups of that ID.\n\nExample: remapctl subid owner 123000",
		Action: action(runSubidOwner),
	}
}

func runSubidOwner(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 1, 1)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(list[0], 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not an ID: 0 to 4294967295", list[0])
	}
	id := uint32(n)
	owners, err := subid.Owners(ctx, e.host, id)
	if err != nil {
		return err
	}
	reserved := reservedName(id)
	if e.json {
		return e.printJSON(struct {
			Schema   int         `json:"schema"`
			ID       uint32      `json:"id"`
			Owners   []jsonClaim `json:"owners"`
			Reserved string      `json:"reserved"`
		}{1, id, claimsJSON(owners), reserved})
	}
	if len(owners) == 0 {
		e.say("nobody has %d", id)
	}
	if reserved != "" {
		e.note("%d is one of the IDs for: %s", id, reserved)
	}
	return e.printClaims(owners)
}

// reservedName says what an ID is reserved for, or "".
func reservedName(id uint32) string {
	list := subid.ReservedRanges()
	i := slices.IndexFunc(list, func(r subid.Reserved) bool { return r.Contains(id) })
	if i < 0 {
		return ""
	}
	return list[i].Name
}
