package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestOnlyWhatTakesLongShowsProgress(t *testing.T) {
	failed := errors.New("failed")
	var out bytes.Buffer
	err := progress{&out, time.Hour}.during("looking", func() error { return failed })
	assert.Equal(t, failed, err)
	assert.Empty(t, out.String())

	out.Reset()
	release := make(chan bool)
	err = progress{writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("2ms")) {
			close(release)
		}
		return out.Write(p)
	}), time.Millisecond}.during("looking", func() error { <-release; return failed })
	assert.Equal(t, failed, err)
	assert.Regexp(t, `^\rlooking \.\.\. 1ms\rlooking \.\.\. 2ms(\rlooking \.\.\. \dms)*\r\x1b\[K$`, out.String())
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestProgressIsForTerminalsOnly(t *testing.T) {
	var out bytes.Buffer
	e := &env{err: &out}
	assert.NoError(t, e.during("looking", func() error { time.Sleep(1100 * time.Millisecond); return nil }))
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
