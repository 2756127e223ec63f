//go:build linux

package machine

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A Suite is a Debian release.
type Suite string

const (
	Debian12 Suite = "bookworm" // systemd 252, docker.io 20.10, shadow 4.13
	Debian13 Suite = "trixie"   // systemd 257, docker.io 26.1, shadow 4.17
)

// packages are those of a Docker host with systemd.
func (s Suite) packages() []string {
	list := []string{
		"systemd", "systemd-sysv", "dbus", "kmod", "procps", "e2fsprogs",
		"docker.io", "uidmap", "iptables", "busybox-static",
	}
	if s != Debian12 { // there docker.io holds the client too
		list = append(list, "docker-cli")
	}
	return list
}

// tree returns a Debian system in a directory, built by debootstrap once for
// each suite and list of packages. Nothing may write to it.
func tree(t testing.TB, s Suite, more ...string) string {
	t.Helper()
	hosttest.Need(t, "debootstrap", "apt-get")
	list := append(s.packages(), more...)
	return cached(t, string(s), strings.Join(list, ","), func(dir string) error {
		return debootstrap(s, list, dir)
	})
}

func debootstrap(s Suite, list []string, dir string) error {
	mirror, err := mirror()
	if err != nil {
		return err
	}
	debs := filepath.Join(filepath.Dir(dir), "debs")
	err = os.MkdirAll(debs, 0o755)
	if err != nil {
		return err
	}
	out, err := exec.Command("debootstrap", "--variant=minbase", "--cache-dir="+debs,
		"--include="+strings.Join(list, ","), string(s), dir, mirror).CombinedOutput()
	if err != nil {
		return fmt.Errorf("debootstrap %s: %w\n%s", s, err, tail(string(out)))
	}
	return nil
}

// mirror is where apt takes Debian from.
func mirror() (string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("apt-get indextargets: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		uri, found := strings.CutPrefix(strings.TrimSpace(line), "Debian|main|")
		if found {
			return uri, nil
		}
	}
	return "", fmt.Errorf("apt's sources name no Debian mirror, or apt-get update did not run:\n%s", out)
}

// cacheDir holds what is slow to build, outside the repository.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "usernskit-machine"), err
}

// cached returns the path below the cache at which build made something from
// recipe, and builds it where it is not there yet. Only a run that requires the
// end-to-end tests does that, since it downloads; another one is skipped.
func cached(t testing.TB, name, recipe string, build func(path string) error) string {
	t.Helper()
	cache, err := cacheDir()
	require.NoError(t, err)
	path := filepath.Join(cache, fmt.Sprintf("%s-%.6x", name, sha256.Sum256([]byte(recipe))))
	if exists(path) {
		return path
	}
	if os.Getenv("USERNSKIT_E2E") != "require" {
		t.Skipf("%s is not built yet: USERNSKIT_E2E=require builds it", path)
	}
	require.NoError(t, os.MkdirAll(cache, 0o755))
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	if exists(path) {
		return path // another process built it
	}
	unfinished := path + ".unfinished"
	require.NoError(t, os.RemoveAll(unfinished))
	require.NoError(t, build(unfinished))
	require.NoError(t, os.Rename(unfinished, path))
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail is the end of a long output.
func tail(s string) string {
	return s[max(0, len(s)-4000):]
}
