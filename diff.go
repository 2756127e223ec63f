package usernskit

import (
	"bytes"
	"fmt"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
)

// Diff returns the changes of all files as one unified diff, as diff(1) -u
// writes it. A file that is made or removed stands against /dev/null.
func (p Plan) Diff() string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.Diff())
	}
	return b.String()
}

// Diff returns the change as a unified diff with three lines of context, or ""
// where it changes nothing. A file that comes or goes empty has a header only.
func (c Change) Diff() string {
	if c.none() {
		return ""
	}
	from, to := c.Path, c.Path
	if c.Before == nil {
		from = "/dev/null"
	}
	if c.After == nil {
		to = "/dev/null"
	}
	if len(c.Before) == 0 && len(c.After) == 0 {
		return fmt.Sprintf("--- %s\n+++ %s\n", from, to)
	}
	return unified(from, to, string(c.Before), string(c.After))
}

// none reports whether the change changes nothing.
func (c Change) none() bool {
	return (c.Before == nil) == (c.After == nil) && bytes.Equal(c.Before, c.After)
}

// unified compares what is between the lines that both texts start and end
// with, and a little more for the context: a line added to 65,000 others costs
// what a line costs.
func unified(from, to, a, b string) string {
	start, end := common(a, b)
	before := a[start : len(a)-end]
	u, err := udiff.ToUnifiedDiff(from, to, before, udiff.Lines(before, b[start:len(b)-end]), udiff.DefaultContextLines)
	if err != nil {
		return udiff.Unified(from, to, a, b) // it cannot: the edits are its own
	}
	skipped := strings.Count(a[:start], "\n")
	for _, h := range u.Hunks {
		h.FromLine += skipped
		h.ToLine += skipped
	}
	return u.String()
}

// common returns how many bytes at the start and at the end need not be
// compared. Both are whole lines, and as many as a context has are left.
func common(a, b string) (start, end int) {
	short := min(len(a), len(b))
	for start < short && a[start] == b[start] {
		start++
	}
	for end < short-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	for range udiff.DefaultContextLines + 1 {
		start = strings.LastIndexByte(a[:max(start-1, 0)], '\n') + 1
	}
	tail := a[len(a)-end:]
	for range udiff.DefaultContextLines + 1 {
		_, tail, _ = strings.Cut(tail, "\n")
	}
	return start, len(tail)
}
