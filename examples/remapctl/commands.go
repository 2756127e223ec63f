package main

import "github.com/urfave/cli/v3"

// commands lists every command, in the order in which a person meets them.
func commands() []*cli.Command {
	return []*cli.Command{
		demoCommand(),
		planCommand(),
		enableCommand(),
		disableCommand(),
		undoCommand(),
		preflightCommand(),
		verifyCommand(),
		psCommand(),
		mapCommand(),
		explainCommand(),
		subidCommand(),
		daemonCommand(),
		bootargsCommand(),
		completionCommand(),
		manCommand(),
		completeCommand(),
	}
}

func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Usage: "`DIR` taken for \"/\", as by chroot(8)", TakesFile: true},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object with \"schema\": 1"},
		&cli.StringFlag{Name: "color", Value: "auto", Usage: "use colours `WHEN`: auto, always or never"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "say what a command does, and with which options"},
	}
}

// writeFlags are those of every command that writes.
func writeFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "yes", Usage: "do it without asking"},
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would change, and change nothing"},
		&cli.StringSliceFlag{Name: "accept-risk", Usage: "go on in spite of the warning `ID`; may be repeated"},
	}, more...)
}
