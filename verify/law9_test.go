//go:build linux

package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify/engine"
)

// Law 9: not seen is not "not there". With any one file, directory, link,
// program or socket made unreadable, and with all of them, no finding turns from
// fail or unknown into pass, and no plan goes on without a word.

const dockerUnit = `-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
-- etc/systemd/system/docker.service.d/10-debug.conf --
[Service]
Environment=DEBUG=1
-- etc/nsswitch.conf --
passwd: files
group: files
-- etc/login.defs --
SUB_UID_MIN 100000
-- usr/bin/dockerd --
-- usr/sbin/useradd --
`

// sights are hosts as they can be met. The first is good, each of the others has
// something to find.
var sights = []struct {
	name  string
	files map[string]string // instead of those of good
	procs []proc
	down  bool // the daemon does not answer
	set   func(t *testing.T, o Options)
}{
	{name: "good", procs: []proc{{pid: 100, container: idWeb}}},
	{name: "container root is host root", procs: []proc{{pid: 100, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}}},
	{name: "a flag conflicts with daemon.json", procs: []proc{{pid: 100, container: idWeb}},
		files: map[string]string{"etc/systemd/system/docker.service.d/10-debug.conf": "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --userns-remap=default\n"}},
	{name: "a value that turns remapping off", files: map[string]string{"etc/docker/daemon.json": `{"userns-remap":"root"}`}},
	{name: "another owner has the range", procs: []proc{{pid: 100, container: idWeb}},
		files: map[string]string{"etc/subuid": "alice:165536:65536\ndockremap:165536:65536\n"}},
	{name: "an account inside the range", procs: []proc{{pid: 100, container: idWeb}},
		files: map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\ndockremap:x:231:231::/:/bin/false\neve:x:170000:170000::/:/bin/sh\n"}},
	{name: "user namespaces are switched off", files: map[string]string{"proc/sys/user/max_user_namespaces": "0\n"}, procs: []proc{{pid: 100, container: idWeb}}},
	{name: "a map that is no longer in the files holds an account", procs: []proc{{pid: 100, container: idWeb, maps: "0 165536 65536\n65536 300000 10"}},
		files: map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\ndockremap:x:231:231::/:/bin/false\neve:x:300005:300005::/:/bin/sh\n"}},
	{name: "another's map meets the range", procs: []proc{{pid: 100, container: idWeb}, {pid: 300, uids: "170000 170000 170000 170000", maps: "0 170000 1000"}}},
	{name: "host root entered a container", procs: []proc{{pid: 100, container: idWeb}, {pid: 300, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}},
		set: func(t *testing.T, o Options) { relink(t, o, "300/ns/mnt", "mnt:[4026532841]") }},
	{name: "containerd runs a root container that has a name for an ID",
		procs: []proc{{pid: 100, container: idWeb}, {pid: 300, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}, shim(50, "default", "other", "/run/containerd/containerd.sock")},
		set: func(t *testing.T, o Options) {
			under(t, o, 300, "/default/other")
			put(t, o, "50/task/50/children", "300 ")
		}},
	{name: "the daemon is down", procs: []proc{{pid: 100, container: idWeb}}, down: true},
}

// goodness orders verdicts by how good the news is. Skip is as good as a pass: it
// says that there was nothing to look at.
func goodness(v Verdict) int {
	switch v {
	case Fail:
		return 0
	case Unknown:
		return 1
	case Warn:
		return 2
	}
	return 3
}

// worst is the worst verdict of each check.
func worst(r Report) map[string]Verdict {
	all := map[string]Verdict{}
	for _, f := range r.Findings {
		if have, ok := all[f.Check]; !ok || goodness(f.Verdict) < goodness(have) {
			all[f.Check] = f.Verdict
		}
	}
	return all
}

// breakage makes one path unreadable and returns how to put it back.
type breakage func(t *testing.T, path string) (restore func())

// loop puts a symbolic link to itself in the place of a path. Even root cannot
// read it, and nothing says that there is no such file.
func loop(t *testing.T, path string) func() {
	t.Helper()
	aside := path + ".aside"
	require.NoError(t, os.Rename(path, aside))
	require.NoError(t, os.Symlink(filepath.Base(path), path))
	return func() {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Rename(aside, path))
	}
}

// deny takes all permission bits, which stops everyone but root.
func deny(t *testing.T, path string) func() {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	if info.Mode()&fs.ModeSymlink != 0 {
		return loop(t, path)
	}
	require.NoError(t, os.Chmod(path, 0))
	return func() { require.NoError(t, os.Chmod(path, info.Mode().Perm())) }
}

func TestLaw9(t *testing.T) {
	broken := map[string]breakage{"a link to itself": loop}
	switch {
	case os.Getenv("LAW9_CHILD") != "":
		broken = map[string]breakage{"no permission": deny}
	case os.Geteuid() == 0:
		t.Run("as a user who is not root", asNobody)
	default:
		broken["no permission"] = deny
	}
	for _, s := range sights {
		t.Run(s.name, func(t *testing.T) {
			h := hosttest.Tree(t, good+dockerUnit)
			writeProc(t, h, s.procs...)
			with(t, h, s.files)
			e := remapped(web(engine.Container{}))
			opts := Options{Host: h, Proc: procAt(h), Docker: answering(e)}
			if s.down {
				opts.Docker = func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
			}
			if s.set != nil {
				s.set(t, opts)
			}
			base := run(t, opts)
			if s.name == "good" {
				require.Empty(t, bad(base), texts(base))
			} else {
				require.NotEmpty(t, bad(base), "there is something to find")
			}
			paths := nodes(t, h)
			for name, breaks := range broken {
				t.Run(name, func(t *testing.T) {
					for _, path := range paths {
						restore := breaks(t, path)
						noBetter(t, base, opts, strings.TrimPrefix(path, h.Root))
						noSilence(t, h, path)
						restore()
					}
				})
			}
			t.Run("the daemon refuses", func(t *testing.T) {
				deaf := opts
				deaf.Docker = refusing
				noBetter(t, base, deaf, "the socket")
			})
			t.Run("every file at once", func(t *testing.T) {
				for _, path := range paths {
					if info, err := os.Lstat(path); err == nil && !info.IsDir() {
						defer loop(t, path)()
					}
				}
				deaf := opts
				deaf.Docker = refusing
				noBetter(t, base, deaf, "everything")
			})
			assert.Equal(t, worst(base), worst(run(t, opts)), "BUG of the test: something was not put back")
		})
	}
}

// asNobody runs the test again without root's rights, so that a file without
// permission bits is one that cannot be read.
func asNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the test twice; not with -short")
	}
	dir, err := os.MkdirTemp("", "law9")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	exe := filepath.Join(dir, "test")
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(exe, data, 0o755))
	temp := filepath.Join(dir, "tmp")
	require.NoError(t, os.Mkdir(temp, 0o700))
	require.NoError(t, os.Chown(temp, 65534, 65534))
	cmd := exec.CommandContext(t.Context(), exe, "-test.run", "^TestLaw9$")
	cmd.Env = append(os.Environ(), "LAW9_CHILD=1", "TMPDIR="+temp)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS")
}

