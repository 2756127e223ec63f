//go:build linux

package e2e

import (
	"encoding/json"
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
	ask := func(code int, args ...string) map[string]drill.Probe {
		t.Helper()
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
				assert.False(t, p.Failed(), "%s: %s", id, p.Reason)
			}
			assert.Equal(t, drill.Reached, got["other-layer"].Result, "all containers have one map: %s", got["other-layer"].Reason)
			assert.True(t, got["other-layer"].Shared)
			assert.Equal(t, drill.Stopped, got["other-process"].Result, got["other-process"].Reason)
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
