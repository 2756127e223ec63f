package verify

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

// remapped is what a current daemon says that remaps as good has it.
func remapped(containers ...engine.Container) engine.Engine {
	return engine.Engine{
		Source: "unix:///run/docker.sock", PeerPID: 60, Version: "29.7.2", API: "1.52",
		RootDir: "/var/lib/docker/165536.165536", Namespace: "moby-165536.165536", Containerd: "/run/containerd/containerd.sock",
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns", "name=userns"}, Authz: []string{"opa"},
		Containers: containers, BuildCache: -1,
	}
}

func web(c engine.Container) engine.Container {
	c.ID, c.Name, c.Running, c.PID = idWeb, "web", true, 100
	return c
}

// live is a host as good has it, with a /proc of its own. What the kernel
// itself is asked is left out: it is not that host's kernel.
func live(t *testing.T, e *engine.Engine, procs ...proc) Options {
	t.Helper()
	h := hosttest.Tree(t, good)
	if e != nil && e.PeerPID == 60 && !slices.ContainsFunc(procs, func(p proc) bool { return p.pid == 60 }) {
		procs = append(procs, dockerdAt(60))
	}
	writeProc(t, h, procs...)
	opts := Options{Host: h, Proc: procAt(h)}
	if e != nil {
		opts.Docker = answering(*e)
	}
	return opts
}

func run(t *testing.T, opts Options) Report {
	t.Helper()
	r, err := Run(t.Context(), opts)
	require.NoError(t, err)
	return r
}

func TestARemappedHostIsSaidToBeOne(t *testing.T) {
	e := remapped(web(engine.Container{}))
	r := run(t, live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 101, nspid: 2, container: idWeb, uids: "165569 165569 165569 165569", groups: "165541 165569"}))
	assert.Empty(t, bad(r), texts(r))
	assert.Equal(t, Pass, r.Summary.Remapped)
	assert.Equal(t, 0, exit(r))
	assert.Equal(t, 1, r.Coverage.Containers)
	assert.Empty(t, r.Coverage.Missing)
}

func TestNoContainerIsNoProofAndNoFailure(t *testing.T) {
	e := remapped()
	r := run(t, live(t, &e))
	assert.Empty(t, bad(r), texts(r))
	assert.Equal(t, Pass, r.Summary.Remapped)
	assert.Contains(t, r.Summary.Text, "no container runs")
}

