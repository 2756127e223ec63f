package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "prove that the host remaps, or say where it does not",
		ArgsUsage: "[CHECK]...",
		Description: "Prints what failed, what is doubtful and what could not be seen, one line\n" +
			"each. Exits 0 where nothing is to be found, 1 where something is, 3 where not\n" +
			"everything could be seen. See remapctl explain for the checks.\n\n" +
			"Example: remapctl verify --allow 'userns-host=backup,until=2027-01-31'",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT` to print: text, json, junit or sarif"},
			&cli.StringFlag{Name: "fail-on", Value: "fail", Usage: "`WHAT` makes it exit 1: fail, warn, or a severity (low, medium, high, critical)"},
			&cli.StringSliceFlag{Name: "allow", Usage: "let `WHAT` pass: userns-host=NAME[,reason=TEXT][,until=DATE]"},
			&cli.BoolFlag{Name: "allow-incomplete", Usage: "exit 0 although not everything could be seen"},
			&cli.BoolFlag{Name: "evidence", Usage: "print what was read, and the remedy"},
			&cli.BoolFlag{Name: "all", Usage: "print what passed and what was skipped, too"},
			&cli.BoolFlag{Name: "deep", Usage: "look at every thread, and for lost setuid bits in volumes"},
		},
		Action: action(runVerify),
	}
}

func runVerify(ctx context.Context, e *env, cmd *cli.Command) error {
	opts := e.look()
	opts.Checks, opts.Deep = cmd.Args().Slice(), cmd.Bool("deep")
	gate, err := parseGate(cmd.String("fail-on"))
	if err != nil {
		return fmt.Errorf("--fail-on: %w", err)
	}
	gate.partial = cmd.Bool("allow-incomplete")
	for _, text := range cmd.StringSlice("allow") {
		a, err := parseAllowance(text)
		if err != nil {
			return fmt.Errorf("--allow: %w", err)
		}
		opts.Allow = append(opts.Allow, a)
	}
	name := cmd.String("format")
	if e.json && !cmd.IsSet("format") {
		name = "json"
	}
	write := map[string]func(verify.Report) error{
		"text": func(r verify.Report) error {
			return format.Text(e.out, r, format.Options{All: cmd.Bool("all"), Evidence: cmd.Bool("evidence"), Color: e.color})
		},
		"json":  func(r verify.Report) error { return format.JSON(e.out, r) },
		"junit": func(r verify.Report) error { return format.JUnit(e.out, r) },
		"sarif": func(r verify.Report) error { return format.SARIF(e.out, r) },
	}[name]
	if write == nil || e.json && name != "json" {
		return fmt.Errorf("--format %s: must be text, json, junit or sarif, and json with --json", name)
	}
	var report verify.Report
	if err := e.during("looking at every process", func() (err error) {
		report, err = verify.Run(ctx, opts)
		return err
	}); err != nil {
		return err
	}
	return errors.Join(write(worded(report)), exit(gate.exitOf(report)))
}
