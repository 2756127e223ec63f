package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:        "explain",
		Usage:       "say what a check is for, what it reads and what to do",
		ArgsUsage:   "[CHECK]",
		Description: "Without an argument it lists all checks.\n\nExample: remapctl explain C01",
		Action:      action(runExplain),
	}
}

func runExplain(_ context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 0, 1)
	if err != nil {
		return err
	}
	checks := verify.Checks()
	if len(list) == 1 {
		c, err := verify.Explain(list[0])
		if err != nil {
			return err
		}
		checks = []verify.Check{c}
	}
	switch {
	case e.json:
		return e.printJSON(struct {
			Schema int            `json:"schema"`
			Checks []verify.Check `json:"checks"`
		}{format.SchemaVersion, checks})
	case len(list) == 1:
		fmt.Fprint(e.out, checks[0])
	default:
		for _, c := range checks {
			fmt.Fprintf(e.out, "%s  %-8s  %s\n", c.ID, c.Severity, c.Title)
		}
	}
	return nil
}
