//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
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
