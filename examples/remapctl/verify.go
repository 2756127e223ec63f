package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

// formats are the forms of a report for programs.
var formats = map[string]func(io.Writer, verify.Report) error{
	"json": format.JSON, "junit": format.JUnit, "prometheus": format.Prometheus, "sarif": format.SARIF,
}

func (e *env) verifyCommand(c *cobra.Command) action {
	f := c.Flags()
	as := f.String("format", "text", "`FORMAT`: text, json, junit, sarif or prometheus")
	failOn := f.String("fail-on", "fail", "`WHAT` makes it exit 1: fail, warn, or a severity, as high")
	allow := f.StringArray("allow", nil, "allow `WHAT`: userns-host=NAME[,reason=TEXT][,until=DATE]")
	partial := f.Bool("allow-incomplete", false, "exit 0 although not everything could be seen")
	evidence := f.Bool("evidence", false, "print what was read, and the remedy")
	all := f.Bool("all", false, "print what passed and what was skipped, too")
	deep := f.Bool("deep", false, "look at threads, and for lost setuid bits")
	e.daemonFlags(c)
	return func(ctx context.Context, checks []string) error {
		opts := e.look()
		opts.Checks, opts.Deep = checks, *deep
		for _, text := range *allow {
			a, err := parseAllowance(text)
			if err != nil {
				return fmt.Errorf("--allow: %w", err)
			}
			opts.Allow = append(opts.Allow, a)
		}
		switch {
		case e.json && f.Changed("format") && *as != "json":
			return fmt.Errorf("--format %s: must be json with --json", *as)
		case e.json:
			*as = "json"
		}
		stop := e.tell("looking at every process")
		report, err := verify.Run(ctx, opts)
		stop()
		if err != nil {
			return err
		}
		for i := range report.Findings {
			e.word(&report.Findings[i].Remedy)
		}
		if write := formats[*as]; write != nil {
			err = write(e.out, report)
		} else {
			err = format.Text(e.out, report, format.Options{All: *all, Evidence: *evidence, Color: e.color})
		}
		return errors.Join(err, judge(report, *failOn, *partial))
	}
}

// judge returns the exit code for a report, if it is not 0. failOn is "fail" for
// any failure, "warn" for warnings too, or a severity for failures and warnings
// at least that severe. A finding outweighs what could not be seen: 1 is certain,
// 3 is not.
func judge(r verify.Report, failOn string, partial bool) (code error) {
	least := verify.Low
	_ = least.UnmarshalText([]byte(failOn)) // "fail" and "warn" are of any severity; info never counts
	for _, f := range r.Findings {
		switch {
		case f.Verdict == verify.Unknown:
			if !partial {
				code = incomplete
			}
		case f.Severity < least:
		case f.Verdict == verify.Fail, f.Verdict == verify.Warn && failOn != "fail":
			return findings
		}
	}
	return code
}

// option begins a part of an allowance. A comma in its text belongs to the text
// unless one of these follows.
var option = regexp.MustCompile(",(reason|until)=")

// parseAllowance reads userns-host=NAME[,reason=TEXT][,until=YYYY-MM-DD]. For NAME
// and the alternatives to userns-host see [verify.Allowance].
func parseAllowance(text string) (a verify.Allowance, err error) {
	parts := option.Split(text, -1)
	a.What, a.Subject, _ = strings.Cut(parts[0], "=")
	if a.What == "" || a.Subject == "" {
		return verify.Allowance{}, fmt.Errorf("%q: want userns-host=NAME[,reason=TEXT][,until=YYYY-MM-DD]", text)
	}
	if a.What != verify.UsernsHost {
		c, err := verify.Explain(a.What)
		if err != nil {
			return verify.Allowance{}, err
		}
		a.What = c.ID
	}
	for i, name := range option.FindAllString(text, -1) {
		if name == ",reason=" {
			a.Reason = parts[i+1]
		} else if a.Until, err = time.Parse(time.DateOnly, parts[i+1]); err != nil {
			return verify.Allowance{}, fmt.Errorf("%q: until: want YYYY-MM-DD", text)
		}
	}
	return a, nil
}

// word fills in the command for what remapctl itself can put right.
func (e *env) word(fix *verify.Remedy) {
	words := map[verify.FixID][]string{
		verify.FixEnable:    {"enable", "--yes"},
		verify.FixBootArg:   {"bootargs", "set", fix.Arg},
		verify.FixFindRange: {"subid", "find"},
		verify.FixShift:     {"shift", fix.Arg, "--from", fix.From, "--to", fix.To},
		verify.FixMigrate:   {"migrate", "--from", fix.Arg},
	}[fix.Fix]
	if words != nil {
		fix.Command = e.self(words...)
	}
}
