package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/subid"
)

func subidFindCommand() *cli.Command {
	return &cli.Command{
		Name:        "find",
		Usage:       "find a range that is free in both files",
		Description: "Prints it as START:COUNT.\n\nExample: remapctl subid find --count 131072 --align 65536",
		Flags: append(subidFlags(),
			&cli.StringSliceFlag{Name: "accept-risk", Usage: "`ID` to look in spite of: small-range"}),
		Action: action(runSubidFind),
	}
}

func subidFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint32Flag{Name: "start", Usage: "first `ID` (default: lowest free)", HideDefault: true},
		&cli.Uint32Flag{Name: "count", Usage: "how many IDs, `N` (default: 65536)", HideDefault: true},
		&cli.Uint32Flag{Name: "align", Usage: "start at a multiple of `N`", HideDefault: true},
	}
}

// subidRequest reads the flags that find and add share.
func subidRequest(cmd *cli.Command, owner string) (subid.Request, error) {
	for _, name := range []string{"start", "count", "align"} {
		if cmd.IsSet(name) && cmd.Uint32(name) == 0 {
			return subid.Request{}, fmt.Errorf("--%s 0: must be at least 1", name)
		}
	}
	return subid.Request{
		Owner: owner, Start: cmd.Uint32("start"), Count: cmd.Uint32("count"),
		Policy:     subid.Policy{Align: cmd.Uint32("align")},
		AllowSmall: slices.Contains(cmd.StringSlice("accept-risk"), "small-range"),
	}, nil
}

func runSubidFind(ctx context.Context, e *env, cmd *cli.Command) error {
	if _, err := args(cmd, 0, 0); err != nil {
		return err
	}
	want, err := subidRequest(cmd, "")
	if err != nil {
		return err
	}
	grant, warnings, err := subid.Find(ctx, e.host, want)
	if err != nil {
		return err
	}
	var code error
	for _, w := range warnings {
		e.note("%s: %s", w.ID, w.Text)
		if w.ID == subid.AccountsUnseen {
			code = incomplete
		}
	}
	if e.json {
		if err := e.printJSON(struct {
			Schema int    `json:"schema"`
			UID    uint32 `json:"uid"`
			GID    uint32 `json:"gid"`
			Count  uint32 `json:"count"`
		}{1, grant.UID.Start, grant.GID.Start, grant.UID.Count}); err != nil {
			return err
		}
		return code
	}
	e.say("%v", grant.UID)
	return code
}
