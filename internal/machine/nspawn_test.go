//go:build linux

package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A Machine is a Debian with systemd as its first process, cgroup v2, docker
// and the remapctl of this tree, in the namespaces of systemd-nspawn. What it
// writes is gone with it. Its PID namespace is not the host's.
type Machine struct {
	t      testing.TB
	leader string // PID of its systemd, on the host
}

var count atomic.Int32

// Boot starts a machine and waits until its systemd has started everything. The
// machine ends with the test. Further arguments of systemd-nspawn are in place
// of the one that puts remapctl there.
func Boot(t testing.TB, s Suite, more ...string) *Machine {
	t.Helper()
	hosttest.Need(t, "systemd-nspawn", "nsenter")
	m := &Machine{t: t}
	dir, err := os.MkdirTemp("", "machine")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"docker", "containerd"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o711))
	}
	name := fmt.Sprintf("usernskit-%d-%d", os.Getpid(), count.Add(1))
	t.Cleanup(func() { os.Remove("/run/systemd/nspawn/propagate/" + name) })
	args := []string{
		"--directory=" + tree(t, s), "--volatile=overlay", "--machine=" + name,
		"--register=no", "--keep-unit", "--private-network", "--private-users=no",
		"--capability=all", "--system-call-filter=@known", "--console=pipe",
		// An overlay of theirs does not go on top of the machine's.
		"--bind=" + filepath.Join(dir, "docker") + ":/var/lib/docker",
		"--bind=" + filepath.Join(dir, "containerd") + ":/var/lib/containerd",
	}
	if more == nil {
		more = program(t)
	}
	args = append(args, more...)
	cmd := exec.Command("systemd-nspawn", append(args, "--boot", "systemd.unified_cgroup_hierarchy=yes")...)
	cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_NSPAWN_USE_CGNS=1", "SYSTEMD_SECCOMP=0")
	console, err := os.Create(filepath.Join(dir, "console"))
	require.NoError(t, err)
	defer console.Close()
	cmd.Stdout, cmd.Stderr = console, console
	ended := start(t, cmd, func() {
		pid, err := strconv.Atoi(firstChild(cmd.Process.Pid))
		if err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if !m.up(cmd.Process.Pid) {
		log, _ := os.ReadFile(console.Name())
		require.Fail(t, "the machine does not come up", "%s", log)
	}
	if os.Getenv("USERNSKIT_SHELL") != "" {
		t.Cleanup(func() {
			fmt.Fprintln(os.Stderr, "a shell in the machine, until it is turned off:\n\tsudo", m.command("bash"))
			<-ended
		})
	}
	return m
}

// program gives a machine the remapctl of this tree.
func program(t testing.TB) []string {
	return []string{"--bind-ro=" + remapctl(t) + ":/usr/local/sbin/remapctl"}
}

// up waits until everything that starts at boot has started or failed, and
// reports whether that came to pass.
func (m *Machine) up(nspawn int) bool {
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		m.leader = firstChild(nspawn)
		if m.leader == "" {
			continue
		}
		out, _ := m.command("systemctl", "is-system-running").Output()
		state := strings.TrimSpace(string(out))
		if state == "running" || state == "degraded" {
			return true
		}
	}
	return false
}

// firstChild is the PID of a process's only child.
func firstChild(pid int) string {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(children))
}

// command is one that runs in the machine's namespaces, but in no unit of it.
func (m *Machine) command(argv ...string) *exec.Cmd {
	enter := []string{"--target=" + m.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	return exec.Command("nsenter", append(enter, argv...)...)
}

// A Result is how a script ended, and what it printed.
type Result struct {
	Out, Err string
	Code     int
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.Code, r.Out, r.Err)
}

// Run runs a script in the machine, as a unit of its own, with bash -eu.
func (m *Machine) Run(script string) Result {
	m.t.Helper()
	cmd := m.command("systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--working-directory=/root",
		"--setenv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "--setenv=HOME=/root",
		"/bin/bash", "-euc", script)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(m.t, err)
	}
	r := Result{Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode()}
	m.t.Logf("%s\n%v", script, r)
	return r
}

// Must is Run for a script that ends well. It returns what the script printed,
// without the last newline.
func (m *Machine) Must(script string) string {
	m.t.Helper()
	r := m.Run(script)
	require.Zero(m.t, r.Code, "%s\n%v\n%s", script, r, m.journal())
	return strings.TrimSuffix(r.Out, "\n")
}

// look returns what a command that only looks prints, without the last newline.
func (m *Machine) look(argv ...string) string {
	m.t.Helper()
	out, err := m.command(argv...).CombinedOutput()
	require.NoError(m.t, err, "%s\n%s", argv, out)
	return strings.TrimSuffix(string(out), "\n")
}

// journal is the end of what docker logged.
func (m *Machine) journal() string {
	return m.look("journalctl", "--no-pager", "--lines=30", "--unit=docker.service", "--output=cat")
}

// start starts cmd, and ends it with the test: by stop, if set, else by a
// signal. It also ends when the process of the test is killed. The channel is
// closed when it has ended.
func start(t testing.TB, cmd *exec.Cmd, stop func()) <-chan struct{} {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The signal comes when the thread ends that started the process.
		runtime.LockOSThread()
		started <- cmd.Start()
		_ = cmd.Wait()
		close(done)
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() {
		if stop == nil {
			_ = cmd.Process.Kill()
		} else {
			stop()
		}
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	return done
}
