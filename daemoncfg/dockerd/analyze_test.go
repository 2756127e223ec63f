package dockerd_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// catConfig returns the files that systemd reads for a unit of the tree: its
// fragment, and the drop-ins in its directories of /etc, /run and /usr in their
// order.
func catConfig(t *testing.T, h usernskit.Host, name string) []string {
	t.Helper()
	cmd := exec.Command("systemd-analyze", "--root="+h.Root, "cat-config", "systemd/system/"+name)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_URLIFY=0")
	out, err := cmd.Output()
	require.NoError(t, err)
	var files []string
	for line := range strings.Lines(string(out)) {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "# "+h.Root+"/"); ok {
			files = append(files, "/"+file)
		}
	}
	return files
}

// The fragment and the drop-ins of every unit of the corpus are those that
// systemd names, in its order. It is not asked for links out of the tree, which
// it does not follow, and not for drop-ins of all services, which it keeps apart.
func TestUnitFilesAreThoseOfSystemd(t *testing.T) {
	hosttest.NeedProgram(t, "systemd-analyze")
	trees := map[string]string{"drop-ins-in-every-directory": `
-- run/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd --log-level=run
-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd --log-level=usr
-- usr/lib/systemd/system/docker.service.d/10-usr.conf --
[Service]
-- usr/lib/systemd/system/docker.service.d/20-hidden.conf --
[Service]
-- usr/lib/systemd/system/docker.service.d/README --
[Service]
-- lib/systemd/system/docker.service.d/20-hidden.conf --
[Service]
-- lib/systemd/system/docker.service.d/25-lib.conf --
[Service]
-- usr/local/lib/systemd/system/docker.service.d/05-local.conf --
[Service]
-- run/systemd/system/docker.service.d/20-hidden.conf --
[Service]
-- run/systemd/system/docker.service.d/9-run.conf --
[Service]
-- etc/systemd/system/docker.service.d/10-usr.conf.bak --
[Service]
-- etc/systemd/system/docker.service.d/Z.conf --
[Service]
-- etc/systemd/system/docker.service.d/a.conf --
[Service]
-- etc/systemd/system/docker.service.d/.hidden.conf --
[Service]
-- etc/systemd/system/docker.service.d/.conf --
[Service]
-- etc/systemd/system/docker.service.d/a.conf~ --
[Service]
`}
	corpus, err := filepath.Glob("testdata/startup/*.txtar")
	require.NoError(t, err)
	for _, file := range corpus {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		tree, _, _ := strings.Cut(string(data), "-- want --\n")
		trees[strings.TrimSuffix(filepath.Base(file), ".txtar")] = tree
	}
	compared := 0
	for name, tree := range trees {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, tree)
			s, err := dockerd.Read(t.Context(), h)
			require.NoError(t, err)
			for _, unit := range append(s.Others, s.Unit) {
				if path.IsAbs(unit) || unit == "" {
					continue
				}
				s, err := dockerd.Choice{Unit: unit}.Read(t.Context(), h)
				require.NoError(t, err)
				ours := slices.DeleteFunc(s.Files, func(file string) bool {
					dir := path.Dir(file)
					return !strings.HasSuffix(dir, "systemd/system") && path.Base(dir) != unit+".d"
				})
				assert.Equal(t, catConfig(t, h, unit), ours, unit)
				compared++
			}
		})
	}
	assert.Greater(t, compared, 30, "so many units were compared")
}

// Which drop-in has the last word, where a unit has them under several names:
// ours is the program that systemd finds missing in the tree.
func TestDropInsOfOtherNames(t *testing.T) {
	hosttest.NeedProgram(t, "systemd-analyze")
	const base = `
-- usr/lib/systemd/system/sysinit.target --
[Unit]
-- usr/lib/systemd/system/basic.target --
[Unit]
-- usr/lib/systemd/system/shutdown.target --
[Unit]
-- usr/lib/systemd/system/docker-ce-edge.service --
[Service]
ExecStart=/usr/bin/dockerd
-- etc/systemd/system/moby.service -> ../../../usr/lib/systemd/system/docker-ce-edge.service --
`
	for _, tt := range []struct{ name, first, second, want string }{
		{"a prefix", "etc/systemd/system/docker-.service.d/a.conf", "", "first"},
		{"the longer prefix", "etc/systemd/system/docker-ce-.service.d/a.conf", "etc/systemd/system/docker-.service.d/a.conf", "first"},
		{"a prefix in /etc hides the unit's own in /usr", "etc/systemd/system/docker-.service.d/a.conf", "usr/lib/systemd/system/docker-ce-edge.service.d/a.conf", "first"},
		{"by name, wherever they are", "etc/systemd/system/docker-ce-edge.service.d/a.conf", "usr/lib/systemd/system/docker-.service.d/b.conf", "second"},
		{"an alias", "etc/systemd/system/moby.service.d/a.conf", "", "first"},
		{"the unit's own name before its alias", "etc/systemd/system/moby.service.d/a.conf", "usr/lib/systemd/system/docker-ce-edge.service.d/a.conf", "second"},
		{"all services come last", "etc/systemd/system/service.d/a.conf", "usr/lib/systemd/system/docker-.service.d/a.conf", "second"},
		{"all services, by name", "etc/systemd/system/service.d/b.conf", "etc/systemd/system/docker-ce-edge.service.d/a.conf", "first"},
		{"a hidden file", "etc/systemd/system/docker-ce-edge.service.d/.a.conf", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := base
			for word, file := range map[string]string{"first": tt.first, "second": tt.second} {
				if file != "" {
					tree += "-- " + file + " --\n[Service]\nExecStart=\nExecStart=/opt/" + word + "/dockerd\n"
				}
			}
			h := hosttest.Tree(t, tree)
			s, err := dockerd.Read(t.Context(), h)
			require.NoError(t, err)
			program := path.Join("/", "opt", tt.want, "dockerd")
			if tt.want == "" {
				program = "/usr/bin/dockerd"
			}
			assert.Equal(t, program, s.Exec)
			out, _ := exec.Command("systemd-analyze", "--root="+h.Root, "--man=no", "verify", "docker-ce-edge.service").CombinedOutput()
			assert.Contains(t, string(out), "Command "+program+" is not executable", "what systemd would run")
		})
	}
}
