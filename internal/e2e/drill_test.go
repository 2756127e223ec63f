//go:build linux

package e2e

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/drill"
)

// One container is remapped, one is not: what stops in the one is reached in the
// other, and nothing on the host has changed.
func TestDrill(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	s := newSession(t, files(100000))
	// what the probes touch, as a person would compare it
	host := func() string {
		out, err := exec.Command("sh", "-c", "cd /proc/sys/kernel && grep -r . core_pattern modprobe kptr_restrict; sha256sum /etc/shadow /etc/passwd $(command -v runc dockerd); ls -laR /etc | sha256sum; dmesg 2>/dev/null | grep -ci usernskit").Output()
		if err != nil && len(out) == 0 {
			require.NoError(t, err)
		}
		return string(out)
	}
	ask := func(code int, args ...string) map[string]drill.Probe {
		t.Helper()
		before := host()
		defer func() { assert.Equal(t, before, host(), "nothing on the host changed") }()
		var r drill.Report
		require.NoError(t, json.Unmarshal([]byte(s.must(code, append([]string{"drill", "--json"}, args...)...)), &r))
		assert.Empty(t, r.Changed)
		list := map[string]drill.Probe{}
		for _, p := range r.Probes {
			list[p.ID] = p
		}
		return list
	}
	// what remapping is made to stop, and every kernel and host of the tests has
	must := []string{"core-pattern", "kptr-restrict", "host-binary", "root-file", "shadow", "root-directory", "device-node", "signal", "memory"}

	s.docker.Start()
	s.docker.Image()
	s.docker.Container("before")
	t.Run("a daemon that does not remap", func(t *testing.T) {
		got := ask(1)
		for _, id := range must {
			assert.Equal(t, drill.Reached, got[id].Result, "%s: %s", id, got[id].Reason)
		}
		for id, p := range got {
			assert.NotEqual(t, drill.Stopped, p.Result, "%s: nothing stops the host's root here: %s", id, p.Reason)
		}
	})
	s.docker.Run("rm", "--force", "before")
	s.docker.Stop()
	s.must(0, "enable", "--yes")
	s.docker.Start()
	s.docker.Image()

	t.Run("remapped, before the first container runs", func(t *testing.T) {
		got := ask(0)
		for _, id := range must {
			assert.Equal(t, drill.Stopped, got[id].Result, "%s: %s", id, got[id].Reason)
		}
	})

	s.docker.Container("web")
	s.docker.Container("other")
	s.docker.Container("legacy", "--userns", "host")
	for name, args := range map[string][]string{"the daemon's mapping": nil, "a container by its name": {"--container", "web"}} {
		t.Run(name, func(t *testing.T) {
			got := ask(0, args...)
			for _, id := range must {
				assert.Equal(t, drill.Stopped, got[id].Result, "%s: %s", id, got[id].Reason)
				assert.Equal(t, drill.Reached, got[id].Unmapped, id)
			}
			for id, p := range got {
				switch id {
				case "other-files", "other-layer": // all containers have one map
					assert.Equal(t, drill.Reached, p.Result, "%s: %s", id, p.Reason)
					assert.True(t, p.Shared, id)
				case "release-agent", "other-process": // by the kernel's cgroups; by namespaces of their own
					assert.Equal(t, drill.Stopped, p.Result, "%s: %s", id, p.Reason)
				default: // what this host has is stopped, what it does not have says so
					assert.True(t, p.Result == drill.Stopped || p.Result == drill.NotTestable && p.Unmapped == drill.NotTestable, "%s: %v, unmapped %v: %s", id, p.Result, p.Unmapped, p.Reason)
				}
				if p.Result == drill.Stopped && id != "other-process" {
					assert.Equal(t, drill.Reached, p.Unmapped, "%s without remapping", id)
				}
			}
		})
	}
	t.Run("a container with --userns=host", func(t *testing.T) {
		got := ask(1, "--container", "legacy")
		for _, id := range must {
			assert.Equal(t, drill.Reached, got[id].Result, "%s: %s", id, got[id].Reason)
		}
	})
	s.must(2, "drill", "--container", "nosuch")
}
