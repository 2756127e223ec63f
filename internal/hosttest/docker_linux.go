package hosttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Docker is a real dockerd with directories of its own, which reads the
// /etc/docker/daemon.json of the mount namespace that [Private] made.
// USERNSKIT_DOCKERD and USERNSKIT_RUNC name the dockerd and the runc to run; if
// they are not set, it is the machine's.
type Docker struct {
	Dir  string // holds the rest
	Root string // the data-root
	Host string // for DOCKER_HOST
	// Containers maps the full ID of each container to the process ID of its
	// first process, also after that ended.
	Containers map[string]int

	t     testing.TB
	flags []string
	cmd   *exec.Cmd
	done  chan error
}

// NewDocker prepares a dockerd with flags besides those that every test needs.
// It starts nothing. It must be called in a test that is [Private].
func NewDocker(t testing.TB, flags ...string) *Docker {
	t.Helper()
	Need(t, dockerd(), "docker", "containerd", "busybox")
	require.NotEmpty(t, os.Getenv(privateEnv), "BUG: this would read the machine's own /etc/docker")
	dir, err := os.MkdirTemp("", "dockerd") // short: a socket's path has 107 bytes
	require.NoError(t, err)
	// The remapped root must reach the data-root.
	require.NoError(t, os.Chmod(dir, 0o755))
	d := &Docker{Dir: dir, Root: filepath.Join(dir, "root"), Host: "unix://" + filepath.Join(dir, "docker.sock"), t: t, flags: flags, Containers: map[string]int{}}
	t.Cleanup(func() {
		d.Stop()
		d.reap()
		d.unmount()
		os.RemoveAll(dir)
	})
	return d
}

func dockerd() string {
	if path := os.Getenv("USERNSKIT_DOCKERD"); path != "" {
		return path
	}
	return "dockerd"
}

// Start starts the daemon and waits until it answers.
func (d *Docker) Start() {
	d.t.Helper()
	require.NoError(d.t, d.TryStart(), "dockerd:\n%s", d.Log())
}

// TryStart is Start for a daemon that may refuse its configuration: the error
// then reports that it ended.
func (d *Docker) TryStart() error {
	d.t.Helper()
	log, err := os.OpenFile(filepath.Join(d.Dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	require.NoError(d.t, err)
	defer log.Close()
	args := append([]string{
		"--host", d.Host, "--data-root", d.Root, "--exec-root", filepath.Join(d.Dir, "exec"),
		"--pidfile", filepath.Join(d.Dir, "pid"), "--bridge=none", "--iptables=false",
	}, d.flags...)
	if runc := os.Getenv("USERNSKIT_RUNC"); runc != "" {
		args = append(args, "--add-runtime", "current="+runc, "--default-runtime", "current")
	}
	d.cmd = exec.Command(dockerd(), args...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(d.t, d.cmd.Start())
	d.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(d.cmd, d.done)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := d.Try("version", "--format", "{{.Server.Version}}"); err == nil {
			return nil
		}
		select {
		case err := <-d.done:
			d.cmd = nil
			return fmt.Errorf("dockerd ended: %w", err)
		default:
			require.True(d.t, time.Now().Before(deadline), "dockerd does not answer:\n%s", d.Log())
		}
	}
}

// Stop ends the daemon by its own process ID and waits for it.
func (d *Docker) Stop() {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(30 * time.Second):
		d.t.Errorf("dockerd did not end on SIGTERM:\n%s", d.Log())
		d.cmd.Process.Kill()
		<-d.done
	}
	d.cmd = nil
}

// Restart is Stop and Start.
func (d *Docker) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// Lend hands the daemon to a subtest: containers that are started from now on
// end with the subtest.
func (d *Docker) Lend(t testing.TB) {
	owner := d.t
	d.t = t
	t.Cleanup(func() { d.t = owner })
}

// PID is the daemon's process ID.
func (d *Docker) PID() int { return d.cmd.Process.Pid }

// Log is what the daemon has logged since it was started.
func (d *Docker) Log() string {
	data, _ := os.ReadFile(filepath.Join(d.Dir, "log"))
	return string(data)
}

// Try runs the docker client and returns what it printed, without the last
// newline.
func (d *Docker) Try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"-H", d.Host}, args...)...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSuffix(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// Run is Try for a command that must succeed.
func (d *Docker) Run(args ...string) string {
	d.t.Helper()
	out, err := d.Try(args...)
	require.NoError(d.t, err)
	return out
}

// Image imports a static busybox as the image "busybox:test".
func (d *Docker) Image() {
	d.t.Helper()
	tar := filepath.Join(d.Dir, "busybox.tar")
	if _, err := os.Stat(tar); err != nil {
		tree := filepath.Join(d.Dir, "image")
		require.NoError(d.t, os.MkdirAll(filepath.Join(tree, "bin"), 0o755))
		busybox, err := exec.LookPath("busybox")
		require.NoError(d.t, err)
		data, err := os.ReadFile(busybox)
		require.NoError(d.t, err)
		require.NoError(d.t, os.WriteFile(filepath.Join(tree, "bin/busybox"), data, 0o755))
		for _, name := range []string{"sh", "sleep", "cat", "id", "echo", "chmod", "ls", "touch"} {
			require.NoError(d.t, os.Symlink("busybox", filepath.Join(tree, "bin", name)))
		}
		out, err := exec.Command("tar", "-C", tree, "-cf", tar, ".").CombinedOutput()
		require.NoError(d.t, err, "%s", out)
	}
	d.Run("import", tar, "busybox:test")
}

// Container starts a container that sleeps and returns the process ID of its
// first process, as the host sees it. The container is removed when the test
// ends.
func (d *Docker) Container(name string, flags ...string) int {
	d.t.Helper()
	args := append([]string{"run", "--detach", "--name", name}, flags...)
	if !strings.Contains(strings.Join(flags, " "), "--network") {
		args = append(args, "--network", "none")
	}
	id := d.Run(append(args, "busybox:test", "sleep", "600")...)
	d.t.Cleanup(func() {
		if d.cmd != nil {
			d.Try("rm", "--force", name)
		}
	})
	pid, err := strconv.Atoi(d.Run("inspect", "--format", "{{.State.Pid}}", name))
	require.NoError(d.t, err)
	require.NotZero(d.t, pid)
	d.Containers[id] = pid
	return pid
}

// reap kills what outlives a daemon with live-restore: containers, known by
// their cgroup, and shims, which have our directory in their arguments.
func (d *Docker) reap() {
	for id, pid := range d.Containers {
		cgroup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if strings.Contains(string(cgroup), id) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range procs {
		data, _ := os.ReadFile(name)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && strings.Contains(string(data), d.Dir+"/exec") {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// unmount unmounts what a daemon left mounted below Dir.
func (d *Docker) unmount() {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], d.Dir+"/") {
			syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
}
