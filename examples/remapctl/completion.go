package main

import (
	"context"
	_ "embed"
	"errors"
	"io"

	"github.com/urfave/cli/v3"
)

// The scripts ask the program itself, so that they never need to change.
var (
	//go:embed completion/remapctl.bash
	bashScript string
	//go:embed completion/remapctl.zsh
	zshScript string
	//go:embed completion/remapctl.fish
	fishScript string
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:  "completion",
		Usage: "print a script that completes commands, options and values",
		Commands: []*cli.Command{
			shellCommand("bash", bashScript, "/etc/bash_completion.d/remapctl"),
			shellCommand("zsh", zshScript, "/usr/share/zsh/vendor-completions/_remapctl"),
			shellCommand("fish", fishScript, "/etc/fish/completions/remapctl.fish"),
		},
	}
}

func shellCommand(shell, script, where string) *cli.Command {
	return &cli.Command{
		Name:        shell,
		Usage:       "print the script for " + shell,
		Description: "Example: remapctl completion " + shell + " >" + where,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := args(cmd, 0, 0); err != nil {
				return err
			}
			if cmd.Bool("json") {
				return errors.New("a completion script is no JSON")
			}
			_, err := io.WriteString(cmd.Root().Writer, script)
			return err
		},
	}
}
