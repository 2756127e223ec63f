package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/userns"
)

type mapFlags struct {
	pid                  int
	container, file, svg string
	groups, ascii        bool
}

func mapCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "map [ID]", Short: "draw the host's ID space, or translate an ID",
		Long: "Without ID and target it draws who holds which IDs. With an ID it lists what\n" +
			"that ID is; with a target it translates both ways.\nExits 3 where not all was seen.",
		Example: "remapctl map --container web 33",
		Args:    args(0, 1),
	}
	var f mapFlags
	c.Flags().IntVar(&f.pid, "pid", 0, "target: the namespace of process `P`")
	c.Flags().StringVar(&f.container, "container", "", "target: a container's `NAME` or ID")
	c.Flags().StringVar(&f.file, "file", "", "target: `FILE` with the text of a uid_map, - for stdin")
	c.Flags().BoolVar(&f.groups, "groups", false, "draw groups instead of users")
	c.Flags().StringVar(&f.svg, "svg", "", "draw into `FILE` as SVG, - for stdout")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "draw with ASCII characters only")
	e.values(c, "container", e.containers)
	e.argument(c, false, words())
	c.RunE = e.action(func(ctx context.Context, list []string) error {
		var id *uint32
		if len(list) == 1 {
			n, err := strconv.ParseUint(list[0], 10, 32)
			if err != nil || n == 1<<32-1 {
				return fmt.Errorf("%q is not an ID, which is a number from 0 to 4294967294", list[0])
			}
			id = new(uint32(n))
		}
		target, err := e.target(ctx, c, f)
		switch {
		case err != nil:
			return err
		case c.Flags().Changed("svg") && (id != nil || e.json):
			return errors.New("--svg draws the whole host: it takes no ID and no --json")
		case target != nil && id != nil:
			return e.translate(*target, *id)
		case target != nil:
			return e.showMapping(*target)
		case id != nil:
			return e.describe(ctx, *id)
		}
		return e.draw(ctx, f)
	})
	return c
}

// A target is a namespace to translate for.
type target struct {
	name    string
	mapping userns.Mapping
}

// target finds the namespace that the flags name; nil where they name none.
func (e *env) target(ctx context.Context, c *cobra.Command, f mapFlags) (*target, error) {
	var t target
	var err error
	var flag string
	given := 0
	for _, name := range []string{"pid", "container", "file", "svg"} {
		if c.Flags().Changed(name) {
			given++
		}
	}
	if given > 1 {
		return nil, errors.New("--pid, --container and --file are one target each, and --svg takes none: give one of them")
	}
	switch set := c.Flags().Changed; {
	case set("pid"):
		flag = "pid"
		t, err = e.process(f.pid)
	case set("container"):
		flag = "container"
		t, err = e.container(ctx, f.container)
	case set("file"):
		flag = "file"
		t, err = e.mapFile(f.file)
	default:
		return nil, nil
	}
	if err == nil && t.mapping.IsZero() {
		err = errors.New("no IDs are mapped there")
	}
	if err != nil {
		return nil, fmt.Errorf("--%s %v: %w", flag, c.Flags().Lookup(flag).Value, err)
	}
	return &t, nil
}
