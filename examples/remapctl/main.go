// Remapctl turns user-namespace remapping on for a Docker host, proves that it
// holds, and takes it back. It is a thin program: what it does is in the
// packages of this module, for other programs to import.
//
// Exit codes: 0 as wanted, or nothing to do; 1 differences or findings; 2 could
// not do it, nothing was changed; 3 looked, but could not see everything.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/userns"
)

func main() {
	userns.Main() // in the child that a probe starts it answers, and does not return
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings as arguments. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := newCommand(stdin, stdout, stderr).Run(ctx, args)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(stderr, "remapctl: %v\n", err)
	for _, hint := range hints(err) {
		fmt.Fprintf(stderr, "  %s\n", hint)
	}
	return 2
}

// An exitCode ends the program with that code and no message: everything that
// is to be said has been printed.
type exitCode int

const (
	findings   exitCode = 1
	incomplete exitCode = 3
)

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// newCommand makes the command tree. Help, completion and the manual page are
// made from it too.
func newCommand(stdin io.Reader, stdout, stderr io.Writer) *cli.Command {
	root := &cli.Command{
		Name:                      "remapctl",
		Usage:                     "turn user-namespace remapping on for a Docker host, and prove it",
		Description:               "Exit codes: 0 as wanted; 1 differences or findings; 2 could not do it,\nnothing was changed; 3 looked, but could not see everything.",
		Flags:                     commonFlags(),
		Commands:                  commands(),
		DisableSliceFlagSeparator: true,
		Reader:                    stdin,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		ExitErrHandler:            func(context.Context, *cli.Command, error) {}, // run decides
		OnUsageError:              usageError,
		Action:                    noCommand,
	}
	setUp(tree(root))
	return root
}

// The package would print help itself where --help stands before a command or
// among wrong options. Then all of it would have to be written beforehand, which
// takes as long as many a command.
func init() { cli.HelpFlag = nil }

// setUp gives every command its help, and the handling of errors that the
// contract asks for.
func setUp(n node) {
	n.OnUsageError = usageError
	n.HideHelp, n.HideHelpCommand = true, true // ours is shorter
	n.DisableSliceFlagSeparator = true         // a comma is a byte like any other
	do := n.Action
	if do == nil {
		do = noCommand
	}
	n.Action = func(ctx context.Context, cmd *cli.Command) error {
		unknown := len(cmd.Commands) > 0 && cmd.Args().Present()
		if cmd.Bool("help") && !unknown {
			_, err := io.WriteString(cmd.Root().Writer, n.help())
			return err
		}
		return do(ctx, cmd)
	}
	for _, sub := range n.Commands {
		setUp(node{sub, n.full + " " + sub.Name, false})
	}
}

func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return fmt.Errorf("%w\n  see: %s --help", err, cmd.FullName())
}

// noCommand is for a group of commands that was called without one of them.
func noCommand(_ context.Context, cmd *cli.Command) error {
	what := "a command is missing"
	if cmd.Args().Present() {
		what = fmt.Sprintf("unknown command %q", cmd.Args().First())
	}
	return fmt.Errorf("%s\n  see: %s --help", what, cmd.FullName())
}
