package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit"
)

func TestProgressIsForTerminalsOnly(t *testing.T) {
	var out bytes.Buffer
	e := &env{err: &out}
	stop := e.tell("looking")
	time.Sleep(1100 * time.Millisecond)
	stop()
	assert.Empty(t, out.String())
}

func TestTextIsFoldedAtBlanks(t *testing.T) {
	for _, test := range []struct {
		text   string
		indent int
		width  int
		want   string
	}{
		{"", 2, 10, ""},
		{"one two three", 0, 80, "one two three"},
		{"one two three", 2, 9, "one two\n  three"},
		{"one two three", 2, 8, "one\n  two\n  three"},
		{"a-word-too-long-for-it x", 0, 8, "a-word-too-long-for-it\nx"},
		{"größe größe", 0, 11, "größe größe"},
		{"名前 名前", 0, 8, "名前\n名前"},
	} {
		assert.Equal(t, test.want, fold(test.text, test.indent, test.width))
	}
}

// A file of /etc/sysctl.d in an image: its name went to the terminal with a warning.
func TestANameIsNotACommandToTheTerminal(t *testing.T) {
	var out, notes bytes.Buffer
	e := &env{out: &output{w: &out}, err: &notes}
	e.warn(usernskit.Plan{Warnings: []usernskit.Warning{{ID: "x", Pos: usernskit.Pos{File: "/etc/sysctl.d/a\x1b[31m.conf", Line: 1}, Text: "sets it"}}})
	e.say("wrote %s", "/etc/a\x9b31m")
	assert.Equal(t, "warning: x: /etc/sysctl.d/a\\x1b[31m.conf:1: sets it\n", notes.String())
	assert.Equal(t, "wrote /etc/a\\x9b31m\n", out.String())
	e.host.Root = "/mnt/\x1b[31m image"
	assert.Equal(t, `'it'\''s !1' a=b '' 'a b'`, quoted([]string{"it's !1", "a=b", "", "a b"}))
	assert.Equal(t, `remapctl undo --root $'/mnt/\x1b[31m image'`, e.self("undo"))
}
