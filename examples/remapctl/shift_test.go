//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/shift"
)

// The range that dockerd maps containers to is read from the host's own files.
func TestShiftTakesTheRangeOfDockerd(t *testing.T) {
	if !hosttest.Private(t) {
		return
	}
	write := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	dir := t.TempDir()
	write(dir+"/a", "")
	config := "/etc/docker/daemon.json"
	shift := func(code int, flags ...string) string {
		t.Helper()
		if config != "" {
			flags = append(flags, "--config-file", config)
		}
		cmd := exec.Command("remapctl", append([]string{"shift", dir, "--yes", "--accept-risk", "in-use"}, flags...)...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, code, cmd.ProcessState.ExitCode(), "%s", out)
		return string(out)
	}
	owner := func() uint32 {
		var st unix.Stat_t
		require.NoError(t, unix.Stat(dir+"/a", &st))
		return st.Uid
	}
	const ranges = "dockremap:1700000000:65536\n"
	write("/etc/subuid", ranges)
	write("/etc/subgid", ranges)

	write(config, `{}`)
	assert.Contains(t, shift(2), "userns-remap is not set, so dockerd has no range to move owners to: give --to START:COUNT, or first run remapctl enable")
	write(config, `{"userns-remap": "default"}`)
	shift(0)
	assert.Equal(t, uint32(1700000000), owner())
	shift(0, "--back")
	assert.Equal(t, uint32(0), owner())

	write("/etc/subuid", "dockremap:1700000000:1000\ndockremap:1700100000:64536\n")
	require.NoError(t, os.Chown(dir+"/a", 1001, 0))
	shift(0)
	assert.Equal(t, uint32(1700100001), owner(), "a map of two ranges")
	out, err := exec.Command("remapctl", "undo", "--yes", "--accept-risk", "in-use").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, uint32(1001), owner())

	write("/etc/subuid", "")
	assert.Contains(t, shift(3), "the range that dockerd maps containers to is not known, give --to START:COUNT: /etc/subuid")
	write("/etc/subuid", ranges)
	config = "" // it is then asked which dockerd is started
	write("/etc/init.d/docker", "#!/bin/sh\n/usr/local/bin/start-it\n")
	assert.Contains(t, shift(3), "give --to START:COUNT: how dockerd is started is not known")
	assert.Equal(t, uint32(1001), owner())
}

func TestMeter(t *testing.T) {
	master, slave := openPTY(t)
	read := func(lines int) (text string) { // each clears to its end; a terminal may hand them out one by one
		for buf := make([]byte, 1000); strings.Count(text, "\x1b[K") < lines; {
			n, err := master.Read(buf)
			require.NoError(t, err)
			text += string(buf[:n])
		}
		return text
	}
	e := &env{err: slave}
	m := e.meter()
	m.at(shift.Progress{Files: 10, Total: 100}) // within the first second
	m.start, m.last = m.start.Add(-10*time.Second), time.Time{}
	m.at(shift.Progress{Files: 1000, Total: 4000})
	m.end()
	assert.Regexp(t, `^\r1000 of 4000 files, (100|99)/s, 30s left\x1b\[K\r\x1b\[K$`, read(2))

	m = e.meter()
	m.start, m.last = m.start.Add(-10*time.Second), time.Time{}
	m.at(shift.Progress{Files: 1000})
	assert.Regexp(t, `^\r1000 files, (100|99)/s\x1b\[K$`, read(1))

	pipe, w, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	defer w.Close()
	m = (&env{err: w}).meter()
	assert.Nil(t, m)
	m.at(shift.Progress{Files: 1000, Total: 4000})
	m.end()
}

// openPTY returns both ends of a pseudoterminal, pty(7).
func openPTY(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// A job that a signal ends, and the way back that a signal ends, say what is half
// done and how it goes on.
func TestShiftIsInterrupted(t *testing.T) {
	hosttest.Need(t, "strace")
	root := t.TempDir()
	dir := filepath.Join(root, "srv")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for i := range 1000 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644))
	}
	moved := func() (n int) {
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, d := range list {
			if info, err := d.Info(); err == nil && info.Sys().(*syscall.Stat_t).Uid != 0 {
				n++
			}
		}
		return n
	}
	flags := []string{"--root", root, "--yes", "--accept-risk", "in-use"}
	run := func(code int, words ...string) string {
		t.Helper()
		cmd := exec.Command("remapctl", append(words, flags...)...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, code, cmd.ProcessState.ExitCode(), "%s", out)
		return string(out)
	}
	// half runs a command that moves files slowly, and ends it by a signal.
	half := func(signal syscall.Signal, while func(), words ...string) (code int, out string) {
		t.Helper()
		slow := []string{"-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fchownat", "-e", "inject=fchownat:delay_enter=10000", "remapctl"}
		cmd := exec.Command("strace", append(append(slow, words...), flags...)...)
		var text bytes.Buffer
		cmd.Stdout, cmd.Stderr = &text, &text
		require.NoError(t, cmd.Start())
		before := moved()
		require.Eventually(t, func() bool { n := moved(); return n > before+10 || n < before-10 }, 20*time.Second, 10*time.Millisecond)
		while()
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		require.NoError(t, err)
		child, err := strconv.Atoi(strings.TrimSpace(string(data)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(child, signal))
		require.Error(t, cmd.Wait())
		require.Greater(t, moved(), 0)
		require.Less(t, moved(), 1000)
		return cmd.ProcessState.ExitCode(), text.String()
	}
	there := []string{"shift", "/srv", "--to", "1700000000:65536"}
	code, out := half(syscall.SIGINT, func() {
		assert.Contains(t, run(2, "shift", "/srv", "--resume"), "another process is at work on this directory")
	}, there...)
	assert.Equal(t, 130, code)
	assert.Contains(t, out, "some owners are moved and some are not")
	assert.Contains(t, out, "the same command goes on; remapctl undo --root /")
	assert.Contains(t, run(2, "shift", "/srv", "--to", "1800000000:65536"), "is not finished")
	run(0, there...)
	assert.Equal(t, 1000, moved())

	code, out = half(syscall.SIGINT, func() {}, "undo")
	assert.Equal(t, 130, code)
	assert.Contains(t, out, "the same command goes on")
	assert.Contains(t, run(0, "undo", "--list"), "as written")
	_, _ = half(syscall.SIGKILL, func() {}, "undo")
	run(0, "undo")
	assert.Zero(t, moved())
	assert.Contains(t, run(2, "undo"), "nothing to undo")

	_, _ = half(syscall.SIGKILL, func() {}, there...)
	assert.NotContains(t, run(0, "shift", "/srv", "--resume"), "receipt", "it has one")
	assert.Equal(t, 1000, moved())
	_, _ = half(syscall.SIGKILL, func() {}, "undo")
	run(0, "shift", "/srv", "--resume") // which was the way back
	assert.Zero(t, moved())
	run(0, "undo")
	assert.Contains(t, run(2, "undo"), "nothing to undo")
	_, _ = half(syscall.SIGKILL, func() {}, there...)
	run(0, "undo")
	assert.Zero(t, moved())
}
