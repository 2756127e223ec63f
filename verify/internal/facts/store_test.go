package facts

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestAStoreIsReadWithTheDaemonDown(t *testing.T) {
	h := hosttest.Tree(t, hosttest.Store)
	e, err := ReadStore(h, "/var/lib/docker")
	require.NoError(t, err)
	assert.Equal(t, []engine.Image{
		{ID: "sha256:aa", Tags: []string{"busybox:latest"}, Digests: []string{"busybox@sha256:" + strings.Repeat("1", 64)}, Size: -1},
		{ID: "sha256:bb", Tags: []string{"mine:1"}, Size: -1},
	}, e.Images)
	require.Len(t, e.Containers, 2)
	assert.Equal(t, engine.Container{
		ID: hosttest.Web, Name: "web", Image: "busybox:latest", Labels: map[string]string{"a": "b"}, Running: true, PID: 4711,
		User: "33:33", GroupAdd: []string{"44"}, Restart: "always", Network: "default", IPCMode: "private",
		Mounts: []engine.Mount{
			{Type: "bind", Source: "/srv/conf", Destination: "/conf", ReadOnly: true},
			{Type: "volume", Name: "data", Driver: "local", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data"},
		},
		Devices: []engine.Device{{Host: "/dev/a", Container: "/dev/b"}},
	}, e.Containers[0])
	assert.True(t, e.Containers[1].Unread, "half a file is no container without options")
	assert.Contains(t, e.Unread, "Containers/"+engine.ShortID(hosttest.Old))
	assert.Equal(t, "active", e.Swarm)
	assert.Equal(t, []engine.Plugin{{ID: "33", Name: "vieux/sshfs:latest"}}, e.Plugins)
	require.Len(t, e.Volumes, 2)
	assert.Equal(t, map[string]string{"type": "nfs", "o": "addr=server", "device": ":/x"}, e.Volumes[1].Options)
	assert.Contains(t, e.Unread, "Networks")

	_, err = ReadStore(h, "/var/lib/docker/165536.165536")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestPartsOfAStoreThatCannotBeReadAreSaid(t *testing.T) {
	h := hosttest.Tree(t, "-- var/lib/docker/image/overlay2/repositories.json --\n{\n-- var/lib/docker/containers -> containers --\n-- var/lib/docker/volumes -> volumes --\n-- var/lib/docker/swarm/docker-state.json/x --\n")
	e, err := ReadStore(h, "/var/lib/docker")
	require.NoError(t, err)
	for _, part := range []string{"Containers", "Images", "Volumes"} {
		assert.NotEmpty(t, e.Unread[part], part)
	}
}

func TestHalfAContainerIsNotTakenForAWholeOne(t *testing.T) {
	for broken, whole := range map[string]string{"config.v2.json": "hostconfig.json", "hostconfig.json": "config.v2.json"} {
		dir := "var/lib/docker/containers/" + hosttest.Web + "/"
		h := hosttest.With(t, hosttest.Tree(t, hosttest.Good), map[string]string{dir + broken: "{", dir + whole: "{}"})
		e, err := ReadStore(h, "/var/lib/docker")
		require.NoError(t, err)
		require.Len(t, e.Containers, 1)
		assert.True(t, e.Containers[0].Unread, broken)
	}
}

func TestNamesOfStores(t *testing.T) {
	for dir, want := range map[string]bool{
		"/var/lib/docker/100000.100000": true, "/x/0.0": true, "/x/300000.400000": true, "/x/4294967295.1": true,
		"/var/lib/docker": false, "/x/1.2.3": false, "/x/0100.0100": false, "/x/.1": false, "/x/1.": false, "/x/99999999999.1": false, "/x/4294967296.1": false,
	} {
		_, _, ok := store.ParseName(dir)
		assert.Equal(t, want, ok, dir)
	}
	uid, gid, _ := store.ParseName("/srv/d/300000.400000")
	assert.Equal(t, "300000.400000", store.Name(uid, gid))
}

func FuzzContainerFilesNeverPanic(f *testing.F) {
	f.Add([]byte(`{"ID":"x","MountPoints":{"/a":{}}}`), []byte(`{"Devices":[{}]}`))
	f.Add([]byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, conf, host []byte) {
		h := hosttest.Tree(t, "-- var/lib/docker/x --\n")
		h = hosttest.With(t, h, map[string]string{"var/lib/docker/containers/" + hosttest.Web + "/config.v2.json": string(conf) + " ", "var/lib/docker/containers/" + hosttest.Web + "/hostconfig.json": string(host) + " "})
		e, err := ReadStore(h, "/var/lib/docker")
		require.NoError(t, err)
		require.Len(t, e.Containers, 1)
		require.Equal(t, hosttest.Web, e.Containers[0].ID)
	})
}

func TestAFileBesideTheImageStoresIsNone(t *testing.T) {
	// Read as on the running host, where a path through a file is ENOTDIR.
	h := hosttest.Tree(t, hosttest.Store)
	e, err := ReadStore(usernskit.Host{}, filepath.Join(h.Root, "var/lib/docker"))
	require.NoError(t, err)
	assert.NotContains(t, e.Unread, "Images")
	assert.Len(t, e.Images, 2)
}
