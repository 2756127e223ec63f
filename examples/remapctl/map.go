package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/userns"
)

func mapCommand() *cli.Command {
	return &cli.Command{
		Name:      "map",
		Usage:     "draw the host's ID space, or say what an ID is inside and outside",
		ArgsUsage: "[ID]",
		Description: "Without ID and target it draws who holds which IDs. An ID is told in words;\n" +
			"with a target it is translated both ways. Exits 3 where not all was seen.\n\n" +
			"Example: remapctl map --container web 33",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "pid", Usage: "target: the namespace of process `P`", HideDefault: true},
			&cli.StringFlag{Name: "container", Usage: "target: a container's `NAME` or ID"},
			&cli.StringFlag{Name: "file", Usage: "target: `FILE` with the text of a uid_map, - for stdin", TakesFile: true},
			&cli.BoolFlag{Name: "groups", Usage: "draw groups instead of users"},
			&cli.StringFlag{Name: "svg", Usage: "draw into `FILE` as SVG, - for stdout", TakesFile: true},
			&cli.BoolFlag{Name: "ascii", Usage: "draw with ASCII characters only"},
		},
		Action: action(runMap),
	}
}

func runMap(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 0, 1)
	if err != nil {
		return err
	}
	var id *uint32
	if len(list) == 1 {
		n, err := strconv.ParseUint(list[0], 10, 32)
		if err != nil || n == 1<<32-1 {
			return fmt.Errorf("%q is not an ID, which is a number from 0 to 4294967294", list[0])
		}
		id = new(uint32(n))
	}
	target, err := e.target(ctx, cmd)
	switch {
	case err != nil:
		return err
	case cmd.IsSet("svg") && (id != nil || target != nil || e.json):
		return errors.New("--svg draws the whole host: it takes no ID, no target and no --json")
	case target != nil && id != nil:
		return e.translate(*target, *id)
	case target != nil:
		return e.showMapping(*target)
	case id != nil:
		return e.describe(ctx, *id)
	}
	return e.draw(ctx, cmd)
}

// A target is a namespace to translate for.
type target struct {
	name    string
	mapping userns.Mapping
}

// target finds the namespace that the flags name; nil where they name none.
func (e *env) target(ctx context.Context, cmd *cli.Command) (*target, error) {
	var found []target
	add := func(flag string, read func() (target, error)) error {
		if !cmd.IsSet(flag) {
			return nil
		}
		t, err := read()
		if err == nil && t.mapping.IsZero() {
			err = errors.New("no IDs are mapped there")
		}
		if err != nil {
			return fmt.Errorf("--%s %v: %w", flag, cmd.Value(flag), err)
		}
		found = append(found, t)
		return nil
	}
	err := errors.Join(
		add("pid", func() (target, error) { return e.process(cmd.Int("pid")) }),
		add("container", func() (target, error) { return e.container(ctx, cmd.String("container")) }),
		add("file", func() (target, error) { return e.mapFile(cmd.String("file")) }))
	switch {
	case err != nil:
		return nil, err
	case len(found) > 1:
		return nil, errors.New("--pid, --container and --file are one target each: give one of them")
	case found == nil:
		return nil, nil
	}
	return &found[0], nil
}
