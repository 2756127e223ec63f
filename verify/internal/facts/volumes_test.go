package facts

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilesOfNobodyInAVolume(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600))
	}
	ours := uint32(os.Geteuid())
	all := walkOwners(t.Context(), dir, func(uid, _ uint32) bool { return uid == ours })
	assert.Equal(t, &walk{Seen: 6}, all)
	none := walkOwners(t.Context(), dir, func(uint32, uint32) bool { return false })
	assert.Equal(t, 6, none.Strange)
	assert.Equal(t, ".", none.Example)
	assert.Equal(t, ours, none.UID)

	t.Run("a large one is left after its first files", func(t *testing.T) {
		for i := range ownerFiles + 10 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("x", i)), nil, 0o600))
		}
		w := walkOwners(t.Context(), dir, func(uint32, uint32) bool { return true })
		assert.Equal(t, ownerFiles, w.Seen)
		assert.NoError(t, w.Err)
	})
	t.Run("one that is not there", func(t *testing.T) {
		assert.Equal(t, 0, walkOwners(t.Context(), dir+"/none", nil).Seen)
	})
	t.Run("a context that ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, walkOwners(ctx, dir, nil).Err, context.Canceled)
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
	list := lossesOf(t.Context(), "data", now, old)
	require.Len(t, list, 2)
	assert.Equal(t, loss{Volume: "data", Path: now + "/su", Old: old + "/su", What: "its setuid or setgid bit", Had: "4755", Has: "0755", Chmod: "4755"}, list[0])
	assert.Equal(t, "2755", list[1].Had)
}