func TestStatesOfARunningHost(t *testing.T) {
	fine := proc{pid: 100, container: idWeb}
	root := proc{pid: 100, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}
	for name, c := range map[string]struct {
		engine func(*engine.Engine)
		procs  []proc
		want   []string
	}{
		"container root is host root":               {nil, []proc{root}, []string{"C01 fail", "C02 fail"}},
		"in a namespace that maps root to root":     {nil, []proc{{pid: 100, container: idWeb, uids: "0 0 0 0", maps: "0 0 65536"}}, []string{"C01 fail", "C02 fail", "D07 fail"}},
		"in a namespace without a map":              {nil, []proc{{pid: 100, container: idWeb, uids: "0 0 0 0", maps: ""}}, nil},
		"only the saved ID is root":                 {nil, []proc{{pid: 100, container: idWeb, uids: "165536 165536 0 165536", gids: "165536 165536 165536 165536"}}, []string{"C01 fail"}},
		"only the group is the host's":              {nil, []proc{{pid: 100, container: idWeb, gids: "165536 165536 165536 1000"}}, []string{"C01 fail"}},
		"only a supplementary group is the host's":  {nil, []proc{{pid: 100, container: idWeb, groups: "165536 1"}}, []string{"C01 fail"}},
		"the second process of a container":         {nil, []proc{fine, {pid: 101, nspid: 2, container: idWeb, uids: "1000 1000 1000 1000", gids: "165536 165536 165536 165536"}}, []string{"C01 fail"}},
		"an ID of nobody's":                         {nil, []proc{{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", gids: "165536 165536 165536 165536"}}, []string{"C01 fail"}},
		"a map that is nobody's":                    {nil, []proc{{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", maps: "0 300000 65536"}}, []string{"C01 fail", "C02 fail", "D07 fail"}},
		"group map elsewhere":                       {nil, []proc{{pid: 100, container: idWeb, maps: "0 165536 65536|0 0 65536"}}, []string{"C02 fail", "D07 fail"}},
		"a namespace inside the container":          {nil, []proc{fine, {pid: 101, nspid: 2, container: idWeb, uids: "166536 166536 166536 166536", maps: "0 166536 10"}}, []string{}},
		"a container that the daemon does not know": {func(e *engine.Engine) { e.Containers = nil }, []proc{fine}, []string{"C03 fail"}},
		"an orphan from before remapping":           {nil, []proc{fine, shim(50, "moby", idOld, "/run/containerd/containerd.sock"), {pid: 200, container: idOld, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}}, []string{"C01 fail", "C02 fail", "C03 fail"}},
		"a shim that holds nothing":                 {nil, []proc{fine, shim(50, "moby", idOld, "/run/containerd/containerd.sock")}, []string{}},
		"another daemon's container":                {nil, []proc{fine, shim(50, "moby", idOld, "/run/other/containerd.sock"), {pid: 200, container: idOld, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}}, []string{"C01 fail", "C03 warn"}},
		"the daemon lists one that is not there":    {func(e *engine.Engine) { e.Containers[0].ID = idOld }, nil, []string{"C01 unknown", "C02 unknown"}},
		"not remapped":                              {func(e *engine.Engine) { e.RootDir, e.Namespace, e.SecurityOptions = "/var/lib/docker", "moby", nil }, []proc{root}, []string{"C01 fail", "C02 fail", "D05 fail", "D06 fail"}},
		"says userns, has another data-root":        {func(e *engine.Engine) { e.RootDir = "/var/lib/docker" }, []proc{fine}, []string{"D05 fail", "D06 fail"}},
		"data-root of another map":                  {func(e *engine.Engine) { e.RootDir, e.Namespace = "/var/lib/docker/300000.300000", "moby-300000.300000" }, []proc{{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", maps: "0 300000 65536"}}, []string{"D05 fail", "D06 fail", "D07 fail"}},
		"containerd namespace of another map":       {func(e *engine.Engine) { e.Namespace = "moby-300000.300000" }, []proc{fine}, []string{"D05 fail"}},
		"an engine that names no namespace":         {func(e *engine.Engine) { e.Namespace, e.Containerd, e.API = "", "", "1.41" }, []proc{fine}, []string{}},
		"namespace set by hand":                     {func(e *engine.Engine) { e.Namespace = "mine" }, []proc{fine}, []string{}},
		"live-restore and all in force":             {func(e *engine.Engine) { e.LiveRestore = true }, []proc{fine}, []string{}},
		"live-restore and a switch to come": {func(e *engine.Engine) {
			e.LiveRestore, e.RootDir, e.Namespace, e.SecurityOptions = true, "/var/lib/docker", "moby", nil
		}, nil, []string{"C01 unknown", "C02 unknown", "D05 fail", "D06 fail", "D10 fail"}},
		"rootless":                                {func(e *engine.Engine) { e.SecurityOptions = []string{"name=rootless"} }, nil, []string{"D03 fail"}},
		"no authorization plugin":                 {func(e *engine.Engine) { e.Authz = nil }, []proc{fine}, []string{"D11 warn"}},
		"an ID of the system that nobody has":     {nil, []proc{{pid: 100, container: idWeb, gids: "165536 165536 7 165536"}}, []string{"C01 fail"}},
		"remapped store, and does not say userns": {func(e *engine.Engine) { e.SecurityOptions = nil }, []proc{fine}, []string{"D05 fail"}},
		"a build, in no container":                {nil, []proc{fine, {pid: 300, command: "runc"}}, []string{}},
		"both opted out, and one joins the other": {func(e *engine.Engine) {
			e.Containers[0].Userns = "host"
			e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "a", Userns: "host", Network: "container:web"})
		}, []proc{root}, []string{"C01 fail", "C04 fail"}},
		"two that join each other, seen from a third": {func(e *engine.Engine) {
			e.Containers[0].Network = "container:a"
			e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "a", Network: "container:b"}, engine.Container{ID: strings.Repeat("3", 64), Name: "b", Network: "container:a"})
		}, []proc{fine}, []string{}},
		"managed plugins":              {func(e *engine.Engine) { e.Plugins = []engine.Plugin{{ID: idOld, Name: "vieux/sshfs"}} }, []proc{fine}, []string{"C01 unknown", "C02 unknown", "C12 warn"}},
		"a proxy hides the containers": {func(e *engine.Engine) { e.Containers, e.Unread = nil, map[string]string{"Containers": "403"} }, []proc{fine}, []string{"C03 unknown", "C04 unknown", "C05 unknown", "C06 unknown", "D04 unknown"}},
		"opted out":                    {func(e *engine.Engine) { e.Containers[0].Userns = "host" }, []proc{root}, []string{"C01 fail", "C04 fail"}},
		"opted out and stopped": {func(e *engine.Engine) {
			e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "old", Userns: "host"})
		}, []proc{fine}, []string{"C04 fail"}},
		"joins one that opted out": {func(e *engine.Engine) {
			e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "mid", Network: "container:" + idWeb}, engine.Container{ID: strings.Repeat("3", 64), Name: "end", IPCMode: "container:mid"})
			e.Containers[0].Userns = "host"
		}, []proc{root}, []string{"C01 fail", "C04 fail", "C05 fail"}},
		"two that join each other": {func(e *engine.Engine) {
			e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "a", Network: "container:web"})
			e.Containers[0].PIDMode = "container:a"
		}, []proc{fine}, []string{}},
		"privileged":                        {func(e *engine.Engine) { e.Containers[0].Privileged = true }, []proc{fine}, []string{"C06 fail"}},
		"host network":                      {func(e *engine.Engine) { e.Containers[0].Network = "host" }, []proc{fine}, []string{"C06 fail"}},
		"a group beyond the map":            {func(e *engine.Engine) { e.Containers[0].GroupAdd = []string{"70000"} }, []proc{fine}, []string{"I03 fail"}},
		"a data-root with a slash behind":   {func(e *engine.Engine) { e.RootDir += "/" }, []proc{fine}, []string{}},
		"a store that starts at 0":          {func(e *engine.Engine) { e.RootDir, e.Namespace = "/var/lib/docker/0.0", "moby-0.0" }, []proc{root}, []string{"C01 fail", "C02 fail", "D05 fail", "D06 fail"}},
		"the namespace of no remapping":     {func(e *engine.Engine) { e.Namespace = "moby" }, []proc{fine}, []string{"D05 fail"}},
		"a root process that is named runc": {nil, []proc{fine, {pid: 101, nspid: 2, command: "runc", container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}}, []string{"C01 fail", "C02 fail"}},
		"joins itself":                      {func(e *engine.Engine) { e.Containers[0].Network = "container:web" }, []proc{fine}, []string{}},
		"joins one without a name":          {func(e *engine.Engine) { e.Containers[0].IPCMode = "container:" }, []proc{fine}, []string{"C05 warn"}},
		"privileged, with the host's namespaces": {func(e *engine.Engine) {
			c := &e.Containers[0]
			c.Privileged, c.Network, c.PIDMode, c.IPCMode = true, "host", "host", "host"
		}, []proc{fine}, []string{"C06 fail"}},
		"an effective group of the host's": {nil, []proc{{pid: 100, container: idWeb, gids: "165536 999 165536 165536"}}, []string{"C01 fail"}},
		"an ID one behind the range":       {nil, []proc{{pid: 100, container: idWeb, uids: "231072 231072 231072 231072"}}, []string{"C01 fail"}},
		"a map one longer than the range":  {nil, []proc{{pid: 100, container: idWeb, maps: "0 165536 65537"}}, []string{"D07 fail"}},
		"a user beyond the map":            {func(e *engine.Engine) { e.Containers[0].User = "70000:0" }, []proc{fine}, []string{"I03 fail"}},
		"a volume on NFS": {func(e *engine.Engine) {
			e.Volumes = []engine.Volume{{Name: "v", Driver: "local", Options: map[string]string{"type": "nfs"}}}
		}, []proc{fine}, []string{"C09 warn"}},
		"a rootless container in the range": {nil, []proc{fine, {pid: 300, command: "podman", uids: "165540 165540 165540 165540", maps: "0 165540 100"}}, []string{"I08 fail"}},
		"a rootless container elsewhere":    {nil, []proc{fine, {pid: 300, command: "podman", uids: "100000 100000 100000 100000", maps: "0 100000 100"}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := remapped(web(engine.Container{}))
			if c.engine != nil {
				c.engine(&e)
			}
			r := run(t, live(t, &e, c.procs...))
			got := bad(r)
			if c.want == nil {
				assert.Contains(t, got, "C01 fail")
				assert.NotEqual(t, Pass, r.Summary.Remapped)
				return
			}
			slices.Sort(got)
			assert.Equal(t, c.want, got, texts(r))
		})
	}
}

