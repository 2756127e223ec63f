package dockerd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// describe writes a startup as the files of the corpus expect it.
func describe(s dockerd.Startup) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s %s\n", s.State(), s.Init, s.Unit, s.ConfigFile, s.DataRoot)
	for _, f := range s.Flags {
		fmt.Fprintf(&b, "flag %s: %s\n", f.Place(), f.Spelled)
		if f.Refused != "" {
			fmt.Fprintf(&b, "  refused: %s\n", f.Refused)
		}
	}
	for _, f := range s.Ignored {
		fmt.Fprintf(&b, "ignored %s: %s\n", f.Place(), f.Spelled)
	}
	for _, name := range s.Others {
		fmt.Fprintf(&b, "other %s\n", name)
	}
	for _, why := range s.Unsure {
		fmt.Fprintf(&b, "unsure: %s\n", why)
	}
	if s.PID != 0 {
		fmt.Fprintf(&b, "process %d\n", s.PID)
	}
	return b.String()
}

// The corpus holds units, scripts and files written after real ones, each with
// what is to be found in it.
func TestStartupCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/startup/*.txtar")
	require.NoError(t, err)
	require.Greater(t, len(files), 40)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			tree, want, ok := strings.Cut(string(data), "-- want --\n")
			require.True(t, ok, "it says what is wanted")
			s, err := dockerd.Read(t.Context(), hosttest.Tree(t, tree))
			require.NoError(t, err)
			got := describe(s)
			if os.Getenv("UPDATE") != "" {
				require.NoError(t, os.WriteFile(file, []byte(tree+"-- want --\n"+got), 0o644))
				return
			}
			assert.Equal(t, want, got)
		})
	}
}
