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