func TestWhoAProcessIsOnTheHost(t *testing.T) {
	e := remapped(web(engine.Container{}))
	for text, p := range map[string]proc{
		"process 100 (sleep) is root of the host (user 0)":                    {pid: 100, container: idWeb, uids: "0 0 0 0"},
		"process 100 (sleep) is root of the host (group 0)":                   {pid: 100, container: idWeb, gids: "165536 165536 165536 0"},
		"process 100 (sleep) is the user alice of the host (1000)":            {pid: 100, container: idWeb, uids: "165536 1000 165536 165536"},
		"process 100 (sleep) has the system's user ID 7":                      {pid: 100, container: idWeb, uids: "7 7 7 7"},
		"process 100 (sleep) has user ID 300000, which is none of the daemon": {pid: 100, container: idWeb, uids: "300000 300000 300000 300000"},
		"process 100 (sleep) is in the host's user namespace":                 {pid: 100, container: idWeb, userNS: hostNS, maps: "0 0 4294967295"},
	} {
		assert.Contains(t, texts(run(t, live(t, &e, p))), text)
	}
}

func TestAContainerThatCameMeanwhileIsNoOrphan(t *testing.T) {
	opts := live(t, nil, proc{pid: 100, container: idWeb})
	asked := 0
	opts.Docker = func(context.Context) (*engine.Engine, error) {
		e := remapped()
		if asked++; asked > 1 {
			e.Containers = []engine.Container{web(engine.Container{})}
		}
		return &e, nil
	}
	r := run(t, opts)
	assert.Empty(t, bad(r), texts(r))
	assert.Equal(t, 2, asked)
}

