package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

func bootargsSetCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "set kernel arguments, each in the place of its name", ArgsUsage: "[ARG...]",
		Description: "A name of which every occurrence counts (console=) is refused: say --append or\n--replace for it.\n\n" +
			"Example: remapctl bootargs set user_namespace.enable=1 --kernel DEFAULT",
		Flags: append(bootargsFlags(),
			&cli.StringSliceFlag{Name: "append", Usage: "add `ARG` if it is not there with that value"},
			&cli.StringSliceFlag{Name: "replace", Usage: "make `ARG` the only one of its name"}),
		Action: action(runBootargsSet),
	}
}

func bootargsRemoveCommand() *cli.Command {
	return &cli.Command{
		Name: "remove", Usage: "remove kernel arguments: all of a NAME, or those with that VALUE", ArgsUsage: "NAME[=VALUE]...",
		Description: "Example: remapctl bootargs remove user_namespace.enable",
		Flags:       bootargsFlags(),
		Action:      action(runBootargsRemove),
	}
}

func bootargsFlags() []cli.Flag {
	return writeFlags(
		&cli.StringFlag{Name: "kernel", Value: bootargs.All, Usage: "which `KERNEL`: ALL, DEFAULT, an index, an entry's ID or a path"},
		&cli.BoolFlag{Name: "rescue", Usage: "edit rescue entries too"},
		&cli.StringFlag{Name: "via", Value: "files", Usage: "`WHO` writes: files, or grubby where this host has it"},
	)
}

func runBootargsSet(ctx context.Context, e *env, cmd *cli.Command) error {
	edit := bootargs.Edit{Set: cmd.Args().Slice(), Append: cmd.StringSlice("append"), Replace: cmd.StringSlice("replace")}
	if len(edit.Set)+len(edit.Append)+len(edit.Replace) == 0 {
		_, err := args(cmd, 1, 1)
		return err
	}
	return e.editBootargs(ctx, cmd, edit)
}

func runBootargsRemove(ctx context.Context, e *env, cmd *cli.Command) error {
	list := cmd.Args().Slice()
	if len(list) == 0 {
		_, err := args(cmd, 1, 1)
		return err
	}
	var edit bootargs.Edit
	edit.Remove, edit.RemoveExact = splitRemove(list)
	return e.editBootargs(ctx, cmd, edit)
}

// splitRemove tells names from arguments with a value.
func splitRemove(list []string) (names, exact []string) {
	for _, s := range list {
		if strings.Contains(s, "=") {
			exact = append(exact, s)
		} else {
			names = append(names, s)
		}
	}
	return names, exact
}

func (e *env) editBootargs(ctx context.Context, cmd *cli.Command, edit bootargs.Edit) error {
	edit.Kernel, edit.Rescue = cmd.String("kernel"), cmd.Bool("rescue")
	switch via := cmd.String("via"); via {
	case "grubby":
		edit.Via = bootargs.Grubby
		return e.grubby(ctx, cmd, edit)
	case "files":
	default:
		return fmt.Errorf("--via %s: must be files or grubby", via)
	}
	var last usernskit.Plan
	_, err := e.change(ctx, cmd, func() (usernskit.Plan, error) {
		p, err := bootargs.PlanEdit(ctx, e.host, edit)
		last = p
		return p, err
	})
	if err == nil && last.Empty() {
		e.next(last.Actions) // the files are right, and grub.cfg is yet to be made from them
	}
	return err
}
