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
	return unified(from, to, c.Before, c.After)
}

// none reports whether the change changes nothing.
func (c Change) none() bool {
	return (c.Before == nil) == (c.After == nil) && bytes.Equal(c.Before, c.After)
}

// unified compares what is between the lines that both texts start and end
// with, and a little more for the context: a line added to 65,000 others costs
// what a line costs.
func unified(from, to string, a, b []byte) string {
	start, end := common(a, b)
	before, after := string(a[start:len(a)-end]), string(b[start:len(b)-end])
	u, err := udiff.ToUnifiedDiff(from, to, before, udiff.Lines(before, after), udiff.DefaultContextLines)
	if err != nil {
		return udiff.Unified(from, to, string(a), string(b)) // it cannot: the edits are its own
	}
	skipped := bytes.Count(a[:start], []byte("\n"))
	for _, h := range u.Hunks {
		h.FromLine += skipped
		h.ToLine += skipped
	}
	return u.String()
}

// common returns how many bytes at the start and at the end need not be
// compared. Both are whole lines, and as many as a context has are left.
func common(a, b []byte) (start, end int) {
	start = commonPrefix(a, b)
	end = commonSuffix(a[start:], b[start:])
	for range udiff.DefaultContextLines + 1 {
		start = bytes.LastIndexByte(a[:max(start-1, 0)], '\n') + 1
	}
	tail := a[len(a)-end:]
	for range udiff.DefaultContextLines + 1 {
		_, tail, _ = bytes.Cut(tail, []byte("\n"))
	}
	return start, len(tail)
}

// block is how many bytes are compared in one go before it is looked where
// they differ.
const block = 4096

func commonPrefix(a, b []byte) (n int) {
	short := min(len(a), len(b))
	for n+block <= short && bytes.Equal(a[n:n+block], b[n:n+block]) {
		n += block
	}
	for n < short && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b []byte) (n int) {
	short := min(len(a), len(b))
	for n+block <= short && bytes.Equal(a[len(a)-n-block:len(a)-n], b[len(b)-n-block:len(b)-n]) {
		n += block
	}
	for n < short && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
