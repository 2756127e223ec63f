//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// prepare makes the accounts of the states, and wants a machine on which
// nothing else runs that verify would be right to report.
func prepare(t *testing.T) {
	t.Helper()
	require.NoError(t, os.MkdirAll("/etc/docker", 0o755))
	require.NoError(t, os.MkdirAll("/etc/sysctl.d", 0o755))
	for _, args := range [][]string{{"--system", "--user-group", "dockremap"}, {"--user-group", "alice"}} {
		out, err := exec.Command("useradd", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for p, err := range (userns.FS{}).Processes(t.Context(), userns.Options{}) {
		if err == nil && p.ContainerID != "" {
			t.Fatalf("a container runs on this machine (process %d, %s), which verify is right to report: the matrix needs a machine without", p.PID, p.Command)
		}
	}
	// Debian's client, of 20.10, is the one that builds without a plugin.
	t.Setenv("DOCKER_MIN_API_VERSION", "1.24")
}

// clear removes all containers and volumes.
func (h *stage) clear() {
	for _, kind := range [][]string{{"ps", "--all", "--quiet"}, {"volume", "ls", "--quiet"}} {
		list, err := h.Try(kind...)
		if err != nil || list == "" {
			continue
		}
		rm := []string{"rm", "--force"}
		if kind[0] == "volume" {
			rm = append([]string{"volume"}, rm...)
		}
		_, _ = h.Try(append(rm, strings.Fields(list)...)...)
	}
}

// run starts a container of the image with a command of its own.
func (h *stage) run(name, flags, command string) string {
	h.Helper()
	return h.Run(append(append([]string{"run", "--detach", "--name", name, "--network", "none"}, strings.Fields(flags)...),
		append([]string{"busybox:test"}, strings.Fields(command)...)...)...)
}

// pid returns the first process of a container.
func (h *stage) pid(name string) int {
	h.Helper()
	pid, err := strconv.Atoi(h.Run("inspect", "--format", "{{.State.Pid}}", name))
	require.NoError(h, err)
	return pid
}

// process starts a process of the host, which ends with the test.
func (h *stage) process(cmd *exec.Cmd) *exec.Cmd {
	h.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	require.NoError(h, cmd.Start())
	h.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	time.Sleep(200 * time.Millisecond) // until it is what it becomes
	return cmd
}

// loop repeats a step until the test ends, or until stop is called.
func (h *stage) loop(step func()) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			default:
				step()
			}
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			close(end)
			<-done
		}
	}
	h.Cleanup(stop)
	return stop
}

// containerd returns the socket of the containerd that the daemon has started.
func (h *stage) containerd() string {
	h.Helper()
	list, err := filepath.Glob(filepath.Join(h.Dir, "exec*/containerd/containerd.sock"))
	require.NoError(h, err)
	require.NotEmpty(h, list)
	return list[0]
}

// rootfs returns a directory with busybox in it.
func (h *stage) rootfs() string { return filepath.Join(h.Dir, "image") }

// ctr runs a container of containerd's own, in its namespace "default".
func (h *stage) ctr(name string, flags ...string) {
	h.Helper()
	ctr := func(args ...string) ([]byte, error) {
		return exec.Command("ctr", append([]string{"--address", h.containerd()}, args...)...).CombinedOutput()
	}
	args := append([]string{"run", "--detach", "--null-io"}, flags...)
	if len(flags) == 0 {
		args = append(args, "--rootfs", h.rootfs(), name, "/bin/sleep", "600")
	} else { // a file has the rest
		args = append(args, name)
	}
	out, err := ctr(args...)
	require.NoError(h, err, "%s", out)
	time.Sleep(200 * time.Millisecond)
	out, err = ctr("task", "ls")
	require.NoError(h, err, "%s", out)
	require.Contains(h, string(out), "RUNNING")
	h.Cleanup(func() {
		_, _ = ctr("task", "rm", "--force", name)
		_, _ = ctr("container", "rm", name)
	})
}

// newID returns an ID as containers have them.
func newID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// plugin makes a managed plugin of the program in testdata and enables it.
func (h *stage) plugin() {
	h.Helper()
	dir := h.TempDir()
	require.NoError(h, os.MkdirAll(dir+"/rootfs/run/docker/plugins", 0o755))
	require.NoError(h, os.Rename(filepath.Join(h.program("plugin"), "plugin"), dir+"/rootfs/plugin"))
	write(h, dir+"/config.json", `{"description":"listens","entrypoint":["/plugin"],"workdir":"/","network":{"type":"none"},
		"interface":{"types":["docker.logdriver/1.0"],"socket":"p.sock"},"linux":{},"rootfs":{}}`)
	h.Run("plugin", "create", "listens", dir)
	h.Cleanup(func() { _, _ = h.Try("plugin", "rm", "--force", "listens") })
	h.Run("plugin", "enable", "listens")
}

// second starts another daemon on the host, with members in a daemon.json of
// its own.
func (h *stage) second(members string, flags ...string) *stage {
	h.Helper()
	file := filepath.Join(h.TempDir(), "second.json")
	write(h, file, "{"+members+"}\n")
	d := hosttest.NewDocker(h, append([]string{"--config-file", file}, flags...)...)
	d.Start()
	d.Image()
	other := &stage{TB: h.TB, Docker: d}
	h.Cleanup(other.clear)
	return other
}

// ownContainerd starts a containerd for daemons to share and returns the flags
// that lead them there.
func (h *stage) ownContainerd() []string {
	h.Helper()
	dir, err := os.MkdirTemp("", "ctrd")
	require.NoError(h, err)
	h.Cleanup(func() { os.RemoveAll(dir) })
	socket := dir + "/c.sock"
	cmd := exec.Command("containerd", "--root", dir+"/root", "--state", dir+"/state", "--address", socket, "--log-level", "error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(h, cmd.Start())
	h.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	require.Eventually(h, func() bool { _, err := os.Stat(socket); return err == nil }, 20*time.Second, 50*time.Millisecond)
	return []string{"--containerd", socket}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func daemonJSON(t testing.TB, members string) {
	t.Helper()
	write(t, "/etc/docker/daemon.json", "{"+members+"}\n")
}

// subids writes both files.
func subids(t testing.TB, text string) {
	t.Helper()
	write(t, "/etc/subuid", text)
	write(t, "/etc/subgid", text)
}

// aSecond lets a start and a write of files not fall into one second.
func aSecond() { time.Sleep(1100 * time.Millisecond) }

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// Log is the test's; the daemon's is that of the field.
func (h *stage) Log(args ...any) { h.Helper(); h.TB.Log(args...) }