// verify --json said "namespaces": 1 on a host where nothing was remapped.
func TestTheHostsOwnNamespaceIsNotCountedAmongTheOthers(t *testing.T) {
	e := remapped(web(engine.Container{}))
	for want, list := range [][]proc{
		{hostRoot(100, idWeb)},
		{hostRoot(100, idWeb), {pid: 200, container: idOld, userNS: 4026532700}, {pid: 201, container: idOld, userNS: 4026532700}},
	} {
		assert.Equal(t, want, run(t, live(t, &e, list...)).Coverage.Namespaces)
	}
}

func TestRoomForUserNamespaces(t *testing.T) {
	e := remapped(web(engine.Container{}))
	for limit, want := range map[string][]string{
		"15000\n": {}, "0\n": {"K02 fail"}, "-1\n": {"K02 fail"}, "1\n": {"K02 fail"}, "9\n": {"K02 warn"}, "x": {"K02 unknown"},
	} {
		opts := live(t, &e, proc{pid: 100, container: idWeb})
		opts.Checks = []string{"K02"}
		require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, "sys/user/max_user_namespaces"), []byte(limit), 0o644))
		r := run(t, opts)
		assert.Equal(t, want, bad(r), "%q: %s", limit, texts(r))
		assert.Equal(t, limit == "0\n" || limit == "-1\n", strings.Contains(texts(r), "lets nobody make"), limit)
	}
}

func TestTheWayToTheDataRoot(t *testing.T) {
	for name, c := range map[string]struct {
		modes map[string]os.FileMode
		store string
		want  []string
	}{
		"open, nothing there yet":          {map[string]os.FileMode{"var": 0o755}, "", []string{}},
		"open, another map's store":        {map[string]os.FileMode{"var/lib/docker": 0o710}, "300000.300000", []string{}},
		"a parent is closed":               {map[string]os.FileMode{"var/lib": 0o700}, "", []string{"D08 fail"}},
		"a parent may not be listed":       {map[string]os.FileMode{"var/lib": 0o711}, "", []string{}},
		"the store is closed to its owner": {map[string]os.FileMode{"var/lib/docker/165536.165536": 0o600}, "165536.165536", []string{"D08 fail"}},
		"the store is open to all":         {map[string]os.FileMode{"var/lib/docker/165536.165536": 0o755}, "165536.165536", []string{"D08 fail"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, good)
			require.NoError(t, os.MkdirAll(filepath.Join(h.Root, "var/lib/docker", c.store), 0o755))
			for dir, mode := range c.modes {
				dir = filepath.Join(h.Root, dir)
				require.NoError(t, os.Chmod(dir, mode))
				t.Cleanup(func() { os.Chmod(dir, 0o755) })
			}
			r := run(t, Options{Host: h, Checks: []string{"D08"}})
			assert.Equal(t, c.want, bad(r), texts(r))
		})
	}
}

