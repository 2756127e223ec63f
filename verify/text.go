package verify

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Text says how [Report.WriteText] writes. The zero Text writes what a person
// has to know: failures, warnings and what is unknown, one line each.
type Text struct {
	All      bool // passed and skipped checks too
	Evidence bool // what was read, and the remedy, below each line
	Color    bool // with the escape sequences of a terminal
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer, t Text) error {
	b := bufio.NewWriter(w)
	width := 0
	for _, f := range r.Findings {
		if t.shows(f) {
			width = max(width, len(f.Subject))
		}
	}
	for _, f := range r.Findings {
		if t.shows(f) {
			t.finding(b, f, min(width, 32))
		}
	}
	s := r.Summary
	fmt.Fprintf(b, "%d passed, %d failed, %d warnings, %d unknown, %d skipped", s.Pass, s.Fail, s.Warn, s.Unknown, s.Skip)
	if s.Allowed > 0 {
		fmt.Fprintf(b, " (%d allowed)", s.Allowed)
	}
	b.WriteString("\n")
	for _, m := range r.Coverage.Missing {
		fmt.Fprintf(b, "not seen: %s\n", m)
	}
	fmt.Fprintf(b, "remapped: %s\n", r.headline())
	return b.Flush()
}

// headline is the answer to the question that people have.
func (r Report) headline() string {
	c := r.Coverage
	switch r.Summary.Remapped {
	case Pass:
		if c.Containers == 0 {
			return "yes, by the daemon's word; no container runs that the kernel could show it for"
		}
		return fmt.Sprintf("yes, every process of %d containers, as the kernel says", c.Containers)
	case Fail:
		return "no"
	case Warn:
		allowed, other := false, false
		for _, f := range r.Findings {
			if slices.Contains(proof[:], f.Check) {
				allowed, other = allowed || f.Allowed != "", other || f.Verdict == Warn
			}
		}
		switch {
		case !allowed:
			return "yes, for this daemon's containers; another daemon has some too"
		case other:
			return "yes, but for what was allowed; and another daemon has containers too"
		}
		return "yes, but for what was allowed"
	case Skip:
		if c.Live {
			return "not asked"
		}
		return "not asked, this is not a running host"
	}
	return "cannot tell"
}

func (t Text) shows(f Finding) bool {
	return t.All || f.Allowed != "" || f.Verdict == Fail || f.Verdict == Warn || f.Verdict == Unknown
}

func (t Text) finding(b *bufio.Writer, f Finding, width int) {
	word := f.Verdict.String()
	severity := f.Severity.String()
	if f.Verdict == Pass || f.Verdict == Skip {
		severity = "-"
	}
	fmt.Fprintf(b, "%s %s %-8s  %-*s  %s\n", t.paint(f.Verdict, fmt.Sprintf("%-7s", word)), f.Check, severity, width, printable(f.Subject), printable(f.Text))
	if !t.Evidence {
		return
	}
	for _, e := range f.Evidence {
		fmt.Fprintf(b, "          %s: %s", printable(e.Source), printable(e.Got))
		if e.Want != "" {
			fmt.Fprintf(b, " (want %s)", printable(e.Want))
		}
		b.WriteString("\n")
	}
	if f.Remedy.Text != "" {
		fmt.Fprintf(b, "          remedy: %s\n", f.Remedy.Text)
	}
	if f.Remedy.Command != "" {
		fmt.Fprintf(b, "          # %s\n", printable(f.Remedy.Command))
	}
}

func (t Text) paint(v Verdict, s string) string {
	if !t.Color {
		return s
	}
	color := [...]string{Unknown: "35", Pass: "32", Fail: "31;1", Warn: "33", Skip: "2"}[v]
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// printable keeps what a container or a file chose to be called from moving
// the cursor or from starting a line of its own.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\ufffd'
		}
		return r
	}, s)
}
