package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "show what enable would change, and change nothing",
		Description: "Prints the diff of every file and what is to be done afterwards.\n" +
			"Exits 0 where nothing is to be done, and 1 where something is.\n\n" +
			"Example: remapctl plan --user remapuser:remapgroup",
		Flags:  append(enableFlags(), &cli.StringSliceFlag{Name: "accept-risk", Usage: "plan in spite of `ID`: small-range"}),
		Action: action(runPlan),
	}
}

func enableFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "user", Value: "default", Usage: "`U[:G]` to remap to, as dockerd's --userns-remap has it"},
		&cli.Uint32Flag{Name: "start", Usage: "first host `ID` of the range, in both files (default: the first that is free)", HideDefault: true},
		&cli.Uint32Flag{Name: "count", Usage: "how many IDs, `N` (default: 65536)", HideDefault: true},
	}
}

// request reads the flags that plan and enable share.
func request(cmd *cli.Command) (remap.Request, error) {
	if _, err := args(cmd, 0, 0); err != nil {
		return remap.Request{}, err
	}
	for _, name := range []string{"start", "count"} {
		if cmd.IsSet(name) && cmd.Uint32(name) == 0 {
			return remap.Request{}, fmt.Errorf("--%s 0: must be at least 1", name)
		}
	}
	value, err := daemoncfg.ParseRemap(cmd.String("user"))
	if err != nil {
		return remap.Request{}, fmt.Errorf("--user: %w", err)
	}
	return remap.Request{
		Remap: value, Start: cmd.Uint32("start"), Count: cmd.Uint32("count"),
		AllowSmall: slices.Contains(cmd.StringSlice("accept-risk"), "small-range"),
	}, nil
}

func runPlan(ctx context.Context, e *env, cmd *cli.Command) error {
	want, err := request(cmd)
	if err != nil {
		return err
	}
	p, err := remap.PlanEnable(ctx, e.host, want)
	if err != nil {
		return err
	}
	if e.json {
		err = e.printJSON(enableJSON(p))
	} else {
		e.show(p.Plan)
		e.warn(p.Plan)
		e.next(p.Plan.Actions)
	}
	if err == nil && !p.Plan.Empty() {
		e.foresee(ctx, want.Remap.String())
		e.text("to do it: remapctl enable, same options; the way back: remapctl undo")
		return findings
	}
	if !e.json && err == nil {
		e.say("nothing to do: %s is remapped to %v", p.Remap, p.Grant.UID)
	}
	return err
}

type jsonRange struct {
	Start    uint32 `json:"start"`
	Count    uint32 `json:"count"`
	Existing bool   `json:"existing"`
}

type jsonEnable struct {
	Schema int       `json:"schema"`
	Remap  string    `json:"remap"`
	UID    jsonRange `json:"uid"`
	GID    jsonRange `json:"gid"`
	jsonPlan
}

func enableJSON(p remap.Enable) jsonEnable {
	span := func(r subid.Range, existing bool) jsonRange { return jsonRange{r.Start, r.Count, existing} }
	return jsonEnable{
		Schema: 1, Remap: p.Remap.String(),
		UID: span(p.Grant.UID, p.Grant.UIDExisting), GID: span(p.Grant.GID, p.Grant.GIDExisting),
		jsonPlan: planJSON(p.Plan),
	}
}