func TestAnOrdinaryUserIsToldWhatWasNotSeen(t *testing.T) {
	opts := live(t, nil, proc{pid: 100, container: idWeb})
	opts.Docker = refusing
	r := run(t, opts)
	assert.Equal(t, 3, exit(r), texts(r))
	assert.Equal(t, Unknown, r.Summary.Remapped)
	assert.Contains(t, r.Coverage.Missing, "permission denied")
}

func TestADaemonThatIsDownIsAFindingAndItsFilesAreRead(t *testing.T) {
	opts := live(t, nil)
	with(t, opts.Host, map[string]string{
		"var/lib/docker/165536.165536/containers/" + idWeb + "/config.v2.json":  `{"ID":"` + idWeb + `","Name":"/web","Config":{"Image":"busybox","User":"70000"}}`,
		"var/lib/docker/165536.165536/containers/" + idWeb + "/hostconfig.json": `{"UsernsMode":"host","Privileged":true}`,
	})
	opts.Docker = func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
	r := run(t, opts)
	got := bad(r)
	for _, want := range []string{"D04 fail", "C04 fail", "C06 fail", "D05 unknown", "C03 unknown"} {
		assert.Contains(t, got, want)
	}
	assert.Contains(t, texts(r), "container/web")
	assert.Equal(t, "/var/lib/docker/165536.165536", r.Coverage.Docker)
	assert.Equal(t, 1, exit(r))
}

func TestAnAllowedContainerPassesAndStaysVisible(t *testing.T) {
	e := remapped(web(engine.Container{Userns: "host"}))
	opts := live(t, &e, proc{pid: 100, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
	opts.Allow = []Allowance{{What: "userns-host", Subject: "web", Reason: "backup"}}
	r := run(t, opts)
	assert.Empty(t, bad(r), texts(r))
	assert.Equal(t, 2, r.Summary.Allowed)
	assert.Equal(t, Warn, r.Summary.Remapped)
	assert.Equal(t, "yes, except for what was allowed", r.Summary.Text)
}

func TestOnlyTheChecksThatWereAskedFor(t *testing.T) {
	e := remapped()
	opts := live(t, &e)
	opts.Checks = []string{"c03", "reports-userns"}
	r := run(t, opts)
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Check)
	}
	assert.Equal(t, []string{"D05", "C03"}, got)
	opts.Checks = []string{"C99"}
	_, err := Run(t.Context(), opts)
	assert.ErrorContains(t, err, `there is no check "C99"`)
}

// The socket is found by its inode, below whatever the mount is called.
func TestASocketThroughAParentDirectoryIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		proc proc
		mode os.FileMode
		want []string
		sev  Severity
	}{
		"for a root of the host":       {proc{pid: 100, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}, 0o660, []string{"C07 fail"}, Critical},
		"for a remapped root":          {proc{pid: 100, container: idWeb}, 0o660, []string{"C07 warn"}, Medium},
		"for a remapped root, if open": {proc{pid: 100, container: idWeb}, 0o666, []string{"C07 fail"}, Critical},
	} {
		t.Run(name, func(t *testing.T) {
			e := remapped(web(engine.Container{}))
			opts := live(t, &e, c.proc)
			opts.Checks = []string{"C07"}
			dir := filepath.Join(opts.Host.Root, "run")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: short(t, dir) + "/docker.sock"})
			require.NoError(t, err)
			defer listener.Close()
			require.NoError(t, os.Chmod(filepath.Join(dir, "docker.sock"), c.mode))
			// The container has the host's /run at /host/run.
			inside := filepath.Join(opts.Proc.Root, "100/root/host/run")
			require.NoError(t, os.MkdirAll(inside, 0o755))
			require.NoError(t, os.Link(filepath.Join(dir, "docker.sock"), filepath.Join(inside, "docker.sock")))
			mounts(t, opts, "self", "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
			mounts(t, opts, "100", "1 1 0:50 / / rw - overlay overlay rw\n2 1 8:1 "+opts.Host.Root+"/run /host/run rw - ext4 /dev/sda1 rw\n")
			r := run(t, opts)
			assert.Equal(t, c.want, bad(r), texts(r))
			assert.Equal(t, c.sev, r.Findings[0].Severity)
			assert.Contains(t, texts(r), "/host/run/docker.sock")
		})
	}
}

