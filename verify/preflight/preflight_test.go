package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

const good, idWeb, idOld = hosttest.Good, hosttest.Web, hosttest.Old

var with, unreadable, storeTree = hosttest.With, hosttest.Unreadable, hosttest.Store

func refusing(context.Context) (*engine.Engine, error) { return nil, errors.New("permission denied") }

func answering(e engine.Engine) func(context.Context) (*engine.Engine, error) {
	return func(context.Context) (*engine.Engine, error) { return &e, nil }
}

// plain is a daemon that does not remap.
func plain(containers ...engine.Container) engine.Engine {
	return engine.Engine{
		Source: "unix:///run/docker.sock", Version: "28.0.1", API: "1.48", RootDir: "/var/lib/docker", Namespace: "moby",
		Containers: containers, BuildCache: -1, Swarm: "inactive",
	}
}

func forecast(t *testing.T, e engine.Engine, files map[string]string) Forecast {
	t.Helper()
	h := with(t, hosttest.Tree(t, good), files)
	f, err := Run(t.Context(), Options{Host: h, Docker: answering(e)})
	require.NoError(t, err)
	return f
}

func TestWhatWillNotStartIsSaidInTheDaemonsOwnWords(t *testing.T) {
	for name, c := range map[string]struct {
		c    engine.Container
		want string
	}{
		"privileged":              {engine.Container{Privileged: true}, "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"},
		"host network":            {engine.Container{Network: "host"}, "cannot share the host's network namespace when user namespaces are enabled"},
		"host PIDs":               {engine.Container{PIDMode: "host"}, "cannot share the host PID namespace when user namespaces are enabled"},
		"host IPC":                {engine.Container{IPCMode: "host"}, `error mounting "mqueue" to rootfs at "/dev/mqueue": operation not permitted`},
		"renamed device":          {engine.Container{Devices: []engine.Device{{Host: "/dev/a", Container: "/dev/b"}}}, "no such file or directory"},
		"user too high":           {engine.Container{User: "70000"}, "cannot set uid to unmapped user in user namespace"},
		"group too high":          {engine.Container{User: "0:70000"}, "cannot set gid"},
		"added group":             {engine.Container{GroupAdd: []string{"70000"}}, "cannot set gid"},
		"joins one that opts out": {engine.Container{Network: "container:optout"}, "non-matching mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.ID, c.c.Name = idWeb, "web"
			f := forecast(t, plain(c.c, engine.Container{ID: idOld, Name: "optout", Userns: "host"}), nil)
			require.Len(t, f.WillNotStart, 1)
			assert.Equal(t, "web", f.WillNotStart[0].Container)
			assert.Contains(t, f.WillNotStart[0].Text, c.want)
			assert.NotEmpty(t, f.WillNotStart[0].Fix)
		})
	}
	t.Run("not what opts out", func(t *testing.T) {
		f := forecast(t, plain(engine.Container{ID: idWeb, Name: "web", Userns: "host", Privileged: true, Network: "host", PIDMode: "host", User: "70000"}), nil)
		assert.Empty(t, f.WillNotStart)
		require.Len(t, f.Misbehave, 1)
		assert.Contains(t, f.Misbehave[0].Text, "stays root of the host")
	})
	t.Run("not what is fine", func(t *testing.T) {
		f := forecast(t, plain(engine.Container{ID: idWeb, Name: "web", Network: "bridge", IPCMode: "private", User: "33:33", Devices: []engine.Device{{Host: "/dev/fuse", Container: "/dev/fuse"}}}), nil)
		assert.Empty(t, f.WillNotStart)
		assert.Empty(t, f.Misbehave)
	})
	t.Run("a service cannot opt out", func(t *testing.T) {
		f := forecast(t, plain(engine.Container{ID: idWeb, Name: "web", Network: "host", Labels: map[string]string{"com.docker.swarm.service.name": "s"}}), nil)
		assert.Contains(t, f.WillNotStart[0].Fix, "cannot opt out")
		assert.NotContains(t, f.WillNotStart[0].Fix, "--userns=host")
	})
	t.Run("the daemon itself", func(t *testing.T) {
		e := plain()
		e.API = "1.52"
		f := forecast(t, e, map[string]string{"etc/docker/daemon.json": `{"features": {"containerd-snapshotter": true}}`})
		require.Len(t, f.WillNotStart, 1)
		assert.Empty(t, f.WillNotStart[0].Container)
		assert.Contains(t, f.WillNotStart[0].Text, "is not compatible with userns remapping")
	})
}

