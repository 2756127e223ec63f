package verify

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
)

// put changes a file of a process of the fixture.
func put(t *testing.T, opts Options, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, name), []byte(text), 0o644))
}

// relink changes a link of a process of the fixture.
func relink(t *testing.T, opts Options, name, target string) {
	t.Helper()
	path := filepath.Join(opts.Proc.Root, name)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(target, path))
}

// Each of these was "remapped: yes, every process" with something un-remapped
// beside it.
func TestNoPassWhileSomethingRunsAsHostRoot(t *testing.T) {
	fine := proc{pid: 100, container: idWeb}
	t.Run("a managed plugin", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		e.Plugins = []engine.Plugin{{ID: idOld, Name: "vieux/sshfs:latest"}}
		opts := live(t, &e, fine, shim(50, "plugins.moby-165536.165536", idOld, "/run/containerd/containerd.sock"), hostRoot(200, idOld))
		put(t, opts, "200/cgroup", "0::/"+idOld+"\n")
		r := run(t, opts)
		assert.ElementsMatch(t, []string{"C01 fail", "C12 warn"}, bad(r), texts(r))
		assert.Contains(t, texts(r), "C01 plugin/vieux/sshfs:latest: process 200 (sleep) is root of the host")
		assert.Equal(t, Fail, r.Summary.Remapped)
	})
	t.Run("a plugin that the daemon does not list", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		r := run(t, live(t, &e, fine, shim(50, "plugins.moby", idOld, "/run/containerd/containerd.sock"), hostRoot(200, idOld)))
		assert.Contains(t, bad(r), "C03 fail", texts(r))
	})
	t.Run("a container of containerd", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, shim(50, "default", idOld, "/run/containerd/containerd.sock"), hostRoot(200, idOld))
		put(t, opts, "200/cgroup", "0::/default/"+idOld+"\n")
		r := run(t, opts)
		assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
		assert.Equal(t, Warn, r.Summary.Remapped)
		assert.Equal(t, []string{"containerd (namespace default): 1 container, 1 not remapped"}, r.Coverage.Others)
		assert.Contains(t, r.Summary.Text, "this daemon's containers")
	})
	t.Run("a container of containerd that has a name for an ID", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, shim(50, "default", "database", "/run/containerd/containerd.sock"), hostRoot(200, ""))
		require.NoError(t, os.MkdirAll(filepath.Join(opts.Proc.Root, "50/task/50"), 0o755))
		put(t, opts, "50/task/50/children", "200 ")
		put(t, opts, "200/cgroup", "0::/default/database\n")
		r := run(t, opts)
		assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
		assert.Equal(t, Warn, r.Summary.Remapped)
	})
	t.Run("a root container of podman", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, hostRoot(200, idOld))
		put(t, opts, "200/cgroup", "0::/machine.slice/libpod-"+idOld+".scope\n")
		r := run(t, opts)
		assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
		assert.Contains(t, texts(r), "containers of podman: 1 of 1 are not remapped")
	})
	t.Run("a container of podman that is remapped", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, proc{pid: 200, container: idOld, uids: "300000 300000 300000 300000", maps: "0 300000 65536"})
		put(t, opts, "200/cgroup", "0::/machine.slice/libpod-"+idOld+".scope\n")
		r := run(t, opts)
		assert.Empty(t, bad(r), texts(r))
		assert.Equal(t, Pass, r.Summary.Remapped)
		assert.Equal(t, "yes, every process of this daemon's one container, as the kernel says", r.Summary.Text)
	})
	t.Run("host root that entered a container with nsenter", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, proc{pid: 300, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
		relink(t, opts, "300/ns/mnt", "mnt:[4026532841]")
		relink(t, opts, "100/ns/mnt", "mnt:[4026532841]")
		r := run(t, opts)
		assert.Equal(t, []string{"C01 fail", "C02 fail"}, bad(r), texts(r))
		assert.Contains(t, texts(r), "C01 container/web: process 300")
	})
	t.Run("a daemon of another machine", func(t *testing.T) {
		for name, c := range map[string]struct {
			peer int
			comm string
			want []string
		}{
			"over TCP":            {0, "", []string{"D05 unknown"}},
			"behind a proxy":      {60, "socat", []string{"D05 unknown"}},
			"dockerd itself":      {60, "dockerd", []string{}},
			"behind init's proxy": {1, "dockerd", []string{"D05 unknown"}},
		} {
			e := remapped()
			e.PeerPID = c.peer
			r := run(t, live(t, &e, proc{pid: 60, command: c.comm, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}))
			assert.Equal(t, c.want, bad(r), "%s: %s", name, texts(r))
			assert.Equal(t, len(c.want) == 0, r.Summary.Remapped == Pass, name)
		}
		e := remapped(web(engine.Container{}))
		e.PeerPID = 0
		assert.Empty(t, bad(run(t, live(t, &e, fine))), "its container runs here")
	})
}

