//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// writer is a container of its own user, 1234, whose data is in a volume: a
// directory with the setgid bit, a log that grows, a file with a capability and
// one with an access control list.
const writer = `cd /data && cat log secret && echo "$WHO" >>log && id -u && ls -ldn /data shared && busybox stat -c "%a %u:%g %n" . shared log secret`

func TestAVolumeComesAlongAndBack(t *testing.T) {
	if !hosttest.Private(t, append(needs, "setfacl", "setcap", "getfacl", "getcap")...) {
		return
	}
	t.Setenv("DOCKER_MIN_API_VERSION", "1.24")
	// The range is far from the IDs of accounts.
	s := newSession(t, map[string]string{"/etc/subuid": "dockremap:1700000000:65536\n", "/etc/subgid": "dockremap:1700000000:65536\n", "/etc/docker/daemon.json": "{}\n"})
	s.docker = hosttest.NewDocker(t)
	root := "/var/lib/docker" // as it is also known while no dockerd runs
	s.docker.Root = root
	t.Setenv("DOCKER_HOST", s.docker.Host)
	store := filepath.Join(root, "1700000000.1700000000")
	old, copied := filepath.Join(root, "volumes/data/_data"), filepath.Join(store, "volumes/data/_data")
	run := func(who string) string {
		t.Helper()
		return s.docker.Run("run", "--rm", "--network", "none", "--user", "1234:1234", "--env", "WHO="+who, "--volume", "data:/data", "busybox:test", "sh", "-c", writer)
	}
	sh := func(script string) string {
		t.Helper()
		out, err := exec.Command("sh", "-ec", script).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}

	s.docker.Start()
	s.docker.Image()
	s.docker.Run("volume", "create", "data")
	s.docker.Run("volume", "create", "empty")
	s.docker.Run("volume", "create", "elsewhere", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m")
	s.docker.Run("run", "--rm", "--network", "none", "--volume", "/unnamed", "--volume", "data:/data", "busybox:test", "sh", "-c",
		"busybox mkdir /data/shared && busybox touch /data/log /data/secret && busybox chown -R 1234:1234 /data && chmod 2770 /data/shared && chmod 700 /data")
	sh("cp $(command -v busybox) " + old + "/tool && setcap cap_net_raw+ep " + old + "/tool && setfacl -m u:33:r -m d:g:50:rwx " + old + "/shared")
	s.docker.Container("keeper", "--volume", "data:/data")
	before := run("before")
	s.must(0, "enable", "--yes")

	// While a container uses it, and with names that nothing has.
	_, stderr, _ := s.run("migrate", "--yes")
	assert.Contains(t, stderr, "in-use: volume data: "+old+" is in use by container")
	assert.Contains(t, stderr, "--accept-risk in-use")
	_, stderr, _ = s.run("migrate", "--yes", "nowhere")
	assert.Contains(t, stderr, "there is no volume of this name")
	assert.NoDirExists(t, store)
	s.docker.Run("rm", "--force", "keeper")

	out := s.must(1, "migrate", "--dry-run")
	assert.Contains(t, out, "copy     data")
	assert.Contains(t, out, "docker volume create --opt type=tmpfs --opt o=size=1m --opt device=tmpfs elsewhere")
	assert.Contains(t, out, "docker save --output images.tar busybox:test")
	assert.NoDirExists(t, store)

	s.must(0, "migrate", "--yes", "data")
	s.must(0, "migrate", "--yes", "data") // there is nothing to do
	s.docker.Restart()
	s.docker.Image()
	assert.Contains(t, s.docker.Run("volume", "ls", "--quiet"), "data")
	// What a plain chown loses is there, for the same users inside.
	assert.Equal(t, "before\n"+before, run("remapped"))
	assert.Contains(t, sh("getfacl -np "+copied+"/shared"), "user:1700000033:r--")
	assert.Contains(t, sh("getfacl -np "+copied+"/shared"), "default:group:1700000050:rwx")
	assert.Contains(t, sh("getcap -n "+copied+"/tool"), "rootid=1700000000")
	assert.Equal(t, "before\nremapped\n", read(t, copied+"/log"))
	assert.Equal(t, "before\n", read(t, old+"/log"), "the old volume is the backup")
	s.docker.Container("app", "--user", "1234:1234", "--volume", "data:/data")
	s.must(0, "verify")

	// A dockerd that runs on the store makes the volume itself, and one that was
	// made and is empty gives way.
	s.docker.Run("volume", "create", "empty")
	var report struct {
		Receipt string
		Volumes []struct{ Name, State string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.must(0, "migrate", "--yes", "--json")), &report))
	assert.NotEmpty(t, report.Receipt)
	assert.Contains(t, s.docker.Run("volume", "ls", "--quiet"), "empty")
	s.must(0, "undo", "--list")

	// Back: not while dockerd runs there, and what was written since is kept.
	_, stderr, _ = s.run("undo", "--yes")
	assert.Contains(t, stderr, "a dockerd runs on "+store)
	s.docker.Run("rm", "--force", "app")
	s.docker.Stop()
	s.must(0, "undo", "--yes", report.Receipt)
	assert.NoDirExists(t, filepath.Join(store, "volumes/empty"))
	_, stderr, code := s.run("undo", "--yes")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "volume data was written to since it was copied")
	assert.DirExists(t, copied)
	s.must(0, "undo", "--yes", "--accept-risk", "volume-changed")
	assert.NoDirExists(t, filepath.Join(store, "volumes/data"))
	assert.Equal(t, "before\nremapped\n", read(t, filepath.Join(store, "usernskit-undone/data/_data/log")))
	s.must(0, "disable", "--yes")
	s.docker.Start()
	assert.Equal(t, "before\n"+before, run("after"), "the old container reads it again")
	assert.Equal(t, "before\nafter\n", read(t, old+"/log"))
	s.docker.Stop()

	// The way back for data that was written while remapped, and no old volume left.
	require.NoError(t, os.Rename(filepath.Join(store, "usernskit-undone/data"), filepath.Join(store, "volumes/data")))
	_, stderr, _ = s.run("migrate", "--yes", "data")
	assert.Contains(t, stderr, "with other data is in the store")
	require.NoError(t, os.RemoveAll(filepath.Dir(old)))
	s.must(0, "migrate", "--yes", "--remove-old", "--accept-risk", "remove-old", "data")
	assert.NoDirExists(t, filepath.Join(store, "volumes/data"))
	assert.Equal(t, "before\nremapped\n", read(t, old+"/log"))
	s.docker.Start()
	assert.Contains(t, run("home"), "1234:1234 log")
}
