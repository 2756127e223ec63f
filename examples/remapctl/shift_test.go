//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
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
	dir, state := t.TempDir(), t.TempDir()
	write(dir+"/a", "")
	config := "/etc/docker/daemon.json"
	shift := func(code int, flags ...string) string {
		t.Helper()
		cmd := exec.Command("remapctl", append([]string{"shift", dir, "--state", state, "--yes", "--accept-risk", "in-use", "--config-file", config}, flags...)...)
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
	shift(0, "--undo")
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
	read := func() string {
		buf := make([]byte, 1000)
		n, err := master.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	e := &env{err: slave}
	m := e.meter()
	m.at(10, 100) // within the first second
	m.start, m.last = m.start.Add(-10*time.Second), time.Time{}
	m.at(1000, 4000)
	m.end()
	assert.Regexp(t, `^\r1000 of 4000 files, (100|99)/s, 30s left\x1b\[K\r\x1b\[K$`, read())

	m = e.meter()
	m.start, m.last = m.start.Add(-10*time.Second), time.Time{}
	m.at(1000, 0)
	assert.Regexp(t, `^\r1000 files, (100|99)/s\x1b\[K$`, read())

	pipe, w, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	defer w.Close()
	m = (&env{err: w}).meter()
	assert.Nil(t, m)
	m.at(1000, 4000)
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
