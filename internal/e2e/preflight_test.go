//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// What preflight foretells happens: the daemon refuses with the very words, the
// mount cannot be read, and what was to disappear is gone from the lists.
func TestWhatPreflightForetellsComesTrue(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	s := newSession(t, files(100000))
	d := s.docker
	d.Start()
	d.Image()
	data := filepath.Join(d.Dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	options := map[string][]string{
		"hostnet": {"--network", "host"},
		"hostpid": {"--pid", "host", "--network", "none"},
		"hostipc": {"--ipc", "host", "--network", "none"},
		"priv":    {"--privileged", "--network", "none"},
		"mount":   {"--volume", data + ":/data", "--network", "none"},
		"plain":   {"--volume", "named:/v", "--network", "none"},
	}
	for name, flags := range options {
		d.Run(append(append([]string{"create", "--name", name}, flags...), "busybox:test", "ls", "/data")...)
	}

	var forecast struct {
		WillNotStart []struct{ Container, Text string } `json:"will_not_start"`
		Misbehave    []struct{ Container, Option, Text string }
		Disappear    []struct {
			Kind  string
			Names []string
		}
		Moves []struct{ Path, Volume, Command string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.must(1, "preflight", "--json")), &forecast))
	s.must(0, "enable", "--yes")
	d.Restart()
	d.Image()

	refused := []string{}
	for _, f := range forecast.WillNotStart {
		refused = append(refused, f.Container)
		_, err := d.Try(append(append([]string{"run", "--rm"}, options[f.Container]...), "busybox:test", "ls", "/")...)
		require.Error(t, err, f.Container)
		if f.Container == "hostipc" { // runc's words, which change with its version
			assert.ErrorContains(t, err, "mqueue")
			continue
		}
		assert.ErrorContains(t, err, f.Text)
	}
	assert.ElementsMatch(t, []string{"hostnet", "hostpid", "hostipc", "priv"}, refused)

	require.Len(t, forecast.Misbehave, 1)
	assert.Equal(t, "mount", forecast.Misbehave[0].Container)
	_, err := d.Try(append(append([]string{"run", "--rm"}, options["mount"]...), "busybox:test", "ls", "/data")...)
	assert.ErrorContains(t, err, "Permission denied")
	require.Len(t, forecast.Moves, 2)
	assert.Equal(t, "remapctl shift "+data+" --from 0:65536 --to 165536:65536", forecast.Moves[0].Command)
	assert.Equal(t, "named", forecast.Moves[1].Volume)
	move := append(strings.Fields(forecast.Moves[0].Command)[1:], "--yes")
	running := d.Run("run", "--detach", "--name", "runs", "--volume", data+":/data", "--network", "none", "busybox:test", "sleep", "600")
	upper := d.Run("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "runs")
	for _, words := range [][]string{move, {"shift", upper, "--back", "--to", "165536:65536", "--yes"}} { // a container has it as a mount, or as a layer
		_, stderr, _ := s.run(words...)
		assert.Contains(t, stderr, "in use by container "+running[:12])
	}
	d.Run("rm", "--force", "runs")
	s.must(0, append(move, "--accept-risk", "in-use")...) // a machine of tests runs what cannot be seen
	d.Run(append(append([]string{"run", "--rm"}, options["mount"]...), "busybox:test", "ls", "/data")...)
	d.Run(append(append([]string{"run", "--rm"}, options["plain"]...), "busybox:test", "ls", "/v")...)

	gone := map[string][]string{}
	for _, f := range forecast.Disappear {
		gone[f.Kind] = f.Names
	}
	assert.Equal(t, []string{"busybox:test"}, gone["images"])
	assert.Equal(t, []string{"named"}, gone["volumes"])
	assert.Len(t, gone["containers"], len(options))
	assert.Empty(t, d.Run("ps", "--all", "--quiet"))
}
