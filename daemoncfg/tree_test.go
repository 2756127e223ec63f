package daemoncfg_test

import (
	"strings"
	"testing"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// newTree is hosttest.Tree with the accounts that every system has.
func newTree(t testing.TB, text string) usernskit.Host {
	t.Helper()
	if !strings.Contains(text, "-- etc/passwd --") {
		text = "-- etc/passwd --\nroot:x:0:0:root:/root:/bin/sh\n-- etc/group --\nroot:x:0:\n" + strings.TrimPrefix(text, "\n")
	}
	return hosttest.Tree(t, text)
}