func TestWhatWillMisbehave(t *testing.T) {
	mount := func(src string) []engine.Mount { return []engine.Mount{{Type: "bind", Source: src, Destination: "/x"}} }
	for name, c := range map[string]struct {
		c    engine.Container
		mode os.FileMode
		want string // in the text; "" for no trouble
	}{
		"a private directory of the host's root": {engine.Container{Mounts: mount("/srv/d")}, 0o700, "cannot read or write there"},
		"one that all may read":                  {engine.Container{Mounts: mount("/srv/d")}, 0o755, "cannot write there"},
		"one that is mounted read-only":          {engine.Container{Mounts: []engine.Mount{{Type: "bind", Source: "/srv/d", Destination: "/x", ReadOnly: true}}}, 0o755, ""},
		"one that is open to all":                {engine.Container{Mounts: mount("/srv/d")}, 0o777, ""},
		"for a user by name":                     {engine.Container{User: "www-data", Mounts: mount("/srv/d")}, 0o755, "its user www-data"},
		"the socket":                             {engine.Container{Mounts: mount("/var/run/docker.sock")}, 0o755, "connect: permission denied"},
		"a directory above the socket":           {engine.Container{Mounts: mount("/run")}, 0o755, "connect: permission denied"},
		"the whole host":                         {engine.Container{Mounts: mount("/")}, 0o755, "connect: permission denied"},
		"something else in that directory":       {engine.Container{Mounts: mount("/run/x")}, 0o755, "cannot write there"},
		"one that is not there":                  {engine.Container{Mounts: mount("/none")}, 0o755, ""},
		"a volume on NFS":                        {engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "nfs", Destination: "/x", Driver: "local"}}}, 0o755, "volume on nfs"},
		"a tmpfs with an owner":                  {engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "tmp", Destination: "/x", Driver: "local"}}}, 0o755, "IDs of the host"},
		"a volume that binds a directory":        {engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "bound", Destination: "/x", Driver: "local"}}}, 0o755, "cannot write there"},
		"a volume driver":                        {engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "z", Destination: "/x", Driver: "rexray"}}}, 0o755, "rexray"},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.ID, c.c.Name = idWeb, "web"
			e := plain(c.c)
			e.Volumes = []engine.Volume{{Name: "nfs", Options: map[string]string{"type": "nfs"}}, {Name: "tmp", Options: map[string]string{"type": "tmpfs", "o": "uid=1000"}}, {Name: "bound", Options: map[string]string{"type": "none", "o": "ro,bind", "device": "/srv/d"}}}
			h := with(t, hosttest.Tree(t, good), map[string]string{"srv/d/f": "x", "run/x": "x", "run/y": "x"})
			require.NoError(t, os.Chmod(filepath.Join(h.Root, "srv/d"), c.mode))
			require.NoError(t, os.Mkdir(filepath.Join(h.Root, "var"), 0o755))
			require.NoError(t, os.Symlink("/run", filepath.Join(h.Root, "var/run")))
			require.NoError(t, os.WriteFile(filepath.Join(h.Root, "run/docker.sock"), nil, 0o660))
			f, err := Run(t.Context(), Options{Host: h, Docker: answering(e)})
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, f.Misbehave)
				return
			}
			require.NotEmpty(t, f.Misbehave)
			assert.Contains(t, f.Misbehave[0].Text, c.want)
		})
	}
}