// nodes lists everything below the host, the innermost first.
func nodes(t *testing.T, h usernskit.Host) []string {
	t.Helper()
	var list []string
	require.NoError(t, filepath.WalkDir(h.Root, func(path string, _ fs.DirEntry, err error) error {
		if path != h.Root {
			list = append(list, path)
		}
		return err
	}))
	slices.Reverse(list)
	return list
}

// noBetter looks at the host again and holds every check to what it said before.
func noBetter(t *testing.T, base Report, opts Options, what string) {
	t.Helper()
	r, err := Run(t.Context(), opts)
	if err != nil {
		return // an error is not a verdict
	}
	now := worst(r)
	for check, was := range worst(base) {
		// What was unknown may turn into a skip: without the daemon's word of a
		// container, a complete look at /proc found none.
		if was == Fail && goodness(now[check]) == goodness(Pass) || was == Unknown && now[check] == Pass {
			assert.Fail(t, "a verdict became better", "%s unreadable: %s was %v and is %v\n%s", what, check, was, now[check], texts(r))
		}
	}
	if base.Summary.Remapped != Pass {
		assert.NotEqual(t, Pass, r.Summary.Remapped, "%s unreadable: remapped", what)
	}
}

// planners plan something on a host that nobody made ready, so that each of the
// files counts.
var planners = map[string]func(ctx context.Context, h usernskit.Host) (usernskit.Plan, error){
	"enable": func(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
		p, err := remap.PlanEnable(ctx, h, remap.Request{})
		return p.Plan, err
	},
	"subid add": func(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
		_, p, err := subid.Plan(ctx, h, subid.Request{Owner: "bob", Count: 65536})
		return p, err
	},
	"daemon set": func(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
		return daemoncfg.PlanSet(ctx, h, []string{"debug"}, json.RawMessage("true"))
	},
}

// counts says for which plans a file must not go missing in silence.
var counts = map[string][]string{
	"/etc/subuid":                            {"enable", "subid add"},
	"/etc/subgid":                            {"enable", "subid add"},
	"/etc/passwd":                            {"enable", "subid add"},
	"/etc/group":                             {"enable", "subid add"},
	"/etc/login.defs":                        {"subid add"},
	"/etc/nsswitch.conf":                     {"subid add"},
	"/etc/docker/daemon.json":                {"enable", "daemon set"},
	"/etc/docker":                            {"enable", "daemon set"},
	"/usr/lib/systemd/system/docker.service": {"enable", "daemon set"},
	"/etc/systemd/system/docker.service.d":   {"enable", "daemon set"},
	"/etc/systemd/system/docker.service.d/10-debug.conf": {"enable", "daemon set"},
	"/usr/lib/systemd/system":                            {"enable", "daemon set"},
	"/etc/systemd/system":                                {"enable", "daemon set"},
	"/etc":                                               {"enable", "subid add", "daemon set"},
}

