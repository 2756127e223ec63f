//go:build linux

package e2e

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// There is no systemd here: systemctl restarts the test's own dockerd, and
// everything else about the restart is real.
func TestARestartThatFailsPutsTheHostBack(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	before := files(100000)
	s := newSession(t, before)
	d := s.docker
	var restarts int
	host := usernskit.Host{Run: func(ctx context.Context, argv ...string) ([]byte, error) {
		switch strings.Join(argv[:2], " ") {
		case "systemctl restart":
			restarts++
			d.Stop()
			return nil, d.TryStart()
		case "journalctl --unit":
			return []byte(d.Log()), nil
		case "systemctl reset-failed":
			return nil, nil
		}
		return usernskit.Host{}.Command(ctx, argv...)
	}}
	restart := func() error {
		p, err := remap.PlanEnable(t.Context(), host, remap.Request{})
		require.NoError(t, err)
		for i := range p.Plan.Actions {
			if slices.Contains(p.Plan.Actions[i].Argv, "restart") {
				p.Plan.Actions[i].Argv = []string{"systemctl", "restart", "docker"}
			}
		}
		receipt, err := host.Apply(t.Context(), p.Plan)
		require.NoError(t, err)
		return remap.Restart{Host: host, Receipt: receipt, Store: p.Store(), Ask: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, d.Host) }}.Run(t.Context())
	}
	d.Start()

	// Nobody but root may enter a directory above the data-root: dockerd then
	// refuses to start with a remapped root.
	require.NoError(t, os.Chmod(d.Dir, 0o700))
	err := restart()
	var fail *remap.RestartError
	require.ErrorAs(t, err, &fail)
	require.NoError(t, fail.Undo)
	assert.ErrorContains(t, err, "restricts access to the remapped root", "the daemon's own words")
	assert.Equal(t, 2, restarts)
	for path, text := range before {
		assert.Equal(t, text, read(t, path), path)
	}
	assert.NotContains(t, d.Run("info", "--format", "{{.SecurityOptions}}"), "name=userns", "it runs, as before")

	require.NoError(t, os.Chmod(d.Dir, 0o755))
	require.NoError(t, restart())
	assert.Contains(t, d.Run("info", "--format", "{{.SecurityOptions}}"), "name=userns")
}