func TestAMountOfAnotherGroupIsNotTheContainersOwn(t *testing.T) {
	hosttest.Need(t) // to give files away
	for _, c := range []struct{ uid, gid, troubles int }{{165536, 165536, 0}, {165536, 0, 0}, {165537, 0, 1}, {0, 165537, 1}} {
		h := with(t, hosttest.Tree(t, good), map[string]string{"srv/d/f": "x"})
		require.NoError(t, os.Chmod(filepath.Join(h.Root, "srv/d"), 0o700))
		require.NoError(t, os.Chown(filepath.Join(h.Root, "srv/d"), c.uid, c.gid))
		e := plain(engine.Container{ID: idWeb, Name: "web", Mounts: []engine.Mount{{Type: "bind", Source: "/srv/d", Destination: "/x"}}})
		f, err := Run(t.Context(), Options{Host: h, Docker: answering(e)})
		require.NoError(t, err)
		assert.Len(t, f.Misbehave, c.troubles, "%v", c)
	}
}

func TestWhatDisappearsAndWhatIsOrphaned(t *testing.T) {
	e := plain(engine.Container{ID: idWeb, Name: "web", Running: true, PID: 1}, engine.Container{ID: idOld, Name: "old"})
	e.LiveRestore = true
	e.Swarm = "active"
	e.Images = []engine.Image{{ID: "sha256:aa", Tags: []string{"busybox:1"}, Digests: []string{"busybox@sha256:1"}, Size: 1_000_000}, {ID: "sha256:bbbbbbbbbbbbbbbb", Size: 500_000}, {ID: "sha256:cc", Tags: []string{"mine:1"}, Size: 1}}
	e.Volumes = []engine.Volume{{Name: "v2"}, {Name: "v1"}}
	e.Networks = []string{"front"}
	e.Plugins = []engine.Plugin{{ID: "1", Name: "p"}}
	e.BuildCache = 2_500_000_000
	f := forecast(t, e, nil)
	var got []string
	for _, l := range f.Disappear {
		got = append(got, l.Kind+": "+l.Text)
		assert.Equal(t, "/var/lib/docker", l.Where)
	}
	assert.Equal(t, []string{
		"images: 3 images, 1.5 MB, 2 of them cannot be pulled again; docker save them before: bbbbbbbbbbbb, mine:1",
		"containers: 2 containers (1 running), to be created again: old, web",
		"volumes: 2 volumes, and new and empty ones take their names: v1, v2",
		"networks: 1 network, whose bridge stays on the host and may clash with a new one: front",
		"swarm: membership in the swarm: the node drops out",
		"plugins: 1 managed plugin, to be installed again: p",
		"build-cache: the build cache, 2.5 GB",
	}, got)
	require.Len(t, f.Orphans, 1)
	assert.Equal(t, "web", f.Orphans[0].Container)
	assert.False(t, f.Clear())

	t.Run("nothing where remapping is in force", func(t *testing.T) {
		e.RootDir, e.SecurityOptions = "/var/lib/docker/165536.165536", []string{"name=userns"}
		f := forecast(t, e, nil)
		assert.True(t, f.InForce)
		assert.Empty(t, f.Disappear)
		assert.Empty(t, f.Orphans)
	})
	t.Run("nothing on a fresh host", func(t *testing.T) {
		f := forecast(t, plain(), nil)
		assert.True(t, f.Clear() && len(f.Unknown) == 0)
		assert.Empty(t, f.Unknown)
	})
	t.Run("what the daemon would not say", func(t *testing.T) {
		e := plain()
		e.Unread = map[string]string{"Volumes": "403"}
		f := forecast(t, e, nil)
		assert.Equal(t, []string{"Volumes: 403"}, f.Unknown)
		assert.True(t, f.Clear() && len(f.Unknown) > 0)
	})
}

