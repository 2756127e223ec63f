package daemoncfg_test

import (
	"strings"
	"testing"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// newTree is hosttest.Tree with the accounts that every system has, and a unit
// that starts dockerd where the text has nothing that does.
func newTree(t testing.TB, text string) usernskit.Host {
	t.Helper()
	text = strings.TrimPrefix(text, "\n")
	if !strings.Contains(text, "-- etc/passwd --") {
		text = "-- etc/passwd --\nroot:x:0:0:root:/root:/bin/sh\n-- etc/group --\nroot:x:0:\n" + text
	}
	if !strings.Contains(text, "docker.service") && !strings.Contains(text, "-- proc/7") && !strings.Contains(text, "-- etc/init.d") {
		text = "-- usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd\n" + text
	}
	return hosttest.Tree(t, text)
}
