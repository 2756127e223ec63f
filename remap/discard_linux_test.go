package remap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
)

// A volume that was written to between the comparison and its removal is kept.
func TestNoVolumeIsDiscardedThatChanged(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "docker/volumes/data/_data")
	m := Migration{host: usernskit.Host{Root: root}}
	for _, same := range []bool{false, true} {
		require.NoError(t, os.MkdirAll(data, 0o755))
		err := m.discard("/docker", "/docker/volumes/data/_data", func(at string) error {
			assert.NoDirExists(t, data, "it has left its name already")
			assert.DirExists(t, at)
			if same {
				return nil
			}
			return errors.New("changed")
		})
		assert.Equal(t, same, err == nil, "%v", err)
		assert.NoDirExists(t, filepath.Dir(data))
		left, err := filepath.Glob(filepath.Join(root, "docker/usernskit-*/*"))
		require.NoError(t, err)
		assert.Equal(t, []string{filepath.Join(root, "docker/usernskit-undone/data")}, left, "the one that changed")
	}
}