func TestAForecastFromFilesWithTheDaemonDown(t *testing.T) {
	h := with(t, hosttest.Tree(t, good+storeTree[1:]), nil)
	f, err := Run(t.Context(), Options{Host: h, Docker: func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }})
	require.NoError(t, err)
	assert.Equal(t, "/var/lib/docker", f.Source)
	assert.Equal(t, engine.ErrDown.Error(), f.Down)
	kinds := map[string]int{}
	for _, l := range f.Disappear {
		kinds[l.Kind] = l.Count
	}
	assert.Equal(t, map[string]int{"images": 2, "containers": 2, "volumes": 2, "swarm": 1, "plugins": 1}, kinds)
	assert.Equal(t, "--device /dev/a:/dev/b", f.WillNotStart[0].Option)
	assert.True(t, slices.ContainsFunc(f.Unknown, func(s string) bool { return strings.HasPrefix(s, "Networks: ") }))

	_, err = Run(t.Context(), Options{Host: hosttest.Tree(t, good), Docker: refusing})
	assert.ErrorContains(t, err, "permission denied")
}

func TestAForecastReckonsWithTheRangeThatWouldBeGranted(t *testing.T) {
	f := forecast(t, plain(), map[string]string{"etc/docker/daemon.json": "{}", "etc/subuid": "alice:100000:65536\n", "etc/subgid": "alice:100000:65536\n"})
	assert.Equal(t, "0 165536 65536", f.Map)
	assert.True(t, f.Clear() && len(f.Unknown) == 0)
}

func TestForecastsAsTextAndJSON(t *testing.T) {
	e := plain(engine.Container{ID: idWeb, Name: "web", Network: "host", Running: true, PID: 1})
	e.LiveRestore = true
	f := forecast(t, e, nil)
	var text strings.Builder
	require.NoError(t, f.WriteText(&text))
	assert.Equal(t, `Will not start:
  web  --network=host: cannot share the host's network namespace when user namespaces are enabled
      --publish its ports, or --userns=host (compose: userns_mode: "host")
Will be orphaned: runs on as it is, and no daemon knows it:
  web  live-restore: keeps running as it is when dockerd restarts, and docker ps does not list it any more
      docker stop web, or set live-restore to false and reload dockerd first
Will disappear until remapping is turned off again:
  1 container (1 running), to be created again: web
      all of it stays in /var/lib/docker; delete nothing there that you have no copy of
`, text.String())
	var doc map[string]any
	data, err := json.Marshal(f)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &doc))
	assert.Len(t, doc["will_not_start"], 1)
	assert.Equal(t, []any{}, doc["misbehave"])
	assert.Equal(t, []any{}, doc["unknown"])
}

// "nothing breaks and nothing disappears" was said of a store that only root
// may list.
func TestAForecastSaysThatTheStoreCannotBeRead(t *testing.T) {
	down := func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
	for name, put := range map[string]func(*testing.T, usernskit.Host){
		"a data-root that is a loop": func(t *testing.T, h usernskit.Host) { unreadable(t, h, "var/lib/docker") },
		"a data-root that is a file": func(t *testing.T, h usernskit.Host) { with(t, h, map[string]string{"var/lib/docker": "x"}) },
		"the store of the map":       func(t *testing.T, h usernskit.Host) { unreadable(t, h, "var/lib/docker/165536.165536") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ask := range []func(context.Context) (*engine.Engine, error){nil, down} {
				h := hosttest.Tree(t, good)
				put(t, h)
				f, err := Run(t.Context(), Options{Host: h, Docker: ask})
				require.NoError(t, err)
				assert.Contains(t, strings.Join(f.Unknown, "\n"), "/var/lib/docker")
				assert.True(t, f.Clear() && len(f.Unknown) > 0)
			}
		})
	}
}

// A forecast for somebody else than was asked for is none.
func TestAForecastIsRefusedForAUserThatCannotBeRemappedTo(t *testing.T) {
	for _, user := range []string{"a:b:c", "root", "0", ":", "nosuch", "4711", "alice:nosuch"} {
		_, err := Run(t.Context(), Options{Host: hosttest.Tree(t, good), Remap: user, Docker: answering(plain())})
		assert.Error(t, err, user)
	}
	f, err := Run(t.Context(), Options{Host: hosttest.Tree(t, good), Remap: "alice", Docker: answering(plain())})
	require.NoError(t, err)
	assert.Equal(t, "0 100000 65536", f.Map)
}

