package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestAnOwnersNameDoesNotMoveTheCursor(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/passwd --\nre\x1b[7md:x:70000:1::/:\n-- etc/group --\n-- etc/subuid --\nal\x1b[2Jice:100000:65536\n-- etc/subgid --\n")
	for _, args := range [][]string{{"list"}, {"owner", "100000"}, {"owner", "70000"}} {
		code, stdout, stderr := call(append([]string{"--root", h.Root, "subid"}, args...)...)
		assert.Zero(t, code, stderr)
		assert.NotContains(t, stdout, "\x1b", "%v", args)
		assert.Contains(t, stdout, `\x1b[`, "%v", args)
	}
	code, stdout, _ := call("--root", h.Root, "subid", "list", "--json")
	assert.Zero(t, code)
	assert.Contains(t, stdout, `"al\u001b[2Jice"`)
}
