package docker

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// The beginning of an ID is looked for in /proc: remapctl's script of map has that.
func TestMappingByName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads a /proc")
	}
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "42"), 0o755))
	for _, name := range []string{"uid_map", "gid_map"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "42", name), []byte("0 100000 65536\n"), 0o644))
	}
	daemon := func(context.Context) (*engine.Engine, error) {
		return &engine.Engine{Containers: []engine.Container{
			{ID: strings.Repeat("a", 64), Name: "web", Running: true, PID: 42},
			{ID: strings.Repeat("b", 64), Name: "old"},
		}}, nil
	}
	down := func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
	for _, c := range []struct {
		name, container, want string
		ask                   func(context.Context) (*engine.Engine, error)
	}{
		{"running", "web", "", daemon},
		{"stopped", "old", "not running", daemon},
		{"missing", "none", "no such container", daemon},
		{"daemon down", "web", engine.ErrDown.Error(), down},
		{"no daemon", "web", "no daemon to ask", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Mapping(t.Context(), userns.FS{Root: root}, c.ask, c.container)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			host, ok := m.UID.ToHost(33)
			assert.True(t, ok)
			assert.Equal(t, uint32(100033), host)
		})
	}
}