func TestAForecastSaysThatTheConfigurationIsNotKnown(t *testing.T) {
	for text, said := range map[string]string{
		`{`:                             "/etc/docker/daemon.json:1:2",
		`{"userns-remap": "a:b:c"}`:     "a:b:c",
		`{"userns-remap": 5}`:           "not a string",
		`{"userns-remap": "nosuch"}`:    "nosuch",
		`{"userns-remap": "root"}`:      "", // off, as without it
		`{"userns-remap": ""}`:          "",
		`{"userns-remap": "dockremap"}`: "",
	} {
		f := forecast(t, plain(), map[string]string{"etc/docker/daemon.json": text})
		if said == "" {
			assert.Empty(t, f.Unknown, text)
			continue
		}
		assert.Contains(t, strings.Join(f.Unknown, "\n"), said, text)
		assert.NotEmpty(t, f.Unknown, text)
		assert.Equal(t, text == "{", f.Clear(), "%s: dockerd does not start with it, which is known", text)
	}
	h := hosttest.Tree(t, unit)
	unreadable(t, h, "etc/systemd/system/docker.service.d")
	f, err := Run(t.Context(), Options{Host: h}) // not even where the data-root is
	require.NoError(t, err)
	assert.True(t, f.Clear() && len(f.Unknown) > 0)
}

func TestALiveRestoreFlagWithoutAValueIsOn(t *testing.T) {
	h := with(t, hosttest.Tree(t, storeTree), map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --live-restore\n"})
	f, err := Run(t.Context(), Options{Host: h})
	require.NoError(t, err)
	assert.NotEmpty(t, f.Orphans, "a switch without a value is on")
}

// unit is a docker.service beside the host that good is, without userns-remap in
// daemon.json.
const unit = good + `
-- etc/docker/daemon.json --
{}
-- etc/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd
`

// "nothing breaks and nothing disappears" was said where dockerd does not start
// and where no container does.
func TestWhatKeepsDockerdItselfFromStarting(t *testing.T) {
	said := func(f Forecast) string {
		var all []string
		for _, trouble := range f.WillNotStart {
			if trouble.Container == "" {
				all = append(all, trouble.Option+": "+trouble.Text)
			}
		}
		return strings.Join(all, "\n")
	}
	t.Run("dockremap without a range", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{"etc/subuid": "alice:100000:65536\n"})
		assert.Contains(t, said(f), "/etc/subuid has no range for dockremap")
	})
	t.Run("no /etc/subuid", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{"etc/subuid": ""})
		assert.Contains(t, said(f), "/etc/subuid")
	})
	t.Run("subgid under another name", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{"etc/subgid": "docker:165536:65536\n"})
		assert.Contains(t, said(f), "/etc/subgid has no range for dockremap")
	})
	t.Run("a range without the group of /dev/pts", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{"etc/subgid": "dockremap:165536:5\n"})
		assert.Contains(t, said(f), "no container starts")
		f = forecast(t, plain(), map[string]string{"etc/subgid": "dockremap:165536:6\n"})
		assert.Empty(t, said(f))
	})
	t.Run("user namespaces switched off", func(t *testing.T) {
		h := with(t, hosttest.Tree(t, good), map[string]string{"proc/self/x": "x", "proc/sys/user/max_user_namespaces": "0\n"})
		f, err := Run(t.Context(), Options{Host: h, Docker: answering(plain())})
		require.NoError(t, err)
		assert.Contains(t, said(f), "no container starts")
	})
	t.Run("a flag and daemon.json set the same", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{
			"etc/docker/daemon.json":                `{"userns-remap": "default", "hosts": ["fd://"]}`,
			"usr/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n",
		})
		assert.Contains(t, said(f), "hosts")
	})
	t.Run("without a store beside", func(t *testing.T) {
		f, err := Run(t.Context(), Options{Host: with(t, hosttest.Tree(t, good), map[string]string{"etc/docker/daemon.json": `{"features": {"containerd-snapshotter": true}}`})})
		require.NoError(t, err)
		assert.Contains(t, said(f), "containerd-snapshotter")
		assert.Contains(t, strings.Join(f.Unknown, "\n"), "there is no store at /var/lib/docker")
	})
	t.Run("and not dockremap that dockerd makes", func(t *testing.T) {
		f := forecast(t, plain(), map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/subuid": "x\n", "etc/subgid": "x\n"})
		assert.Empty(t, said(f))
	})
}

