// Package format writes a report of package verify: for people, and as JSON,
// JUnit, Prometheus and SARIF for programs.
package format

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/verify"
)

// Options configure [Text]. The zero Options write failures, warnings and
// unknown findings, one line each.
type Options struct {
	All      bool // passed and skipped checks too
	Evidence bool // what was read, and the remedy, below each line
	Color    bool // with the escape sequences of a terminal
}

// Text writes the report for people.
func Text(w io.Writer, r verify.Report, t Options) error {
	b := bufio.NewWriter(w)
	width := 0
	for _, f := range r.Findings {
		if t.shows(f) {
			width = max(width, len(f.Subject))
		}
	}
	findings, said := merge(r)
	for _, f := range findings {
		if t.shows(f) {
			t.finding(b, f, min(width, 32))
		}
	}
	s := r.Summary
	fmt.Fprintf(b, "%d passed, %d failed, %s, %d unknown, %d skipped", s.Pass, s.Fail, text.Count(s.Warn, "warning", "warnings"), s.Unknown, s.Skip)
	if s.Allowed > 0 {
		fmt.Fprintf(b, " (%d allowed)", s.Allowed)
	}
	b.WriteString("\n")
	for _, m := range r.Coverage.Missing {
		if _, ok := said[m]; !ok {
			fmt.Fprintf(b, "not seen: %s\n", text.Visible(m))
		}
	}
	fmt.Fprintf(b, "remapped: %s\n", r.Summary.Text)
	return b.Flush()
}

// merge keeps one finding for each cause: an unknown finding with the cause of an
// earlier one is left out, and the earlier one names its check. said has the
// index in list of each cause.
func merge(r verify.Report) (list []verify.Finding, said map[string]int) {
	said = map[string]int{}
	also := map[int][]string{}
	for _, f := range r.Findings {
		if f.Verdict == verify.Unknown || f.Verdict == verify.Fail {
			why := cause(f.Text, r.Coverage.Missing)
			at, again := said[why]
			if again && f.Verdict == verify.Unknown {
				if f.Check != list[at].Check && !slices.Contains(also[at], f.Check) {
					also[at] = append(also[at], f.Check)
				}
				continue
			}
			if !again {
				said[why] = len(list)
			}
		}
		list = append(list, f)
	}
	for i, ids := range also {
		list[i].Text += " (so " + strings.Join(ids, ", ") + " cannot be told)"
	}
	return list, said
}

// failedCall matches the end of a text that says which file could not be read.
var failedCall = regexp.MustCompile(`(?:^|: )(\w+ /[^:]+: [^:]+)$`)

// cause returns the part of a text that is common to all its consequences: what
// was not seen, or the file that could not be read.
func cause(text string, missing []string) string {
	for _, m := range missing {
		if text == m || strings.HasSuffix(text, ": "+m) {
			return m
		}
	}
	if call := failedCall.FindStringSubmatch(text); call != nil {
		return call[1]
	}
	return text
}

func (t Options) shows(f verify.Finding) bool {
	return t.All || f.Allowed != "" || f.Verdict == verify.Fail || f.Verdict == verify.Warn || f.Verdict == verify.Unknown
}

func (t Options) finding(b *bufio.Writer, f verify.Finding, width int) {
	severity := f.Severity.String()
	if f.Verdict == verify.Pass || f.Verdict == verify.Skip {
		severity = "-"
	}
	fmt.Fprintf(b, "%s %s %-8s  %-*s  %s\n", t.paint(f.Verdict, fmt.Sprintf("%-7s", f.Verdict)), f.Check, severity, width, text.Visible(f.Subject), text.Visible(f.Text))
	if !t.Evidence {
		return
	}
	for _, line := range details(f) {
		fmt.Fprintf(b, "          %s\n", text.Visible(line))
	}
}

func (t Options) paint(v verify.Verdict, s string) string {
	if !t.Color {
		return s
	}
	color := [...]string{verify.Unknown: "35", verify.Pass: "32", verify.Fail: "31;1", verify.Warn: "33", verify.Skip: "2"}[v]
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}
