package outside

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

const module = "github.com/usernskit/usernskit"

// build makes a module of its own of a main.go, and a program of it. Versions are
// those of this repository, so it asks no network.
func build(t *testing.T, source []byte) string {
	t.Helper()
	repo, err := filepath.Abs("../..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	require.NoError(t, err)
	dir := t.TempDir()
	text := strings.Replace(string(mod), "module "+module+"\n", "module example.com/outside\n", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + repo + "\n"
	for name, data := range map[string][]byte{"main.go": source, "go.mod": []byte(text), "go.sum": sum} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "program", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "program")
}

// program builds one of testdata, which has to be short enough to be an example.
func program(t *testing.T, name string) func(stdin []byte, args ...string) (string, error) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", name, "main.go"))
	require.NoError(t, err)
	assert.Less(t, bytes.Count(source, []byte("\n")), 60, "%s is to stay short", name)
	path := build(t, source)
	return func(stdin []byte, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(string(exit.Stderr))
		}
		return string(out), err
	}
}

const image = `
-- etc/os-release --
ID=debian
VERSION_ID="12"
-- etc/passwd --
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000::/home/alice:/bin/bash
dockremap:x:998:998::/:/bin/false
-- etc/group --
root:x:0:
alice:x:1000:
dockremap:x:998:
-- etc/subuid --
alice:100000:65536
-- etc/subgid --
alice:100000:65536
-- etc/docker/daemon.json --
{
  "log-level": "warn"
}
-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd -H fd://
-- etc/default/grub --
GRUB_CMDLINE_LINUX="quiet"
-- usr/sbin/update-grub --
-- boot/grub/grub.cfg --
`

func TestInstaller(t *testing.T) {
	run := program(t, "installer")
	h := hosttest.Tree(t, image)
	start := hosttest.Snapshot(t, h)
	out, err := run(nil, h.Root)
	require.NoError(t, err)
	assert.Contains(t, out, "receipt 1\n")
	assert.Contains(t, out, "action restart-docker")
	data, err := h.ReadFile("/etc/subuid")
	require.NoError(t, err)
	assert.Contains(t, string(data), "dockremap:165536:65536\n")
	_, err = run(nil, h.Root, "undo")
	require.NoError(t, err)
	assert.Equal(t, start, hosttest.Snapshot(t, h))
	_, err = run(nil, filepath.Join(h.Root, "missing"))
	assert.ErrorContains(t, err, "missing")
}

func TestMetrics(t *testing.T) {
	h := hosttest.Tree(t, strings.Replace(image, "-- etc/subgid", "bob:100000:65536\n-- etc/subgid", 1))
	out, err := program(t, "metrics")(nil, h.Root)
	require.NoError(t, err)
	assert.Contains(t, out, `usernskit_subid_problems{id="overlap"} 1`)
	assert.Contains(t, out, "usernskit_subid_held_ids 131072\n")
	assert.Contains(t, out, "usernskit_remap_configured 0\n")
}

func TestTenants(t *testing.T) {
	run := program(t, "tenants")
	h := hosttest.Tree(t, image)
	var group sync.WaitGroup
	for _, names := range [][]string{{"t1", "t2", "t3"}, {"t4", "t5", "t6"}, {"t7", "t8", "t9"}} {
		group.Go(func() {
			_, err := run(nil, append([]string{h.Root}, names...)...)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	data, err := h.ReadFile("/etc/subuid")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	assert.Equal(t, "alice:100000:65536", lines[0])
	starts := map[string]bool{}
	for _, l := range lines {
		starts[strings.Split(l, ":")[1]] = true
	}
	assert.Len(t, starts, 10, "no range is given twice: %s", data)
}

func TestMirrors(t *testing.T) {
	h := hosttest.Tree(t, image)
	out, err := program(t, "mirrors")(nil, h.Root, "https://mirror.example")
	require.NoError(t, err)
	assert.Contains(t, out, `+  "registry-mirrors"`)
	data, err := h.ReadFile("/etc/docker/daemon.json")
	require.NoError(t, err)
	assert.JSONEq(t, `{"log-level":"warn","registry-mirrors":["https://mirror.example"],"max-concurrent-downloads":6}`, string(data))
}

func TestKernelarg(t *testing.T) {
	h := hosttest.Tree(t, image)
	out, err := program(t, "kernelarg")(nil, h.Root, "user_namespace.enable=1")
	require.NoError(t, err)
	assert.Contains(t, out, "wrote /etc/default/grub")
	assert.Regexp(t, `(?m)^then later .*\[reboot\]$`, out)
	data, err := h.ReadFile("/etc/default/grub")
	require.NoError(t, err)
	assert.Contains(t, string(data), "user_namespace.enable=1")
}

func TestRetar(t *testing.T) {
	run := program(t, "retar")
	file := filepath.Join(t.TempDir(), "uid_map")
	require.NoError(t, os.WriteFile(file, []byte("0 165536 65536\n"), 0o644))
	stream := func(uid int) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "f", Size: 1, Mode: 0o644, Uid: uid, Gid: 7}))
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	out, err := run(stream(33), file)
	require.NoError(t, err)
	r := tar.NewReader(strings.NewReader(out))
	h, err := r.Next()
	require.NoError(t, err)
	assert.Equal(t, []int{165569, 165543}, []int{h.Uid, h.Gid})
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "x", string(data))
	_, err = run(stream(70000), file)
	assert.Error(t, err, "it is not in the map")
}

// What a program links that imports one package. The log has sizes and modules.
func TestLinkedModules(t *testing.T) {
	heavy := regexp.MustCompile(`^(github.com/(moby/moby|docker|spf13|urfave|containerd)/|go\.opentelemetry\.io/)`)
	for _, name := range []string{"", "/subid", "/userns", "/bootargs", "/bootargs/gates", "/daemoncfg", "/verify", "/verify/docker"} {
		t.Run(strings.TrimPrefix(module+name, module+"/"), func(t *testing.T) {
			path := build(t, []byte("package main\n\nimport _ \""+module+name+"\"\n\nfunc main() {}\n"))
			info, err := buildinfo.ReadFile(path)
			require.NoError(t, err)
			st, err := os.Stat(path)
			require.NoError(t, err)
			var linked []string
			for _, dep := range info.Deps {
				linked = append(linked, dep.Path)
			}
			t.Logf("%.2f MB: %s", float64(st.Size())/1e6, strings.Join(linked, " "))
			require.Contains(t, linked, module)
			if name == "/verify/docker" {
				assert.True(t, slices.ContainsFunc(linked, heavy.MatchString), "the test sees what it looks for")
				return
			}
			assert.False(t, slices.ContainsFunc(linked, heavy.MatchString), "%v", linked)
			assert.Less(t, st.Size(), int64(6e6))
		})
	}
}
