package hosttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// DebianSuites are the suites whose shadow-utils the tests run: Debian 12,
// Debian 13 and unstable.
var DebianSuites = []string{"bookworm", "trixie", "sid"}

// Debian returns a directory with the passwd and uidmap packages of a Debian
// suite and all that they need, unpacked and not installed, for chroot(2). Its
// /etc is the test's own, with the accounts root and alice (UID 1000). The
// packages are fetched once, by apt with a state of its own, and kept in the
// user's cache. If they are not served, the test is skipped; for sid even with
// USERNSKIT_E2E=require.
func Debian(t testing.TB, suite string) (root string) {
	t.Helper()
	Need(t, "apt-get", "dpkg-deb", "tar", "cp")
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	base := filepath.Join(cache, "usernskit-debian")
	require.NoError(t, os.MkdirAll(base, 0o755))
	lock, err := os.OpenFile(filepath.Join(base, suite+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	tree := filepath.Join(base, suite)
	if _, err := os.Stat(tree); err != nil {
		if out, err := fetchDebian(t, suite, tree); err != nil {
			why := "the mirror does not serve " + suite + ": " + err.Error() + ": " + lastLine(out)
			if suite == "sid" { // it is incomplete at times, between two uploads
				t.Skip(why)
			}
			missing(t, why)
		}
	}
	root = t.TempDir()
	out, err := exec.Command("cp", "-a", tree+"/.", root).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for path, text := range map[string]string{
		"passwd":        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
		"group":         "root:x:0:\nalice:x:1000:\n",
		"shadow":        "root:*:19000::::::\nalice:*:19000::::::\n",
		"gshadow":       "root:*::\nalice:!::\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n",
		"subuid":        "",
		"subgid":        "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc", path), []byte(text), 0o644))
	}
	return root
}

// fetchDebian downloads and unpacks the packages of a suite. The directory gets
// the name tree last, so an interrupted run leaves none.
func fetchDebian(t testing.TB, suite, tree string) (out []byte, err error) {
	t.Helper()
	dir := t.TempDir()
	unpacked := tree + ".new"
	require.NoError(t, os.RemoveAll(unpacked))
	for _, d := range []string{"lists/partial", "archives/partial", "etc"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	source := "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian " + suite + " main\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "status"), nil, 0o644))
	apt := func(args ...string) ([]byte, error) {
		for _, o := range []string{
			"Dir::Etc::sourcelist=" + dir + "/sources.list", "Dir::Etc::sourceparts=-", "Dir::State=" + dir, "Dir::State::lists=" + dir + "/lists",
			"Dir::State::status=" + dir + "/status", "Dir::Cache=" + dir, "Dir::Cache::archives=" + dir + "/archives",
			"APT::Sandbox::User=root", "Acquire::Languages=none", "Acquire::Retries=2", "Debug::NoLocking=1",
		} {
			args = append([]string{"-o", o}, args...)
		}
		return exec.Command("apt-get", args...).CombinedOutput()
	}
	if out, err = apt("update"); err != nil {
		return out, err
	}
	if out, err = apt("install", "--no-install-recommends", "-y", "-d", "passwd", "uidmap", "libc-bin"); err != nil {
		return out, err
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} { // a merged /usr, as current packages expect
		require.NoError(t, os.MkdirAll(filepath.Join(unpacked, "usr", d), 0o755))
		require.NoError(t, os.Symlink("usr/"+d, filepath.Join(unpacked, d)))
	}
	debs, err := filepath.Glob(dir + "/archives/*.deb")
	require.NoError(t, err)
	for _, deb := range debs {
		unpack := exec.Command("sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink`, "sh", deb, unpacked)
		if out, err = unpack.CombinedOutput(); err != nil {
			return out, err
		}
	}
	for _, d := range []string{"etc", "dev", "proc", "tmp", "root", "home", "var/mail", "var/log"} {
		require.NoError(t, os.MkdirAll(filepath.Join(unpacked, d), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(unpacked, "dev/null"), nil, 0o666))
	return nil, os.Rename(unpacked, tree)
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