// The mount would lead to the socket, but another one lies over it.
func TestASocketBehindAnotherMountIsNotReached(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	opts.Checks = []string{"C07"}
	for _, dir := range []string{"run", "proc/100/root/host/run"} {
		path := filepath.Join(opts.Host.Root, dir)
		require.NoError(t, os.MkdirAll(path, 0o755))
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: short(t, path) + "/docker.sock"})
		require.NoError(t, err)
		defer listener.Close()
	}
	mounts(t, opts, "self", "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
	mounts(t, opts, "100", "2 1 8:1 "+opts.Host.Root+"/run /host/run rw - ext4 /dev/sda1 rw\n")
	assert.Empty(t, bad(run(t, opts)))

	// It has another name on the host, and a container may have that.
	require.NoError(t, os.Link(filepath.Join(opts.Host.Root, "run/docker.sock"), filepath.Join(opts.Host.Root, "run/second.sock")))
	assert.Equal(t, []string{"C07 unknown"}, bad(run(t, opts)))
}

// A process that made PID and mount namespaces of its own in a container is the
// first of those, and does not show what the container itself has mounted.
func TestTheFirstProcessIsTheOneThatTheDaemonStarted(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 90, container: idWeb}, proc{pid: 100, container: idWeb})
	opts.Checks = []string{"C07"}
	put(t, opts, "100/mountinfo", "x\n")
	r := run(t, opts)
	assert.Equal(t, []string{"C07 unknown"}, bad(r), texts(r))
	assert.Contains(t, texts(r), "its mounts cannot be read")
}

// "no remapped container with a mount is running" was said of mounts that the
// daemon had not told.
func TestMountsThatTheDaemonDoesNotTellAreNotKnown(t *testing.T) {
	e := remapped(web(engine.Container{Unread: true}))
	e.Unread = map[string]string{"Containers/web": "403 Forbidden"}
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	opts.Checks = []string{"C08", "C09", "C10"}
	assert.Equal(t, []string{"C08 unknown", "C09 unknown", "C10 unknown"}, bad(run(t, opts)))
	opts.Docker = refusing
	assert.Equal(t, []string{"C08 unknown", "C09 unknown", "C10 unknown"}, bad(run(t, opts)))
}

// short returns a link to a directory that fits into the address of a socket.
func short(t *testing.T, dir string) string {
	t.Helper()
	tmp, err := os.MkdirTemp("", "s")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(tmp) })
	require.NoError(t, os.Symlink(dir, tmp+"/l"))
	return tmp + "/l"
}

func mounts(t *testing.T, opts Options, pid, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, pid, "mountinfo"), []byte(text), 0o644))
}

// A container that is being started has its first process in the control group
// before that is in its namespaces.
func TestAContainerOnItsWayInIsLookedAtAgain(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, nil, proc{pid: 100, command: "runc:[1:CHILD]", container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
	asked := 0
	opts.Docker = func(context.Context) (*engine.Engine, error) {
		asked++
		return &e, nil
	}
	go func() {
		dir := filepath.Join(opts.Host.Root, "proc/100")
		os.Remove(filepath.Join(dir, "ns/user"))
		moved := usernskit.Host{Root: t.TempDir()}
		writeProc(t, moved, proc{pid: 100, container: idWeb})
		os.Rename(dir, filepath.Join(t.TempDir(), "gone"))
		os.Rename(filepath.Join(moved.Root, "proc/100"), dir)
	}()
	r := run(t, opts)
	assert.NotContains(t, bad(r), "C01 fail", texts(r))
	assert.NotContains(t, bad(r), "C02 fail", texts(r))
}