// Each of these was a failure on a host where nothing is wrong.
func TestNoAlarmOnAGoodHost(t *testing.T) {
	fine := proc{pid: 100, container: idWeb}
	t.Run("inside a remapped container no ID is judged", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, fine, hostRoot(200, idOld))
		relink(t, opts, "self/ns/user", "user:[4026532999]")
		r := run(t, opts)
		for _, f := range r.Findings {
			assert.NotEqual(t, Fail, f.Verdict, "%s %s: %s", f.Check, f.Subject, f.Text)
		}
		assert.Equal(t, 3, exit(r))
		assert.Equal(t, Unknown, r.Summary.Remapped)
		assert.Contains(t, texts(r), "--pid=host --userns=host")
	})
	t.Run("a first process in a user namespace of its own making", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		r := run(t, live(t, &e, proc{pid: 100, container: idWeb, maps: "0 165536 1", uids: "165536 165536 165536 165536"}))
		assert.Empty(t, bad(r), texts(r))
	})
	t.Run("a host process with every ID", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		r := run(t, live(t, &e, fine, proc{pid: 300, userNS: 4026532900, uids: "0 0 0 0", maps: "0 0 4294967295"}))
		assert.Empty(t, bad(r), texts(r))
	})
	t.Run("a container that its own runtime remaps", func(t *testing.T) {
		e := remapped(web(engine.Container{Runtime: "sysbox-runc"}))
		opts := live(t, &e, proc{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", maps: "0 300000 65536"})
		r := run(t, opts)
		assert.Equal(t, []string{"C02 warn"}, bad(r), texts(r))
		assert.Contains(t, texts(r), "remapped by its runtime, sysbox-runc")
		for _, maps := range []string{"0 0 65536", "0 1000 65536"} {
			r := run(t, live(t, &e, proc{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", maps: maps}))
			assert.Contains(t, bad(r), "C02 fail", "a runtime's map is no excuse for %s", maps)
		}
	})
	t.Run("but not what the daemon gave under a runtime of another name", func(t *testing.T) {
		e := remapped(web(engine.Container{Runtime: "current"}))
		e.RootDir, e.Namespace = "/var/lib/docker/300000.300000", "moby-300000.300000"
		r := run(t, live(t, &e, proc{pid: 100, container: idWeb, uids: "300000 300000 300000 300000", maps: "0 300000 65536"}))
		assert.Contains(t, bad(r), "D07 fail", texts(r))
	})
	t.Run("a range of 1000 IDs is medium", func(t *testing.T) {
		e := remapped()
		opts := live(t, &e)
		with(t, opts.Host, map[string]string{"etc/subuid": "dockremap:165536:1000\n", "etc/subgid": "dockremap:165536:1000\n"})
		opts.Checks = []string{"I03"}
		assert.Equal(t, Medium, run(t, opts).Findings[0].Severity)
	})
	t.Run("unprivileged user namespaces by their value", func(t *testing.T) {
		for value, want := range map[string]string{"1": "are not restricted", "0": "are restricted"} {
			e := remapped()
			opts := live(t, &e)
			with(t, opts.Host, map[string]string{"proc/sys/kernel/unprivileged_userns_clone": value + "\n"})
			opts.Checks = []string{"K04"}
			f := run(t, opts).Findings[0]
			if f.Verdict == Skip {
				t.Skip("gates are read of the running kernel only")
			}
			assert.Contains(t, f.Text, want)
		}
	})
	t.Run("a second daemon on a containerd of its own", func(t *testing.T) {
		e := remapped()
		e.Containerd, e.Namespace, e.API, e.PeerPID = "", "", "1.41", 60
		opts := live(t, &e, proc{pid: 60, command: "dockerd", userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295", argv: "/usr/bin/dockerd --containerd=/run/containerd/containerd.sock"},
			shim(50, "moby", idOld, "/run/second/containerd/containerd.sock"), proc{pid: 200, container: idOld, uids: "300000 300000 300000 300000", maps: "0 300000 65536"})
		opts.Checks = []string{"C01", "C02", "C03", "D07"}
		with(t, opts.Host, map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --containerd=/run/containerd/containerd.sock\n"})
		r := run(t, opts)
		assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
		assert.Equal(t, 0, r.Summary.Fail)
	})
	t.Run("a second daemon on the same containerd", func(t *testing.T) {
		// Before Docker 28 both have their containers in the namespace "moby".
		for _, namespace := range []string{"moby", "moby-300000.300000"} {
			e := remapped(web(engine.Container{}))
			e.PeerPID = 60
			hosts := func(store string, container ...proc) Options {
				opts := live(t, &e, append(container, fine, dockerdAt(60), dockerdAt(61, "--data-root=/srv/b", "--userns-remap=alice", "-H", "unix:///run/b.sock"),
					shim(50, namespace, idOld, "/run/containerd/containerd.sock"))...)
				with(t, opts.Host, map[string]string{"srv/b/engine-id": "x", store + "/containers/" + idOld + "/config.v2.json": "{}"})
				return opts
			}
			theirs := proc{pid: 200, container: idOld, uids: "300000 300000 300000 300000", maps: "0 300000 65536"}
			r := run(t, hosts("srv/b/300000.300000", theirs))
			assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
			assert.Contains(t, texts(r), "another daemon has it: process 61 with the store /srv/b")
			assert.Zero(t, r.Summary.Fail+r.Summary.Unknown)
			assert.Equal(t, Warn, r.Summary.Remapped)
			assert.Equal(t, []string{"unix:///run/b.sock"}, r.Coverage.Daemons)
			assert.Contains(t, r.Summary.Text, "another dockerd runs here that was not checked: run the same with DOCKER_HOST=unix:///run/b.sock")
			assert.True(t, slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Remedy.Text == "Run the same with DOCKER_HOST=unix:///run/b.sock." }))

			r = run(t, hosts("srv/b", hostRoot(200, idOld)))
			assert.Equal(t, []string{"C01 fail", "C03 warn"}, bad(r), texts(r))

			r = run(t, hosts("var/lib/docker", theirs))
			assert.Equal(t, []string{"D07 fail", "D09 warn", "C01 fail", "C02 fail", "C03 fail"}, bad(r), "an orphan of this daemon's earlier map: %s", texts(r))

			opts := hosts("srv/b/300000.300000", theirs)
			put(t, opts, "61/status", strings.ReplaceAll(read(t, opts, "61/status"), "Uid:\t0\t0\t0\t0", "Uid:\t1000\t1000\t1000\t1000"))
			assert.Contains(t, bad(run(t, opts)), "C03 fail", "anybody can call a process dockerd")

			for _, file := range []string{"srv/b", "srv/b/300000.300000"} {
				opts := hosts("srv/b/300000.300000", theirs)
				unreadable(t, opts.Host, file)
				r = run(t, opts)
				assert.Equal(t, []string{"C01 unknown", "C02 unknown", "C03 unknown"}, bad(r), "%s: %s", file, texts(r))
				assert.Contains(t, texts(r), "whether another one does is not known: another dockerd may have it, process 61")
			}
		}
	})
	t.Run("each of two daemons by its own files", func(t *testing.T) {
		two := []proc{dockerdAt(60), dockerdAt(61, "--config-file=/etc/b.json")}
		for pid, store := range map[int]string{60: "/var/lib/docker/165536.165536", 61: "/srv/b/100000.100000"} {
			e := remapped()
			e.PeerPID, e.RootDir, e.Namespace = pid, store, "moby-"+filepath.Base(store)
			opts := live(t, &e, two...)
			with(t, opts.Host, map[string]string{"etc/b.json": `{"userns-remap":"alice","data-root":"/srv/b"}`})
			require.NoError(t, os.MkdirAll(opts.Host.Root+store, 0o711))
			r := run(t, opts)
			assert.Empty(t, bad(r), "%d: %s", pid, texts(r))
			assert.Equal(t, Pass, r.Summary.Remapped)
		}
	})
}

func read(t *testing.T, o Options, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(o.Proc.Root, name))
	require.NoError(t, err)
	return string(data)
}

// dockerdAt is a dockerd of the host with flags of its own.
func dockerdAt(pid int, flags ...string) proc {
	return proc{pid: pid, command: "dockerd", userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295", argv: strings.Join(append([]string{"/usr/bin/dockerd"}, flags...), " ")}
}

// What ends between two looks was unknown, and a host under churn exit 3.
func TestWhatPassesByIsNoLoss(t *testing.T) {
	fine := proc{pid: 100, container: idWeb}
	t.Run("a container that the daemon lists and that has ended", func(t *testing.T) {
		asked := 0
		opts := live(t, nil, fine)
		opts.Docker = func(context.Context) (*engine.Engine, error) {
			e := remapped(web(engine.Container{}))
			if asked++; asked == 1 {
				e.Containers = append(e.Containers, engine.Container{ID: idOld, Name: "short", Running: true, PID: 999})
			}
			return &e, nil
		}
		r := run(t, opts)
		assert.Empty(t, bad(r), texts(r))
	})
	t.Run("a new one in every look", func(t *testing.T) {
		asked := 0
		opts := live(t, nil, fine)
		opts.Docker = func(context.Context) (*engine.Engine, error) {
			asked++
			e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "restarts", Running: true, PID: 1000 + asked})
			return &e, nil
		}
		r := run(t, opts)
		assert.Empty(t, bad(r), texts(r))
		assert.Equal(t, 1, r.Coverage.Passing)
	})
	t.Run("a first process that is a zombie", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, proc{pid: 101, nspid: 2, container: idWeb}, proc{pid: 100, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
		put(t, opts, "100/status", "Name:\tsh\nState:\tZ (zombie)\n")
		assert.Empty(t, bad(run(t, opts)))
	})
	t.Run("a zombie in a control group that is removed, and only there", func(t *testing.T) {
		e := remapped(web(engine.Container{}))
		for group, want := range map[string][]string{" (deleted)": {}, "": {"C01 fail", "C02 fail", "C03 fail"}} {
			opts := live(t, &e, fine, hostRoot(300, idOld))
			put(t, opts, "300/status", "Name:\tsh\nState:\tZ (zombie)\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nNSpid:\t300\n")
			put(t, opts, "300/cgroup", "0::/docker/"+idOld+group+"\n")
			r := run(t, opts)
			assert.Equal(t, want, bad(r), "%q: %s", group, texts(r))
		}
	})
	t.Run("a shim left behind by a container that has exited", func(t *testing.T) {
		e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "done"})
		r := run(t, live(t, &e, fine, shim(50, "moby-165536.165536", idOld, "/run/containerd/containerd.sock")))
		assert.Empty(t, bad(r), texts(r))
	})
	t.Run("but what stays is not passing", func(t *testing.T) {
		e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "lost", Running: true, PID: 999})
		assert.Equal(t, []string{"C01 unknown", "C02 unknown"}, bad(run(t, live(t, &e, fine))))
	})
}