// noSilence plans with a path unreadable. A plan that the path counts for is
// refused or says so in a warning; any other is what it was, or says so too.
func noSilence(t *testing.T, h usernskit.Host, path string) {
	t.Helper()
	name := strings.TrimPrefix(path, h.Root)
	for what, plan := range planners {
		p, err := plan(t.Context(), h)
		if err != nil || !slices.Contains(counts[name], what) {
			continue
		}
		assert.True(t, slices.ContainsFunc(p.Warnings, func(w usernskit.Warning) bool {
			return strings.Contains(w.String(), name) || strings.Contains(w.String(), filepath.Base(name))
		}), "%s goes on without %s and without a word of it: %v", what, name, p.Warnings)
	}
}

// Programs fail, are killed, are missing or hang, one at a time.
var mishaps = map[string]error{
	"fails": exited(1), "is killed": errors.New("signal: killed"), "is missing": exec.ErrNotFound, "hangs": context.DeadlineExceeded,
}

func TestLaw9Programs(t *testing.T) {
	lena := directory(func(db, key string) ([]byte, error) {
		if db == "passwd" && key == "165536" {
			return []byte("lena:*:165536:1::/:\n"), nil
		}
		return nil, exited(2)
	})
	h := hosttest.Tree(t, good+dockerUnit)
	writeProc(t, h, proc{pid: 100, container: idWeb})
	with(t, h, map[string]string{"etc/nsswitch.conf": withDirectory})
	asked := map[string]bool{}
	h.Run = func(ctx context.Context, argv ...string) ([]byte, error) {
		asked[argv[0]] = true
		return lena(ctx, argv...)
	}
	opts := Options{Host: h, Proc: procAt(h), Docker: answering(remapped(web(engine.Container{})))}
	base := run(t, opts)
	for _, plan := range planners {
		_, _ = plan(t.Context(), h) // which programs it asks
	}
	require.Contains(t, bad(base), "C01 fail", texts(base))
	require.True(t, asked["getent"])
	for program := range asked {
		for how, mishap := range mishaps {
			t.Run(program+" "+how, func(t *testing.T) {
				broken := opts
				broken.Host.Run = func(ctx context.Context, argv ...string) ([]byte, error) {
					if argv[0] == program {
						return nil, mishap
					}
					return lena(ctx, argv...)
				}
				noBetter(t, base, broken, program)
				for _, what := range []string{"enable", "subid add"} {
					p, err := planners[what](t.Context(), broken.Host)
					if err != nil || program != "getent" {
						continue
					}
					assert.True(t, slices.ContainsFunc(p.Warnings, func(w usernskit.Warning) bool {
						return strings.Contains(w.Text, "getent") || strings.Contains(w.Text, "nsswitch")
					}),
						"%s goes on without a word: %v", what, p.Warnings)
				}
			})
		}
	}
	for how, mishap := range map[string]error{"refuses": fs.ErrPermission, "is down": engine.ErrDown, "hangs": context.DeadlineExceeded} {
		t.Run("the daemon's socket "+how, func(t *testing.T) {
			deaf := opts
			deaf.Docker = func(context.Context) (*engine.Engine, error) { return nil, mishap }
			noBetter(t, base, deaf, "the socket")
		})
	}
}

