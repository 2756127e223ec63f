package daemoncfg_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// nobody is a user that dockerd looks for and does not find. With it among the
// flags no dockerd comes as far as starting: it stops over a conflict with the
// file, and prints what it has read there, or over the missing user.
const nobody = "no-such-user-of-daemoncfg"

// An engine is a real dockerd that is asked what it reads.
type engine struct {
	program string
	old     bool // 20.10
}

func newEngine(t *testing.T) engine {
	t.Helper()
	e := engine{program: "dockerd"}
	if path := os.Getenv("USERNSKIT_DOCKERD"); path != "" {
		e.program = path
	}
	hosttest.Need(t, e.program)
	version, err := exec.Command(e.program, "--version").CombinedOutput()
	require.NoError(t, err)
	e.old = strings.Contains(string(version), " 20.10.")
	return e
}

// read lets dockerd read a daemon.json and returns what it says.
func (e engine) read(t *testing.T, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "daemon.json")
	require.NoError(t, os.WriteFile(file, data, 0o644))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, e.program, "--config-file", file, "--userns-remap", nobody,
		"--exec-root", dir+"/exec", "--pidfile", dir+"/pid").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	return string(out)
}

// takes reports whether dockerd takes the file, as far as it reads it before
// it looks for conflicts, and what it says.
func (e engine) takes(t *testing.T, data []byte) (takes bool, says string) {
	t.Helper()
	out := e.read(t, data)
	if strings.Contains(out, `uid lookup for "`+nobody) || strings.Contains(out, "specified both as a flag") {
		return true, out
	}
	require.Contains(t, out, "unable to configure the Docker daemon with file", "%q", data)
	return false, out
}

func TestRealDockerdReadsWhatWasSet(t *testing.T) {
	e := newEngine(t)
	files, err := filepath.Glob("testdata/corpus/*.json")
	require.NoError(t, err)
	for i, file := range files {
		if testing.Short() && i%7 != 0 {
			continue
		}
		in, err := os.ReadFile(file)
		require.NoError(t, err)
		doc, err := daemoncfg.Parse(file, in)
		require.NoError(t, err)
		require.NoError(t, doc.Set([]string{"userns-remap"}, json.RawMessage(`"alice:staff"`)))
		out := e.read(t, doc.Bytes())
		if strings.Contains(out, "don't match any configuration option") {
			// One that some dockerd does not start with anyhow. Lint has seen it,
			// unless the key came after 20.10.
			found := ""
			if e.old && strings.Contains(out, "http-proxy") {
				continue
			}
			for _, f := range doc.Lint() {
				if f.Level == daemoncfg.LevelFatal {
					found = string(f.ID)
				}
			}
			assert.Contains(t, []string{"unknown-key", "removed-key"}, found, "%s: %s", file, out)
			continue
		}
		// dockerd takes members of objects for its own, in the order of a Go map:
		// where there is another userns-remap inside of one it may name either.
		if slices.ContainsFunc(doc.Lint(), func(f daemoncfg.Problem) bool { return f.ID == "nested-remap" }) {
			out = strings.ReplaceAll(out, "from file: somebody)", "from file: alice:staff)")
		}
		assert.Contains(t, out, "userns-remap: (from flag: "+nobody+", from file: alice:staff)", file)
	}
}

func TestRealDockerdRefusesWhatIsRefusedHere(t *testing.T) {
	e := newEngine(t)
	for _, test := range refused {
		takes, says := e.takes(t, []byte(test.in))
		switch {
		case strings.Contains(test.want, "no dockerd starts with"):
			assert.False(t, takes, test.name)
		case strings.Contains(test.want, "before 23.0 does not start"):
			assert.Equal(t, !e.old, takes, test.name)
		case strings.Contains(test.want, "from 23.0 does not start"), strings.Contains(test.want, "from 23.0 on, and 20.10 ignores"):
			assert.Equal(t, e.old, takes, test.name)
		case strings.Contains(test.want, "twice"):
			assert.True(t, takes || strings.Contains(says, "don't match"), "%s: %s", test.name, says)
		}
	}
}

// What Lint calls fatal stops dockerd, and what it does not call so does not.
func TestRealDockerdAgreesWithLint(t *testing.T) {
	e := newEngine(t)
	for _, test := range lints {
		if strings.Contains(test.in, `{"userns-remap"`) && !strings.Contains(test.in, "zzz") {
			continue // the conflict with the flag hides what dockerd says about the value
		}
		fatal := strings.Contains(strings.Join(test.want, "\n"), " fatal: ")
		switch test.name {
		case "empty file":
			fatal = e.old
		case "removed key", "key removed since":
			fatal = !e.old
		case "object for a removed key", "a type that some do not look at", "the path of a key as a number":
			fatal = e.old
		}
		takes, says := e.takes(t, []byte(test.in))
		assert.Equal(t, !fatal, takes, "%s: %s", test.name, says)
	}
}
