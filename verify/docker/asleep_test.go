package docker

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify/engine"
)

// verify and plan started a docker that a person had stopped.
func TestLookingStartsNoDaemon(t *testing.T) {
	host := func(service, socket string) usernskit.Host {
		return usernskit.Host{Run: func(_ context.Context, argv ...string) ([]byte, error) {
			line := strings.Join(argv, " ")
			if strings.Contains(line, "docker.socket") {
				return []byte(socket + "\n"), nil
			}
			return []byte("Id=docker.service\nLoadState=loaded\nActiveState=" + service + "\nFragmentPath=/lib/systemd/system/docker.service\nMainPID=0\nDropInPaths=\nNeedDaemonReload=no\n"), nil
		}}
	}
	const usual = "unix:///var/run/docker.sock"
	asks := func(h usernskit.Host, address string) bool { return asleep(t.Context(), h, address) == nil }
	for _, needed := range []string{"/run/systemd/system", "/lib/systemd/system/docker.service"} {
		if _, err := os.Stat(needed); err != nil {
			t.Skip("systemd does not start dockerd on this machine: ", err)
		}
	}
	assert.ErrorIs(t, asleep(t.Context(), host("inactive", "active"), usual), engine.ErrDown)
	assert.True(t, asks(host("active", "active"), usual))
	assert.True(t, asks(host("activating", "active"), usual), "it is started already")
	assert.True(t, asks(host("inactive", "active"), "unix:///run/user/1000/docker.sock"), "another daemon's socket")
}
