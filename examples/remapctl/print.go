package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/usernskit/usernskit/internal/text"
)

// An output is standard output that remembers its first error, for the commands
// that print line by line. Every later Write returns that error.
type output struct {
	w       io.Writer
	err     error
	written bool
	stop    atomic.Bool // set by a signal: later findings may be wrong
}

func (o *output) Write(data []byte) (int, error) {
	if o.err == nil && o.stop.Load() {
		o.err = errInterrupted
	}
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(data)
	o.err, o.written = err, o.written || n > 0
	return n, err
}

var errInterrupted = errors.New("interrupted by a signal")

// finish prints the object of a command that ended well, and turns a lost stdout
// into an error: without its data a command did not do its work. What it changed
// stays changed.
func (e *env) finish(err error) error {
	var code exitCode
	if e.object != nil && (err == nil || errors.As(err, &code)) {
		_, _ = e.out.Write(e.object) // which keeps its error
	}
	lost := e.out.err
	switch {
	case lost == nil, err != nil && !errors.As(err, &code) && !errors.Is(err, lost):
		return err
	case e.done != "":
		e.note("%s, but that could not be printed: %v", e.done, lost)
		return behind
	}
	return fmt.Errorf("standard output: %w", lost)
}

// members are the members of a JSON object that has no type of its own.
type members map[string]any

// list returns a copy of items that is never null in JSON.
func list[T any](items []T) []T { return append([]T{}, items...) }

// printed ends a command with code: with --json it makes the object, with "schema"
// and the members of every part, that is printed once the command has ended well.
func (e *env) printed(code error, parts ...any) error {
	if !e.json {
		return code
	}
	text := `{"schema":1`
	for _, part := range parts {
		var one strings.Builder
		enc := json.NewEncoder(&one)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(part); err != nil {
			return err
		}
		inner := strings.TrimPrefix(strings.TrimSuffix(one.String(), "}\n"), "{")
		text += "," + strings.TrimPrefix(inner, `"schema":1,`)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text+"}\n"), "", "  "); err != nil {
		return err
	}
	e.object = out.Bytes()
	return code
}

// shown ends a command with code and prints a value: for people, or with --json.
func (e *env) shown(code error, v interface{ WriteText(io.Writer) error }) error {
	if e.json {
		return e.printed(code, v)
	}
	return errors.Join(v.WriteText(e.out), code)
}

// text prints a line of data, unless JSON carries it: to a pipe its exact bytes, to
// a terminal nothing that it would obey.
func (e *env) text(format string, a ...any) {
	if e.json {
		return
	}
	line := fmt.Sprintf(format, a...)
	if terminal(e.out) {
		line = text.VisibleLines(line)
	}
	fmt.Fprintln(e.out, line)
}

// say prints a line for people.
func (e *env) say(format string, a ...any) { notice(e.people(), format, a...) }

// people returns where text for people goes: to stderr if stdout carries JSON, or
// if a signal has stopped stdout after a change.
func (e *env) people() io.Writer {
	if e.json || e.done != "" && e.out.stop.Load() { // the change is made: what is left to do must still be shown
		return e.err
	}
	return e.out
}

// note prints a line for people that is not the command's data.
func (e *env) note(format string, a ...any) { notice(e.err, format, a...) }

// notice writes a line in which no name of a file or an account is a command to the
// terminal.
func notice(w io.Writer, format string, a ...any) {
	fmt.Fprintln(w, text.VisibleLines(fmt.Sprintf(format, a...)))
}

// file returns the file behind a stream, if it is one.
func file(stream any) (*os.File, bool) {
	if o, ok := stream.(*output); ok {
		stream = o.w
	}
	f, ok := stream.(*os.File)
	return f, ok
}

func terminal(stream any) bool {
	f, ok := file(stream)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns how many columns a picture has: those of the terminal, or 80
// without one. COLUMNS overrides both, as for ls(1).
func (e *env) width() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := file(e.out); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}

// utf8Locale reports whether the locale allows more than ASCII: LANG=C does not.
func utf8Locale() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// fold breaks text for people at blanks, to the width of their terminal. In a
// pipe or a file it stays one line. Lines after the first are indented.
func (e *env) fold(s string, indent int) string {
	if !terminal(e.err) || !terminal(e.out) && !e.json {
		return s
	}
	return fold(s, indent, e.width())
}

func fold(s string, indent, width int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(s) {
		n := runewidth.StringWidth(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// table prints rows with their columns aligned, as wide as a terminal shows them,
// unless JSON carries them.
func (e *env) table(rows [][]string) error {
	if e.json {
		return nil
	}
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			row[i] = text.Visible(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += runewidth.FillRight(cell, widths[i]) + "  "
		}
		fmt.Fprintln(e.out, strings.TrimRight(line, " "))
	}
	return e.out.err
}

// tell prints at a terminal what takes long, unless stop is called within a second.
func (e *env) tell(what string) (stop func()) {
	if !terminal(e.err) {
		return func() {}
	}
	return later(time.Second, func() { e.note("%s ...", what) })
}

// later calls f after d, unless stop is called before. Once stop has returned, f
// is not running.
func later(d time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() { defer close(done); f() })
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}
