package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTextIsFoldedAtBlanks(t *testing.T) {
	for _, test := range []struct {
		text   string
		indent int
		width  int
		want   string
	}{
		{"", 2, 10, ""},
		{"one two three", 0, 80, "one two three"},
		{"one two three", 2, 7, "one two\n  three"},
		{"one two three", 2, 6, "one\n  two\n  three"},
		{"a-word-too-long-for-it x", 0, 8, "a-word-too-long-for-it\nx"},
		{"größe größe", 0, 11, "größe größe"},
	} {
		assert.Equal(t, test.want, fold(test.text, test.indent, test.width))
	}
}
