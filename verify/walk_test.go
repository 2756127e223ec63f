package verify

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
)

func TestFilesOfNobodyInAVolume(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600))
	}
	ours := uint32(os.Geteuid())
	all := walkOwners(t.Context(), dir, func(uid, _ uint32) bool { return uid == ours })
	assert.Equal(t, &walk{seen: 6}, all)
	none := walkOwners(t.Context(), dir, func(uint32, uint32) bool { return false })
	assert.Equal(t, 6, none.strange)
	assert.Equal(t, ".", none.example)
	assert.Equal(t, ours, none.uid)

	t.Run("a large one is left after its first files", func(t *testing.T) {
		for i := range ownerFiles + 10 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("x", i)), nil, 0o600))
		}
		w := walkOwners(t.Context(), dir, func(uint32, uint32) bool { return true })
		assert.Equal(t, ownerFiles, w.seen)
		assert.NoError(t, w.err)
	})
	t.Run("one that is not there", func(t *testing.T) {
		assert.Equal(t, 0, walkOwners(t.Context(), dir+"/none", nil).seen)
	})
	t.Run("a context that ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, walkOwners(ctx, dir, nil).err, context.Canceled)
	})
}

func TestASetuidBitThatWasLost(t *testing.T) {
	old, now := t.TempDir(), t.TempDir()
	put := func(dir, name string, mode fs.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	put(old, "su", 0o755|fs.ModeSetuid)
	put(now, "su", 0o755)
	put(old, "write", 0o755|fs.ModeSetgid)
	put(now, "write", 0o755|fs.ModeSetuid) // another bit is no answer
	put(old, "kept", 0o755|fs.ModeSetuid)
	put(now, "kept", 0o755|fs.ModeSetuid)
	put(old, "gone", 0o755|fs.ModeSetuid)
	put(old, "plain", 0o755)
	put(now, "plain", 0o755)
	list := findLosses(t.Context(), "data", now, old)
	require.Len(t, list, 2)
	assert.Equal(t, loss{volume: "data", path: now + "/su", old: old + "/su", what: "its setuid or setgid bit", had: "4755", has: "0755", chmod: "4755"}, list[0])
	assert.Equal(t, "2755", list[1].had)
}

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
	assert.Contains(t, texts(r), "/var/lib/docker/165536.165536/volumes/data/_data/bin/su has lost its setuid or setgid bit")
	assert.NotContains(t, texts(r), opts.Host.Root, "paths are the host's")
	assert.Contains(t, texts(r), "1 volumes")
}
