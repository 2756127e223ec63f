package docker_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// answers are what a daemon says, by path without the API version. What is
// missing is refused, as a proxy in front of the socket does.
type answers map[string]any

// serve listens as a daemon does and returns its address.
func serve(t *testing.T, api string, a answers) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") // a socket's path has 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("%s %s: the daemon is only read", r.Method, r.URL)
		}
		w.Header().Set("Api-Version", api)
		path := r.URL.Path
		if rest, ok := strings.CutPrefix(path, "/v"+api); ok {
			path = rest
		}
		body, ok := a[path]
		switch {
		case ok && body == nil:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message":"No such container"}`))
		case path == "/_ping":
			_, _ = w.Write([]byte("OK"))
		case !ok:
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"not through this proxy"}`))
		default:
			w.Header().Set("Content-Type", "application/json")
			assert.NoError(t, json.NewEncoder(w).Encode(body))
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return "unix://" + filepath.Join(dir, "s")
}

type object = map[string]any

const id = "1111111111111111111111111111111111111111111111111111111111111111"

func whole() answers {
	return answers{
		"/info": object{
			"ServerVersion": "29.7.2", "DockerRootDir": "/var/lib/docker/165536.165536", "Driver": "overlay2",
			"SecurityOptions": []string{"name=seccomp,profile=builtin", "name=userns"}, "LiveRestoreEnabled": true,
			"Swarm": object{"LocalNodeState": "active"}, "Plugins": object{"Authorization": []string{"opa"}},
			"Containerd": object{"Address": "/run/containerd/containerd.sock", "Namespaces": object{"Containers": "moby-165536.165536", "Plugins": "plugins.moby-165536.165536"}},
		},
		"/containers/json": []object{{"Id": id, "Names": []string{"/web"}, "State": "running"}},
		"/containers/" + id + "/json": object{
			"Id": id, "Name": "/web", "State": object{"Running": true, "Pid": 4711},
			"Config":     object{"Image": "busybox:1", "User": "33:33", "Labels": object{"a": "b"}},
			"HostConfig": object{"UsernsMode": "host", "NetworkMode": "container:x", "IpcMode": "private", "PidMode": "host", "Privileged": true, "GroupAdd": []string{"44"}, "RestartPolicy": object{"Name": "always"}, "Devices": []object{{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b"}}},
			"Mounts":     []object{{"Type": "bind", "Source": "/srv", "Destination": "/x", "RW": false}},
		},
		"/images/json": []object{
			{"Id": "sha256:aa", "RepoTags": []string{"busybox:1"}, "RepoDigests": []string{"busybox@sha256:1"}, "Size": 7},
			{"Id": "sha256:bb", "RepoTags": []string{"<none>:<none>"}, "RepoDigests": []string{"<none>@<none>"}, "Size": 8},
		},
		"/volumes":   object{"Volumes": []object{{"Name": "v", "Driver": "local", "Mountpoint": "/m", "Options": object{"type": "nfs"}}}},
		"/networks":  []object{{"Name": "bridge"}, {"Name": "host"}, {"Name": "none"}, {"Name": "front"}},
		"/plugins":   []object{{"Name": "p:latest", "Enabled": true}, {"Name": "q:latest", "Enabled": false}},
		"/system/df": object{"BuildCacheUsage": object{"TotalSize": 99}},
	}
}

func TestReadAsksForAllThatTheChecksLookAt(t *testing.T) {
	host := serve(t, "1.52", whole())
	e, err := docker.Read(t.Context(), host)
	require.NoError(t, err)
	assert.NotZero(t, e.PeerPID, "the process that listens")
	e.PeerPID = 0
	assert.Equal(t, &engine.Engine{
		Source: host, Version: "29.7.2", API: "1.52", RootDir: "/var/lib/docker/165536.165536", Driver: "overlay2",
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=userns"}, LiveRestore: true, Swarm: "active", Authz: []string{"opa"},
		Namespace: "moby-165536.165536", Containerd: "/run/containerd/containerd.sock",
		Containers: []engine.Container{{
			ID: id, Name: "web", Image: "busybox:1", Labels: map[string]string{"a": "b"}, Running: true, PID: 4711, User: "33:33",
			Userns: "host", Network: "container:x", IPCMode: "private", PIDMode: "host", Privileged: true, GroupAdd: []string{"44"}, Restart: "always",
			Devices: []engine.Device{{Host: "/dev/a", Container: "/dev/b"}},
			Mounts:  []engine.Mount{{Type: "bind", Source: "/srv", Destination: "/x", ReadOnly: true}},
		}},
		Images: []engine.Image{
			{ID: "sha256:aa", Tags: []string{"busybox:1"}, Digests: []string{"busybox@sha256:1"}, Size: 7},
			{ID: "sha256:bb", Tags: []string{}, Digests: []string{}, Size: 8},
		},
		Volumes:  []engine.Volume{{Name: "v", Driver: "local", Mountpoint: "/m", Options: map[string]string{"type": "nfs"}}},
		Networks: []string{"front"}, Plugins: []engine.Plugin{{Name: "p:latest"}}, BuildCache: 99, Unread: map[string]string{},
	}, e)
	assert.True(t, e.Remaps())
	assert.False(t, e.Rootless())
	assert.Equal(t, "web", e.Container(id[:12]).Name)
}

func TestTheDaemonIsFoundByTheEnvironment(t *testing.T) {
	t.Setenv("DOCKER_HOST", serve(t, "1.52", whole()))
	e, err := docker.Read(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, os.Getenv("DOCKER_HOST"), e.Source)
}

func TestWhatAProxyRefusesIsUnreadAndNotEmpty(t *testing.T) {
	a := whole()
	for _, path := range []string{"/images/json", "/volumes", "/networks", "/plugins", "/system/df", "/containers/" + id + "/json"} {
		delete(a, path)
	}
	e, err := docker.Read(t.Context(), serve(t, "1.52", a))
	require.NoError(t, err)
	for _, part := range []string{"Images", "Volumes", "Networks", "Plugins", "BuildCache", "Containers/web"} {
		assert.Contains(t, e.Unread[part], "not through this proxy", part)
	}
	require.Len(t, e.Containers, 1)
	assert.True(t, e.Containers[0].Unread)
	assert.True(t, e.Containers[0].Running)

	delete(a, "/containers/json")
	e, err = docker.Read(t.Context(), serve(t, "1.52", a))
	require.NoError(t, err)
	assert.Contains(t, e.Unread["Containers"], "not through this proxy")

	delete(a, "/info")
	_, err = docker.Read(t.Context(), serve(t, "1.52", a))
	assert.ErrorContains(t, err, "not through this proxy")
	assert.NotErrorIs(t, err, engine.ErrDown)
}

// The daemon's list had a container that it did not know any more when asked for
// it: of 100 looks beside docker run --rm, 3 could not tell.
func TestAContainerThatIsBeingRemoved(t *testing.T) {
	a := whole()
	a["/containers/"+id+"/json"] = nil
	e, err := docker.Read(t.Context(), serve(t, "1.52", a))
	require.NoError(t, err)
	assert.Empty(t, e.Containers)
	assert.Empty(t, e.Unread)
}

func TestAnOldDaemonIsNotMadeToMeasureItsVolumes(t *testing.T) {
	e, err := docker.Read(t.Context(), serve(t, "1.41", whole()))
	require.NoError(t, err)
	assert.Equal(t, "1.41", e.API)
	assert.EqualValues(t, -1, e.BuildCache)
	assert.Contains(t, e.Unread, "BuildCache")
}

func TestADaemonThatIsDown(t *testing.T) {
	dir := t.TempDir()
	_, err := docker.Read(t.Context(), "unix://"+dir+"/none")
	assert.ErrorIs(t, err, engine.ErrDown)

	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	listener.Close() // the socket stays, as after a crash
	_, err = docker.Read(t.Context(), "unix://"+dir+"/s")
	assert.ErrorIs(t, err, engine.ErrDown)

	_, err = docker.Read(t.Context(), "tcp://127.0.0.1:1")
	assert.ErrorIs(t, err, engine.ErrDown)

	_, err = docker.Read(t.Context(), "nonsense")
	assert.Error(t, err)
	assert.NotErrorIs(t, err, engine.ErrDown, "an address that is none says nothing of a daemon")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = docker.Read(ctx, serve(t, "1.52", whole()))
	assert.ErrorIs(t, err, context.Canceled)
}
