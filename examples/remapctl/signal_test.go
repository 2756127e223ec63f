//go:build linux

package main

import (
	"bytes"
	"errors"
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

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A stuck is a getent or systemctl in front of the machine's own, which answers
// a number of calls and then hangs, as with a directory server that is gone.
type stuck struct{ dir string }

func newStuck(t *testing.T, program string) stuck {
	s := stuck{t.TempDir()}
	script := "#!/bin/sh\necho \"$*\" >>" + s.dir + "/calls\n[ $(wc -l <" + s.dir + "/calls) -le $(cat " + s.dir + "/answers) ] && exit 2\n" +
		"touch " + s.dir + "/hangs\nexec sleep 6\n"
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, program), []byte(script), 0o755))
	return s
}

// answers says how many calls are answered from here on.
func (s stuck) answers(t *testing.T, n int) {
	os.Remove(s.dir + "/calls")
	os.Remove(s.dir + "/hangs")
	require.NoError(t, os.WriteFile(s.dir+"/answers", []byte(fmt.Sprint(n)), 0o644))
}

func (s stuck) calls() int {
	data, _ := os.ReadFile(s.dir + "/calls")
	return strings.Count(string(data), "\n")
}

func (s stuck) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("remapctl", args...) // as testscript put it on the path
	cmd.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"), "DOCKER_HOST=unix://"+s.dir+"/no-docker")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// interrupted runs remapctl until the program hangs, sends the signal, and
// returns the exit code and how long the end took.
func (s stuck) interrupted(t *testing.T, by syscall.Signal, args ...string) (code int, took time.Duration, out string) {
	cmd, text := s.command(args...)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(s.dir + "/hangs"); return err == nil }, 5*time.Second, 5*time.Millisecond, "%v", args)
	start := time.Now()
	require.NoError(t, cmd.Process.Signal(by))
	err := cmd.Wait()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v: %v", args, err)
	return exit.ExitCode(), time.Since(start), text.String()
}

func TestSignals(t *testing.T) {
	if !hosttest.Private(t) {
		return
	}
	require.NoError(t, os.WriteFile("/etc/subuid", []byte("alice:100000:65536\n"), 0o644))
	require.NoError(t, os.WriteFile("/etc/subgid", []byte("alice:100000:65536\n"), 0o644))
	require.NoError(t, os.WriteFile("/etc/nsswitch.conf", []byte("passwd: files sss\ngroup: files sss\n"), 0o644))
	require.NoError(t, syscall.Mount("none", "/run", "tmpfs", 0, "")) // of this test's own mount namespace
	t.Cleanup(func() { syscall.Unmount("/run", syscall.MNT_DETACH) })
	require.NoError(t, os.MkdirAll("/run/systemd/system", 0o755))
	files := func() string {
		out, _ := exec.Command("sh", "-c", "cat /etc/subuid /etc/subgid; ls /etc/docker /etc/*.lock; find /var/lib/usernskit -type f ! -name lock").Output()
		return string(out)
	}
	codes := map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143}
	for _, program := range []string{"getent", "systemctl"} {
		s := newStuck(t, program)
		for by, want := range codes {
			for _, args := range [][]string{{"plan"}, {"verify"}, {"enable", "--dry-run"}} {
				t.Run(fmt.Sprintf("reading/%s/%v/%s", program, by, args[0]), func(t *testing.T) {
					s.answers(t, 0)
					code, took, out := s.interrupted(t, by, args...)
					assert.Equal(t, want, code, out)
					assert.Less(t, took, time.Second)
				})
			}
			t.Run(fmt.Sprintf("writing/%s/%v", program, by), func(t *testing.T) {
				s.answers(t, 1000)
				look, out := s.command("enable", "--dry-run")
				var exit *exec.ExitError
				require.True(t, errors.As(look.Run(), &exit) && exit.ExitCode() == 1, out)
				before := files()
				s.answers(t, s.calls()-1) // it hangs while the plan is made that is written
				code, took, text := s.interrupted(t, by, "enable", "--yes", "--accept-risk", "startup-unsure")
				assert.Equal(t, want, code, text)
				assert.Less(t, took, time.Second, text)
				assert.Equal(t, before, files(), text)
			})
		}
	}

	// The first Ctrl-C has everything put back. Who does not wait for that is told.
	t.Run("a second one in the middle of a write", func(t *testing.T) {
		s := stuck{t.TempDir()}
		script := "#!/bin/sh\ncase \"$1\" in restart) echo $$ >>" + s.dir + "/calls; exec sleep 60; esac\n"
		require.NoError(t, os.WriteFile(s.dir+"/systemctl", []byte(script), 0o755))
		cmd, out := s.command("enable", "--yes", "--restart", "--accept-risk", "startup-unsure")
		require.NoError(t, cmd.Start())
		for n := 1; n <= 2; n++ { // with the new files, and with the old ones
			require.Eventually(t, func() bool { return s.calls() == n }, 10*time.Second, 5*time.Millisecond)
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		}
		err := cmd.Wait()
		left, _ := os.ReadFile(s.dir + "/calls")
		for _, pid := range strings.Fields(string(left)) {
			if n, err := strconv.Atoi(pid); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		}
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit))
		assert.Equal(t, 130, exit.ExitCode())
		assert.Contains(t, out.String(), "remapctl: cut off by a second signal in the middle of a change; how far it came: remapctl undo --list; to take it back: remapctl undo\n")
	})
}