func TestTheStorageChangesWithRemapping(t *testing.T) {
	e := plain()
	e.Driver, e.ImageStore = "overlayfs", true
	f := forecast(t, e, nil)
	require.Len(t, f.Disappear, 1)
	assert.Equal(t, "storage", f.Disappear[0].Kind)
	assert.Contains(t, f.Disappear[0].Text, "containerd's image store (overlayfs)")
}

func TestNoAdviceDestroysTheHost(t *testing.T) {
	f := forecast(t, plain(engine.Container{ID: idWeb, Name: "web", Mounts: []engine.Mount{
		{Type: "bind", Source: "/", Destination: "/h"}, {Type: "bind", Source: "/etc", Destination: "/e"},
	}}), nil)
	require.NotEmpty(t, f.Misbehave)
	for _, trouble := range f.Misbehave {
		assert.NotContains(t, trouble.Fix, "chown", trouble.Option)
	}
}

func TestWhatIsToBeMoved(t *testing.T) {
	h := with(t, hosttest.Tree(t, good), map[string]string{"srv/d/f": "four", "var/lib/docker/volumes/letters/_data/a/b": "x", "etc/x": "x"})
	bind := func(src string) engine.Mount { return engine.Mount{Type: "bind", Source: src, Destination: "/" + src} }
	e := plain(engine.Container{ID: idWeb, Name: "web", Mounts: []engine.Mount{bind("/srv/d"), bind("/etc")}}, engine.Container{ID: idOld, Name: "also", Mounts: []engine.Mount{bind("/srv/d")}})
	e.Volumes = []engine.Volume{
		{Name: "letters", Driver: "local", Mountpoint: "/var/lib/docker/volumes/letters/_data"},
		{Name: "gone", Driver: "local", Mountpoint: "/var/lib/docker/volumes/gone/_data"},
		{Name: "nfs", Driver: "local", Mountpoint: "/srv/d", Options: map[string]string{"type": "nfs"}},
	}
	f, err := Run(t.Context(), Options{Host: h, Docker: answering(e)})
	require.NoError(t, err)
	require.Len(t, f.Moves, 2, "not the host's own, nor what is not there")
	for i := range f.Moves {
		assert.Positive(t, f.Moves[i].Seconds)
		f.Moves[i].Seconds, f.Moves[i].Bytes = 1, min(f.Moves[i].Bytes, 1)
	}
	assert.Equal(t, Move{Path: "/srv/d", From: "0:65536", To: "165536:65536", Files: 2, Bytes: 1, Seconds: 1}, f.Moves[0])
	assert.Equal(t, Move{Path: "/var/lib/docker/volumes/letters/_data", Volume: "letters", From: "0:65536", To: "165536:65536", Files: 3, Bytes: 1, Seconds: 1}, f.Moves[1])
	var text strings.Builder
	f.Moves[1].AtLeast = true
	require.NoError(t, f.WriteText(&text))
	assert.Contains(t, text.String(), "  /srv/d: 2 files, 1 B; moving the owners takes about 1 s\n  volume letters: at least 3 files, 1 B; moving the owners takes at least 1 s\n")
}

// What is advised to be moved is what a job moves without a further yes.
func TestAdviceAndJobKnowTheSameDirectoriesOfTheSystem(t *testing.T) {
	one, err := userns.NewMap(userns.Extent{HostID: 100000, Count: 65536})
	require.NoError(t, err)
	for _, dir := range []string{"/", "/etc/nginx", "/usr/local/data", "/srv", "/run/x", "/var/tmp", "/libx32", "/var/lib/docker/overlay2", "/nix", "/srv/data", "/home/alice", "/var/lib/docker/volumes/db/_data"} {
		_, _, advised := facts.Movable(dir, 0, 0, userns.Mapping{UID: one, GID: one})
		assert.Equal(t, advised, len(shift.Job{Dir: dir}.Risks()) == 0, dir)
	}
}
