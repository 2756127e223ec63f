package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

func (e *env) verifyCommand(c *cobra.Command) action {
	f := c.Flags()
	as := f.String("format", "text", "`FORMAT`: text, json, junit, sarif or prometheus")
	failOn := f.String("fail-on", "fail", "`WHAT` makes it exit 1: fail, warn, or a severity, as high")
	allow := f.StringArray("allow", nil, "allow `WHAT`: userns-host=NAME[,reason=TEXT][,until=DATE]")
	partial := f.Bool("allow-incomplete", false, "exit 0 although not everything could be seen")
	evidence := f.Bool("evidence", false, "print what was read, and the remedy")
	all := f.Bool("all", false, "print what passed and what was skipped, too")
	deep := f.Bool("deep", false, "look at threads, and for lost setuid bits")
	daemonFlags(c, &e.daemon)
	return func(ctx context.Context, checks []string) error {
		opts := e.look()
		opts.Checks, opts.Deep = checks, *deep
		failOnGate, err := parseGate(*failOn)
		if err != nil {
			return fmt.Errorf("--fail-on: %w", err)
		}
		failOnGate.partial = *partial
		for _, text := range *allow {
			a, err := parseAllowance(text)
			if err != nil {
				return fmt.Errorf("--allow: %w", err)
			}
			opts.Allow = append(opts.Allow, a)
		}
		if e.json && !f.Changed("format") {
			*as = "json"
		}
		write := map[string]func(verify.Report) error{
			"text": func(r verify.Report) error {
				return format.Text(e.out, r, format.Options{All: *all, Evidence: *evidence, Color: e.color})
			},
			"json":       func(r verify.Report) error { return format.JSON(e.out, r) },
			"junit":      func(r verify.Report) error { return format.JUnit(e.out, r) },
			"prometheus": func(r verify.Report) error { return format.Prometheus(e.out, r) },
			"sarif":      func(r verify.Report) error { return format.SARIF(e.out, r) },
		}[*as]
		if e.json && *as != "json" {
			return fmt.Errorf("--format %s: must be json with --json", *as)
		}
		var report verify.Report
		if err := e.during("looking at every process", func() (err error) {
			report, err = verify.Run(ctx, opts)
			return err
		}); err != nil {
			return err
		}
		return errors.Join(write(e.worded(report)), failOnGate.judge(report))
	}
}