// Each unknown says what to do to know it: in every state of law 9 the remedy names
// what is unreadable, or what to start, run or ask.
func TestUnknownSaysWhatToDo(t *testing.T) {
	e := remapped(web(engine.Container{Mounts: []engine.Mount{{Type: "bind", Source: "/srv/data", Destination: "/data"}, {Type: "volume", Name: "v", Source: "/var/lib/docker/165536.165536/volumes/v/_data", Destination: "/v"}}}))
	e.Volumes = []engine.Volume{{Name: "v", Driver: "local", Mountpoint: "/var/lib/docker/165536.165536/volumes/v/_data"}}
	h := hosttest.Tree(t, good+dockerUnit+`-- srv/data/x --
-- var/lib/docker/165536.165536/volumes/v/_data/x --
-- var/lib/docker/165536.165536/image/overlay2/repositories.json --
{"Repositories":{}}
-- var/lib/docker/image/overlay2/repositories.json --
{"Repositories":{}}
`)
	writeProc(t, h, proc{pid: 100, container: idWeb}, shim(50, "moby-165536.165536", idWeb, "/run/containerd/containerd.sock"))
	opts := Options{Host: h, Proc: procAt(h), Docker: answering(e)}
	unknown := map[string]bool{}
	// What could be made readable is named by its path, or by one above it.
	advises := func(r Report, broken string) {
		for _, f := range r.Findings {
			if f.Verdict != Unknown {
				continue
			}
			unknown[f.Check] = true
			path := namedPath.FindStringSubmatch(f.Remedy.Text)
			switch {
			case path != nil:
				at := strings.TrimPrefix(path[1], h.Root)
				assert.True(t, broken == "" || strings.HasPrefix(at+"/", broken+"/") || strings.HasPrefix(broken+"/", at+"/"), "%s unreadable: %s %s: %s: %s", broken, f.Check, f.Subject, f.Text, f.Remedy.Text)
			default:
				assert.NotEmpty(t, f.Remedy.Text, "%s %s: %s", f.Check, f.Subject, f.Text)
			}
		}
	}
	down, deaf := opts, opts
	down.Docker = func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
	deaf.Docker = refusing
	for _, opts := range []Options{opts, down} {
		for _, path := range nodes(t, h) {
			restore := loop(t, path)
			advises(run(t, opts), strings.TrimPrefix(path, h.Root))
			restore()
		}
	}
	advises(run(t, deaf), "")
	deep := opts
	deep.Deep, deep.Checks = true, []string{"C11"}
	for _, path := range nodes(t, h) {
		restore := loop(t, path)
		advises(run(t, deep), strings.TrimPrefix(path, h.Root))
		restore()
	}
	proxied := e
	proxied.Unread = map[string]string{"Containers": "403", "Volumes": "403", "Plugins": "403"}
	proxied.Containers = nil
	for name, c := range map[string]struct {
		change func(o *Options)
		want   string // in some remedy
	}{
		"a proxy hides it":   {func(o *Options) { o.Docker = answering(proxied) }, "past the proxy"},
		"the daemon is down": {func(o *Options) { *o = down }, "Start the daemon"},
		"getent fails": {func(o *Options) {
			with(t, o.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
			o.Host.Run = func(context.Context, ...string) ([]byte, error) { return nil, exited(1) }
		}, "getent"},
		"in another user namespace": {func(o *Options) {
			o.Host = hosttest.Tree(t, good)
			writeProc(t, o.Host, proc{pid: 100, container: idWeb})
			o.Proc = procAt(o.Host)
			relink(t, *o, "self/ns/user", "user:[4026532999]")
		}, "--userns=host"},
		"two units": {func(o *Options) {
			o.Host = hosttest.Tree(t, good+dockerUnit+"-- etc/systemd/system/docker-b.service --\n[Service]\nExecStart=/usr/bin/dockerd --debug\n")
		}, "Say which dockerd"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := opts
			c.change(&changed)
			r, remedies := run(t, changed), ""
			advises(r, "")
			for _, f := range r.Findings {
				if f.Verdict == Unknown {
					remedies += f.Remedy.Text + "\n"
				}
			}
			assert.Contains(t, remedies, c.want)
		})
	}
	var never []string
	for _, c := range Checks() {
		if !unknown[c.ID] {
			never = append(never, c.ID)
		}
	}
	// K07 asks the running kernel; K08 and C14 say what they found.
	assert.Equal(t, []string{"K07", "K08", "C14"}, never, "the checks that no state above makes unknown")
}

// The plans of the test are made where nothing is broken.
func TestLaw9PlansWork(t *testing.T) {
	h := hosttest.Tree(t, good+dockerUnit)
	for what, plan := range planners {
		t.Run(what, func(t *testing.T) {
			_, err := plan(t.Context(), h)
			require.NoError(t, err)
		})
	}
}

// A test that cannot fail holds no law: a check that takes "cannot be read" for
// "is not there" is found.
func TestLaw9FindsAWrongCheck(t *testing.T) {
	h := hosttest.Tree(t, good)
	wrong := func() Verdict { // passes where it cannot read
		data, err := h.ReadFile("/etc/docker/daemon.json")
		if err == nil && bytes.Contains(data, []byte("root")) {
			return Fail
		}
		return Pass
	}
	with(t, h, map[string]string{"etc/docker/daemon.json": `{"userns-remap":"root"}`})
	require.Equal(t, Fail, wrong())
	restore := loop(t, filepath.Join(h.Root, "etc/docker/daemon.json"))
	_, err := h.ReadFile("/etc/docker/daemon.json")
	require.Error(t, err)
	require.False(t, errors.Is(err, fs.ErrNotExist), "unreadable is not missing: %v", err)
	assert.Equal(t, Pass, wrong())
	restore()
	require.Equal(t, Fail, wrong())
}
