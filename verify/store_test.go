package verify

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

// store is what dockerd leaves below its data-root, by the files of a real one.
var storeTree = strings.NewReplacer("ID1", idWeb, "ID2", idOld).Replace(`
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

func TestAStoreIsReadWithTheDaemonDown(t *testing.T) {
	h := hosttest.Tree(t, storeTree)
	e, err := readStore(h, "/var/lib/docker")
	require.NoError(t, err)
	assert.Equal(t, []engine.Image{
		{ID: "sha256:aa", Tags: []string{"busybox:latest"}, Digests: []string{"busybox@sha256:" + strings.Repeat("1", 64)}, Size: -1},
		{ID: "sha256:bb", Tags: []string{"mine:1"}, Size: -1},
	}, e.Images)
	require.Len(t, e.Containers, 2)
	assert.Equal(t, engine.Container{
		ID: idWeb, Name: "web", Image: "busybox:latest", Labels: map[string]string{"a": "b"}, Running: true, PID: 4711,
		User: "33:33", GroupAdd: []string{"44"}, Restart: "always", Network: "default", IPCMode: "private",
		Mounts: []engine.Mount{
			{Type: "bind", Source: "/srv/conf", Destination: "/conf", ReadOnly: true},
			{Type: "volume", Name: "data", Driver: "local", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data"},
		},
		Devices: []engine.Device{{Host: "/dev/a", Container: "/dev/b"}},
	}, e.Containers[0])
	assert.True(t, e.Containers[1].Unread, "half a file is no container without options")
	assert.Contains(t, e.Unread, "Containers/"+engine.ShortID(idOld))
	assert.Equal(t, "active", e.Swarm)
	assert.Equal(t, []string{"vieux/sshfs:latest"}, e.Plugins)
	require.Len(t, e.Volumes, 2)
	assert.Equal(t, map[string]string{"type": "nfs", "o": "addr=server", "device": ":/x"}, e.Volumes[1].Options)
	assert.Contains(t, e.Unread, "Networks")

	_, err = readStore(h, "/var/lib/docker/165536.165536")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestPartsOfAStoreThatCannotBeReadAreSaid(t *testing.T) {
	h := hosttest.Tree(t, "-- var/lib/docker/image/overlay2/repositories.json --\n{\n-- var/lib/docker/containers -> containers --\n-- var/lib/docker/volumes -> volumes --\n-- var/lib/docker/swarm/docker-state.json/x --\n")
	e, err := readStore(h, "/var/lib/docker")
	require.NoError(t, err)
	for _, part := range []string{"Containers", "Images", "Volumes", "Swarm"} {
		assert.NotEmpty(t, e.Unread[part], part)
	}
	r := run(t, Options{Host: with(t, h, map[string]string{"etc/passwd": "x"}), Checks: []string{"C04", "C05", "C06"}})
	assert.Equal(t, []string{"C04 unknown", "C05 unknown", "C06 unknown"}, bad(r))
}

func TestHalfAContainerIsNotTakenForAWholeOne(t *testing.T) {
	for broken, whole := range map[string]string{"config.v2.json": "hostconfig.json", "hostconfig.json": "config.v2.json"} {
		dir := "var/lib/docker/containers/" + idWeb + "/"
		h := with(t, hosttest.Tree(t, good), map[string]string{dir + broken: "{", dir + whole: "{}"})
		e, err := readStore(h, "/var/lib/docker")
		require.NoError(t, err)
		require.Len(t, e.Containers, 1)
		assert.True(t, e.Containers[0].Unread, broken)
	}
}

func TestAContainerWhoseFilesAreBrokenIsUnknown(t *testing.T) {
	h := with(t, hosttest.Tree(t, storeTree), map[string]string{"etc/docker/daemon.json": `{"debug": true}`})
	r := run(t, Options{Host: h, Checks: []string{"C04", "C06"}, Docker: func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }})
	assert.Equal(t, []string{"C04 unknown", "C06 unknown"}, bad(r), texts(r))
	assert.Contains(t, texts(r), "container/"+engine.ShortID(idOld))
}

func TestNamesOfStores(t *testing.T) {
	for dir, want := range map[string]bool{
		"/var/lib/docker/100000.100000": true, "/x/0.0": true, "/x/300000.400000": true, "/x/4294967295.1": true,
		"/var/lib/docker": false, "/x/1.2.3": false, "/x/0100.0100": false, "/x/.1": false, "/x/1.": false, "/x/99999999999.1": false, "/x/4294967296.1": false,
	} {
		_, _, _, ok := parseStore(dir)
		assert.Equal(t, want, ok, dir)
	}
	root, uid, gid, _ := parseStore("/srv/d/300000.400000")
	assert.Equal(t, "/srv/d 300000 400000", root+" "+storeOf(uid, 0)[:6]+" "+storeOf(0, gid)[2:])
}

func FuzzContainerFilesNeverPanic(f *testing.F) {
	f.Add([]byte(`{"ID":"x","MountPoints":{"/a":{}}}`), []byte(`{"Devices":[{}]}`))
	f.Add([]byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, conf, host []byte) {
		h := hosttest.Tree(t, "-- var/lib/docker/x --\n")
		h = with(t, h, map[string]string{"var/lib/docker/containers/" + idWeb + "/config.v2.json": string(conf) + " ", "var/lib/docker/containers/" + idWeb + "/hostconfig.json": string(host) + " "})
		e, err := readStore(h, "/var/lib/docker")
		require.NoError(t, err)
		require.Len(t, e.Containers, 1)
		require.Equal(t, idWeb, e.Containers[0].ID)
	})
}

func TestAFileBesideTheImageStoresIsNone(t *testing.T) {
	// Read as on the running host, where a path through a file is ENOTDIR.
	h := hosttest.Tree(t, storeTree)
	e, err := readStore(usernskit.Host{}, filepath.Join(h.Root, "var/lib/docker"))
	require.NoError(t, err)
	assert.NotContains(t, e.Unread, "Images")
	assert.Len(t, e.Images, 2)
}
