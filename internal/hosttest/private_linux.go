package hosttest

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const privateEnv = "USERNSKIT_PRIVATE_TEST"

// Private runs the calling test again in a mount namespace of its own, in
// which /etc is a copy of /etc and /var/lib an empty directory. It must be the
// first call of a top-level test:
//
//	if !hosttest.Private(t, "useradd") {
//		return // the child has run and reported
//	}
//
// It returns true in the child. In the parent it returns false when the child
// is done, and the parent fails or is skipped as the child was.
func Private(t *testing.T, programs ...string) bool {
	t.Helper()
	Need(t, programs...)
	if os.Getenv(privateEnv) == t.Name() {
		private(t)
		return true
	}
	run := "^" + t.Name() + "$"
	if _, subtests, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		run += "/" + subtests
	}
	args := []string{"-test.run=" + run, "-test.v", "-test.count=1"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	// No timeout of the child's own: the parent's ends both, by Pdeathsig.
	cmd := exec.Command(os.Args[0], append(args, "-test.timeout=0")...)
	cmd.Env = append(os.Environ(), privateEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	ran, skipped := false, false
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		ran = ran || strings.HasPrefix(line, "=== RUN   "+t.Name())
		skipped = skipped || strings.HasPrefix(line, "--- SKIP: "+t.Name()+" ")
		if line != "PASS" && line != "FAIL" { // go test would take them for its own
			t.Log(line)
		}
	}
	require.NoError(t, cmd.Wait(), "the test failed in its mount namespace; its output is above")
	require.True(t, ran, "BUG: the child ran no test")
	if skipped {
		t.Skip("skipped in the child")
	}
	return false
}

// private gives this process an /etc and a /var/lib of its own.
func private(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	etc, lib := filepath.Join(dir, "etc"), filepath.Join(dir, "lib")
	out, err := exec.Command("cp", "-a", "/etc", etc).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Mkdir(lib, 0o755))
	for over, from := range map[string]string{"/etc": etc, "/var/lib": lib} {
		require.NoError(t, syscall.Mount(from, over, "", syscall.MS_BIND, ""), fmt.Sprintf("bind %s over %s", from, over))
	}
	// The lock files of the copy are not ours: start from none.
	for _, name := range []string{"passwd", "group", "shadow", "gshadow", "subuid", "subgid"} {
		os.Remove("/etc/" + name + ".lock")
	}
	t.Cleanup(func() {
		for _, over := range []string{"/etc", "/var/lib"} {
			syscall.Unmount(over, syscall.MNT_DETACH)
		}
	})
}
