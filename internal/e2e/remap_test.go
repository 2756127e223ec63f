//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// files are those of a host that has a rootless user already, whose range
// starts at alice, and a daemon.json that someone indents by hand.
func files(alice int) map[string]string {
	line := fmt.Sprintf("alice:%d:65536\n", alice)
	return map[string]string{
		"/etc/subuid":             line,
		"/etc/subgid":             line,
		"/etc/docker/daemon.json": "{\n   \"log-level\": \"info\",\n   \"labels\": [ \"rack=4\",\"site=b\" ]\n}\n",
	}
}

// needs are the programs of the end-to-end tests.
var needs = []string{"docker", "containerd", "busybox", "useradd", "go"}

// command builds remapctl and returns its path.
func command(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "remapctl")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/usernskit/usernskit/examples/remapctl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// A session runs remapctl against one daemon.
type session struct {
	t      *testing.T
	bin    string
	docker *hosttest.Docker
}

// run returns what remapctl printed and its exit code.
func (s session) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(s.bin, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+s.docker.Host)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs remapctl and wants this exit code of it.
func (s session) must(code int, args ...string) string {
	s.t.Helper()
	stdout, stderr, got := s.run(args...)
	require.Equal(s.t, code, got, "remapctl %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	return stdout
}

func newSession(t *testing.T, before map[string]string) session {
	t.Helper()
	require.NoError(t, os.MkdirAll("/etc/docker", 0o755))
	for path, text := range before {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	os.Remove("/etc/subuid-")
	os.Remove("/etc/subgid-")
	return session{t: t, bin: command(t), docker: hosttest.NewDocker(t)}
}

// onAndOff turns remapping on and off on a real daemon and looks from outside,
// through /proc, at what the kernel made of it.
func onAndOff(t *testing.T, alice int, owner string, start int, flags ...string) {
	before := files(alice)
	s := newSession(t, before)
	line := fmt.Sprintf("%s:%d:65536\n", owner, start)

	s.must(1, append([]string{"plan"}, flags...)...)
	s.must(0, append([]string{"enable", "--yes"}, flags...)...)
	assert.Equal(t, before["/etc/subuid"]+line, read(t, "/etc/subuid"))
	assert.Equal(t, before["/etc/subgid"]+line, read(t, "/etc/subgid"))
	enabled := read(t, "/etc/docker/daemon.json")
	s.must(0, append([]string{"plan"}, flags...)...)

	s.docker.Start()
	s.docker.Image()
	pid := s.docker.Container("web")
	assert.Equal(t, []string{"0", fmt.Sprint(start), "65536"}, strings.Fields(read(t, fmt.Sprintf("/proc/%d/uid_map", pid))))
	assert.Equal(t, []string{"0", fmt.Sprint(start), "65536"}, strings.Fields(read(t, fmt.Sprintf("/proc/%d/gid_map", pid))))
	for _, kind := range []string{"Uid:", "Gid:"} {
		for _, id := range ids(t, pid, kind) {
			assert.True(t, id >= start && id < start+65536, "%s %d is in the granted range", kind, id)
			assert.False(t, id >= alice && id < alice+65536, "%s %d is alice's", kind, id)
		}
	}
	assert.Contains(t, s.docker.Run("info", "--format", "{{.SecurityOptions}}"), "name=userns")
	store := filepath.Join(s.docker.Root, fmt.Sprintf("%d.%d", start, start))
	assert.Equal(t, store, s.docker.Run("info", "--format", "{{.DockerRootDir}}"))
	assert.DirExists(t, store)
	s.must(0, "verify")

	s.must(0, "disable", "--yes")
	assert.Equal(t, before["/etc/docker/daemon.json"], read(t, "/etc/docker/daemon.json"))
	s.docker.Run("rm", "--force", "web")
	s.docker.Restart()
	s.docker.Image()
	pid = s.docker.Container("plain")
	assert.Equal(t, []string{"0", "0", "4294967295"}, strings.Fields(read(t, fmt.Sprintf("/proc/%d/uid_map", pid))))
	assert.Equal(t, []int{0, 0, 0, 0}, ids(t, pid, "Uid:"), "the container's root is the host's again")
	assert.NotContains(t, s.docker.Run("info", "--format", "{{.SecurityOptions}}"), "name=userns")
	s.must(1, "verify")
	s.docker.Stop()

	s.must(0, "undo", "--yes")
	assert.Equal(t, enabled, read(t, "/etc/docker/daemon.json"), "undo takes back the last step, which was disable")
	s.must(0, "undo", "--yes")
	for path, text := range before {
		assert.Equal(t, text, read(t, path), path)
	}
	assert.NoFileExists(t, "/etc/subuid-", "even the backup that shadow-utils would have kept is gone")
	s.must(2, "undo", "--yes")
}

func TestRemapOnAndOffWithTheDefaultAccount(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	onAndOff(t, 100000, "dockremap", 165536)
}

func TestRemapOnAndOffWithAnAccountOfOnesOwn(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	out, err := exec.Command("useradd", "--system", "--user-group", "shifted").CombinedOutput()
	require.NoError(t, err, "%s", out)
	onAndOff(t, 100000, "shifted", 165536, "--user", "shifted")
}

func TestRemapOnAndOffWithAStartOfOnesOwn(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	// With alice at 100000 this start would be refused: 123000 is hers.
	onAndOff(t, 200000, "dockremap", 123000, "--start", "123000")
}

// ids reads a line of numbers of /proc/PID/status.
func ids(t *testing.T, pid int, kind string) []int {
	t.Helper()
	for line := range strings.Lines(read(t, fmt.Sprintf("/proc/%d/status", pid))) {
		if strings.HasPrefix(line, kind) {
			var list []int
			require.NoError(t, json.Unmarshal([]byte("["+strings.Join(strings.Fields(line)[1:], ",")+"]"), &list))
			return list
		}
	}
	t.Fatalf("no %s in the status of process %d", kind, pid)
	return nil
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}
