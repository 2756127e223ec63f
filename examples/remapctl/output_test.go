package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

const sampleHost = `
-- etc/os-release --
ID=debian
VERSION_ID="12"
-- etc/passwd --
root:x:0:0:root:/root:/bin/sh
dockremap:x:231:231::/:/bin/false
-- etc/group --
root:x:0:
dockremap:x:231:
-- etc/subuid --
alice:100000:65536
-- etc/subgid --
alice:100000:65536
-- etc/docker/daemon.json --
{"debug": true}
-- etc/default/grub --
GRUB_CMDLINE_LINUX="quiet"
`

// A full is a disk without space for n bytes and one more.
type full struct{ n int }

func (f *full) Write(data []byte) (int, error) {
	if f.n -= len(data); f.n < 0 {
		return 0, errFull
	}
	return len(data), nil
}

var errFull = errors.New("no space left on device")

// onFullDisk runs the program with a standard output that takes n bytes.
func onFullDisk(h usernskit.Host, n int, args ...string) (code int, stderr string) {
	var text bytes.Buffer
	code = run(append([]string{"--root", h.Root}, args...), nil, &full{n}, &text)
	return code, text.String()
}

func TestDataThatCouldNotBePrintedIsAnError(t *testing.T) {
	h := hosttest.Tree(t, sampleHost)
	for _, args := range [][]string{
		{"plan"}, {"enable", "--dry-run"}, {"disable", "--yes"}, {"undo", "--list", "--json"},
		{"verify"}, {"verify", "--format", "sarif"}, {"preflight"}, {"ps"}, {"explain"}, {"explain", "C01"},
		{"map"}, {"map", "100000"}, {"map", "--svg", "-"},
		{"subid", "list"}, {"subid", "audit"}, {"subid", "find"}, {"subid", "owner", "5"}, {"subid", "owner", "100000"},
		{"daemon", "get", "/debug"}, {"bootargs", "show"}, {"bootargs", "show", "quiet"},
	} {
		code, stderr := onFullDisk(h, 0, args...)
		assert.Equal(t, 2, code, "%v: %s", args, stderr)
		assert.Contains(t, stderr, "remapctl: standard output: no space left on device", "%v", args)
		code, stderr = onFullDisk(h, 0, append(args, "--help")...)
		assert.Equal(t, 2, code, "help of %v: %s", args, stderr)
	}
	code, stderr := onFullDisk(h, 4, "subid", "list")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "no space left")
	code, stderr = onFullDisk(h, 0, "subid", "list", "a", "b")
	assert.Equal(t, 2, code)
	assert.NotContains(t, stderr, "no space left", "there was nothing to print")
}

func TestFilesThatWereWrittenAreNotSaidToBeUnchanged(t *testing.T) {
	for _, flags := range [][]string{{"--yes"}, {"--yes", "--json"}} {
		h := hosttest.Tree(t, sampleHost)
		subuid := func() string {
			data, err := h.ReadFile("/etc/subuid")
			require.NoError(t, err)
			return string(data)
		}
		code, stderr := onFullDisk(h, 0, append([]string{"subid", "add", "bob"}, flags...)...)
		assert.Equal(t, 4, code, "%v: %s", flags, stderr)
		assert.Contains(t, stderr, "the files were written (receipt 1), but that could not be printed: no space left on device")
		assert.Contains(t, subuid(), "bob:")
		code, stderr = onFullDisk(h, 0, append([]string{"undo"}, flags...)...)
		assert.Equal(t, 4, code, "%v: %s", flags, stderr)
		assert.Contains(t, stderr, "receipt 1 was undone, but that could not be printed: no space left on device")
		assert.NotContains(t, subuid(), "bob:")
	}
}
