package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

func bootargsEditCommand() *cli.Command {
	return &cli.Command{
		Name: "edit", Usage: "edit one command line from standard input to standard output",
		Description: "Reads no file of the host and writes none.\n\n" +
			"Example: remapctl bootargs edit --set user_namespace.enable=1 </proc/cmdline",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "set", Usage: "make `ARG` the value of its name; repeated, the values of its name in order"},
			&cli.StringSliceFlag{Name: "append", Usage: "add `ARG` if it is not there with that value"},
			&cli.StringSliceFlag{Name: "replace", Usage: "--set for names of which every occurrence counts"},
			&cli.StringSliceFlag{Name: "if-missing", Usage: "add `ARG` if there is none of its name"},
			&cli.StringSliceFlag{Name: "remove", Usage: "remove all of a `NAME`, or those with that NAME=VALUE"},
		},
		Action: action(runBootargsEdit),
	}
}

func runBootargsEdit(_ context.Context, e *env, cmd *cli.Command) error {
	if _, err := args(cmd, 0, 0); err != nil {
		return err
	}
	edit := bootargs.Edit{
		Set: cmd.StringSlice("set"), Append: cmd.StringSlice("append"), Replace: cmd.StringSlice("replace"),
		AddIfMissing: cmd.StringSlice("if-missing"),
	}
	edit.Remove, edit.RemoveExact = splitRemove(cmd.StringSlice("remove"))
	text, err := io.ReadAll(io.LimitReader(e.in, usernskit.MaxFileSize+1))
	if err != nil {
		return err
	}
	if len(text) > usernskit.MaxFileSize {
		return errors.New("standard input is too long for a command line")
	}
	line, err := edit.Apply(string(text))
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(struct {
			Schema int    `json:"schema"`
			Line   string `json:"line"`
		}{1, line})
	}
	_, err = fmt.Fprint(e.out, line)
	return err
}
