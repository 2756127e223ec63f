package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestAnOwnersNameDoesNotMoveTheCursor(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/passwd --\nre\x1b[7md:x:70000:1::/:\n-- etc/group --\n-- etc/subuid --\nal\x1b[2Jice:100000:65536\n-- etc/subgid --\n")
	for _, args := range [][]string{{"list"}, {"owner", "100000"}, {"owner", "70000"}} {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), append([]string{"remapctl", "--root", h.Root, "subid"}, args...), nil, &stdout, &stderr)
		assert.Zero(t, code, stderr.String())
		assert.NotContains(t, stdout.String(), "\x1b", "%v", args)
		assert.Contains(t, stdout.String(), `\x1b[`, "%v", args)
	}
	var stdout, stderr bytes.Buffer
	assert.Zero(t, run(context.Background(), []string{"remapctl", "--root", h.Root, "subid", "list", "--json"}, nil, &stdout, &stderr))
	assert.Contains(t, stdout.String(), `"al\u001b[2Jice"`)
}
