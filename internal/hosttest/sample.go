package hosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
)

// IDs of the containers of [Store], as long as Docker's.
const (
	Web = "1111111111111111111111111111111111111111111111111111111111111111"
	Old = "2222222222222222222222222222222222222222222222222222222222222222"
)

// Good is a host that is prepared correctly and has never run dockerd.
const Good = `
-- etc/os-release --
ID=debian
VERSION_ID=12
-- etc/passwd --
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/:/bin/false
alice:x:1000:1000::/home/alice:/bin/sh
dockremap:x:231:231::/:/bin/false
-- etc/group --
root:x:0:
daemon:x:1:
alice:x:1000:
dockremap:x:231:
-- etc/subuid --
alice:100000:65536
dockremap:165536:65536
-- etc/subgid --
alice:100000:65536
dockremap:165536:65536
-- etc/docker/daemon.json --
{
  "userns-remap": "default"
}
`

// Image writes the files of a prepared host to a new directory. It is for
// examples, which have no [testing.T], and panics on an error.
func Image(daemonJSON string) usernskit.Host {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	root, err := os.MkdirTemp("", "image")
	check(err)
	check(os.Chmod(root, 0o755))
	for name, text := range map[string]string{
		"etc/passwd":             "root:x:0:0::/root:/bin/sh\ndockremap:x:998:998::/:/bin/false\n",
		"etc/group":              "root:x:0:\ndockremap:x:998:\n",
		"etc/subuid":             "dockremap:165536:65536\n",
		"etc/subgid":             "dockremap:165536:65536\n",
		"etc/docker/daemon.json": daemonJSON,
	} {
		path := filepath.Join(root, name)
		check(os.MkdirAll(filepath.Dir(path), 0o755))
		check(os.WriteFile(path, []byte(text), 0o644))
	}
	return usernskit.Host{Root: root}
}

// Store is what dockerd leaves below its data-root, after the files of a real one.
var Store = strings.NewReplacer("ID1", Web, "ID2", Old).Replace(`
-- var/lib/docker/image/overlay2/repositories.json --
{"Repositories":{"busybox":{"busybox:latest":"sha256:aa","busybox@sha256:1111111111111111111111111111111111111111111111111111111111111111":"sha256:aa"},"mine":{"mine:1":"sha256:bb"}}}
-- var/lib/docker/image/identity-cache.db --

-- var/lib/docker/containers/ID1/config.v2.json --
{"StreamConfig":{},"State":{"Running":true,"Paused":false,"Pid":4711,"ExitCode":0},"ID":"ID1","Created":"2026-01-01T00:00:00Z","Config":{"Hostname":"x","User":"33:33","Image":"busybox:latest","Labels":{"a":"b"}},"Image":"sha256:aa","Driver":"overlay2","Name":"/web","MountPoints":{"/data":{"Source":"","Destination":"/data","RW":true,"Name":"data","Driver":"local","Type":"volume"},"/conf":{"Source":"/srv/conf","Destination":"/conf","RW":false,"Name":"","Driver":"","Type":"bind"}}}
-- var/lib/docker/containers/ID1/hostconfig.json --
{"Binds":["/srv/conf:/conf:ro"],"NetworkMode":"default","IpcMode":"private","PidMode":"","Privileged":false,"UsernsMode":"","GroupAdd":["44"],"RestartPolicy":{"Name":"always","MaximumRetryCount":0},"Devices":[{"PathOnHost":"/dev/a","PathInContainer":"/dev/b","CgroupPermissions":"rwm"}]}
-- var/lib/docker/containers/ID2/config.v2.json --
{"ID":"ID2","Name":"/broken",
-- var/lib/docker/volumes/data/_data/x --
-- var/lib/docker/volumes/share/opts.json --
{"MountType":"nfs","MountOpts":"addr=server","MountDevice":":/x","Quota":{"Size":0}}
-- var/lib/docker/volumes/metadata.db --
-- var/lib/docker/swarm/docker-state.json --
{"LocalAddr":"","RemoteAddr":"","ListenAddr":"0.0.0.0:2377"}
-- var/lib/docker/plugins/33/config.json --
{"plugin":{"Config":{},"Enabled":true,"Id":"33","Name":"vieux/sshfs:latest"}}
-- var/lib/docker/plugins/tmp/x --
`)

// With returns the host with files changed; the text "" removes a file.
func With(t *testing.T, h usernskit.Host, files map[string]string) usernskit.Host {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(h.Root, name)
		if text == "" {
			require.NoError(t, os.Remove(path))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return h
}

// Unreadable puts a link to itself in the place of a file, which root cannot
// read either.
func Unreadable(t *testing.T, h usernskit.Host, name string) {
	t.Helper()
	path := filepath.Join(h.Root, name)
	require.NoError(t, os.RemoveAll(path))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.Symlink(filepath.Base(path), path))
}
