package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

func explainCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "explain [CHECK]", Short: "show what a check is for, what it reads and what to do",
		Long:    "Without an argument it lists all checks.",
		Example: "remapctl explain C01",
		Args:    args(0, 1),
		RunE:    e.action(e.explain),
	}
	e.argument(c, false, e.checks)
	return c
}

func (e *env) explain(_ context.Context, list []string) error {
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
