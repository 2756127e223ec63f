package verify

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestLostSetuidBitsAreReportedWhenAskedToLookDeep(t *testing.T) {
	e := remapped()
	e.Volumes = []engine.Volume{{Name: "data", Driver: "local", Mountpoint: "/var/lib/docker/165536.165536/volumes/data/_data"}}
	opts := live(t, &e)
	for _, dir := range []string{"", "165536.165536/"} {
		with(t, opts.Host, map[string]string{"var/lib/docker/" + dir + "volumes/data/_data/bin/su": "x", "var/lib/docker/" + dir + "image/overlay2/x": "x"})
	}
	require.NoError(t, os.Chmod(filepath.Join(opts.Host.Root, "var/lib/docker/volumes/data/_data/bin/su"), 0o755|fs.ModeSetuid))
	opts.Checks = []string{"C11", "D09"}
	assert.Equal(t, []string{"D09 warn"}, bad(run(t, opts)), "not without being asked")
	opts.Deep = true
	r := run(t, opts)
	assert.Equal(t, []string{"D09 warn", "C11 warn"}, bad(r))
	stale := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == "D09" })
	assert.Equal(t, FixMigrate, r.Findings[stale].Remedy.Fix)
	assert.Equal(t, "plain", r.Findings[stale].Remedy.Arg)
	assert.Contains(t, texts(r), "/var/lib/docker/165536.165536/volumes/data/_data/bin/su has lost its setuid or setgid bit")
	assert.NotContains(t, texts(r), opts.Host.Root, "paths are the host's")
	assert.Contains(t, texts(r), "1 volume,")
}

func TestAVolumeOfTheHostsRootIsMoved(t *testing.T) {
	hosttest.Need(t)
	const dir = "/var/lib/docker/165536.165536/volumes/data/_data"
	e := remapped(web(engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "data", Source: dir, Destination: "/x"}}}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	with(t, opts.Host, map[string]string{dir[1:] + "/file": "x"})
	opts.Checks = []string{"C10"}
	r := run(t, opts)
	require.Equal(t, []string{"C10 warn"}, bad(r))
	r.Findings[0].Remedy.Text = ""
	assert.Equal(t, Remedy{Fix: FixShift, Arg: dir, From: "0:65536", To: "165536:65536"}, r.Findings[0].Remedy)
}