// A process that forks and ends has a new number in every look.
func TestNewProcessIDsHideNothing(t *testing.T) {
	fine := proc{pid: 100, container: idWeb}
	check := func(t *testing.T, e engine.Engine, hopper proc, others ...proc) Report {
		hopper.pid = 300
		opts := live(t, nil, append([]proc{fine, hopper}, others...)...)
		asked := 0
		opts.Docker = func(context.Context) (*engine.Engine, error) {
			at := filepath.Join(opts.Proc.Root, "30")
			require.NoError(t, os.Rename(at+strconv.Itoa(asked%10), at+strconv.Itoa((asked+1)%10)))
			asked++
			return &e, nil
		}
		return run(t, opts)
	}
	named := func(p proc) proc { p.command = "runc"; return p }
	userns := engine.Container{ID: idOld, Name: "out", Running: true, PID: 200, Userns: "host"}
	t.Run("a userns=host container calls its processes runc", func(t *testing.T) {
		r := check(t, remapped(web(engine.Container{}), userns), named(hostRoot(0, idOld)), hostRoot(200, idOld))
		assert.Equal(t, []string{"C01 fail", "C04 fail"}, bad(r), texts(r))
		assert.Equal(t, Fail, r.Summary.Remapped)
	})
	t.Run("a container that the daemon does not list", func(t *testing.T) {
		r := check(t, remapped(web(engine.Container{})), hostRoot(0, idOld))
		assert.Equal(t, []string{"C01 fail", "C02 fail", "C03 fail"}, bad(r), texts(r))
	})
	t.Run("one whose only process calls itself runc", func(t *testing.T) {
		r := check(t, remapped(web(engine.Container{})), named(hostRoot(0, idOld)))
		assert.Equal(t, []string{"C01 fail", "C02 fail", "C03 fail"}, bad(r), texts(r))
	})
	t.Run("a userns=host container that restarts without end", func(t *testing.T) {
		opts, asked := live(t, nil, fine), 0
		opts.Docker = func(context.Context) (*engine.Engine, error) {
			asked++
			c := userns
			c.PID += asked
			e := remapped(web(engine.Container{}), c)
			return &e, nil
		}
		r := run(t, opts)
		assert.Equal(t, []string{"C01 fail", "C04 fail"}, bad(r), texts(r))
		assert.Equal(t, Fail, r.Summary.Remapped)
	})
	t.Run("and one that waits to be started again", func(t *testing.T) {
		e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "out", Restarting: true, Userns: "host"})
		assert.Equal(t, []string{"C01 fail", "C04 fail"}, bad(run(t, live(t, &e, fine))))
	})
	t.Run("docker exec, whose runc takes on its group last", func(t *testing.T) {
		r := check(t, remapped(web(engine.Container{})), proc{container: idWeb, nspid: 9, command: "runc:[1:CHILD]", gids: "0 0 0 0"})
		assert.Empty(t, bad(r), texts(r))
	})
}
