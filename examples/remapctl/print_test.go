package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
