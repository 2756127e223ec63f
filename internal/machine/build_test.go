//go:build linux

package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// remapctl is the path of the program, built from this tree.
func remapctl(t testing.TB) string {
	t.Helper()
	path, err := built()
	require.NoError(t, err)
	return path
}

// binaries is the directory that built makes; TestMain removes it.
var binaries string

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "remapctl")
	if err != nil {
		return "", err
	}
	binaries = dir
	path := filepath.Join(dir, "remapctl")
	cmd := exec.Command("go", "build", "-o", path, "github.com/usernskit/usernskit/examples/remapctl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries != "" {
		os.RemoveAll(binaries)
	}
	os.Exit(code)
}
