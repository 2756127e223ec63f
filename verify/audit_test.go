package verify

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

// A container that audits its host, with --pid=host and --userns=host, sees itself
// as root of the host.
func TestAuditor(t *testing.T) {
	auditor := hostRoot(200, idOld)
	listed := engine.Container{ID: idOld, Name: "audit", Running: true, PID: 200, Userns: "host", PIDMode: "host"}
	setUp := func(t *testing.T, procs ...proc) Options {
		e := remapped(web(engine.Container{}), listed)
		opts := live(t, &e, append([]proc{{pid: 100, container: idWeb}}, procs...)...)
		self := filepath.Join(opts.Host.Root, "proc/self")
		require.NoError(t, os.RemoveAll(self))
		require.NoError(t, os.Symlink("200", self))
		return opts
	}
	t.Run("is named and exempt", func(t *testing.T) {
		r := run(t, setUp(t, auditor))
		assert.Empty(t, bad(r), texts(r))
		assert.Equal(t, Pass, r.Summary.Remapped)
		assert.Equal(t, "container/audit", r.Coverage.Auditor)
		assert.Contains(t, r.Summary.Text, "this audit's own container/audit aside")
	})
	t.Run("a control group namespace hides its own", func(t *testing.T) {
		opts := setUp(t, auditor)
		with(t, opts.Host, map[string]string{"proc/200/cgroup": "0::/\n",
			"proc/200/mountinfo": "1 1 0:50 / / rw - overlay overlay rw\n2 1 8:1 /var/lib/docker/165536.165536/containers/" + idOld + "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"})
		r := run(t, opts)
		assert.Empty(t, bad(r), texts(r))
		assert.Equal(t, "container/audit", r.Coverage.Auditor)
	})
	t.Run("another container of host root is not exempt", func(t *testing.T) {
		opts := setUp(t, auditor, proc{pid: 101, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
		r := run(t, opts)
		assert.Equal(t, []string{"C01 fail", "C02 fail"}, bad(r), texts(r))
		assert.Equal(t, Fail, r.Summary.Remapped)
	})
	t.Run("nor is a process that hides in its control group", func(t *testing.T) {
		opts := setUp(t, auditor, hostRoot(201, idOld))
		require.NoError(t, os.Remove(filepath.Join(opts.Proc.Root, "201/ns/mnt")))
		require.NoError(t, os.Symlink("mnt:[4026539999]", filepath.Join(opts.Proc.Root, "201/ns/mnt")))
		r := run(t, opts)
		assert.Contains(t, bad(r), "C01 fail")
		assert.Empty(t, r.Coverage.Auditor)
	})
	t.Run("nor one that the daemon does not list", func(t *testing.T) {
		opts := setUp(t, auditor)
		opts.Docker = answering(remapped(web(engine.Container{})))
		assert.Contains(t, bad(run(t, opts)), "C03 fail")
	})
	t.Run("with less access nothing is said for sure", func(t *testing.T) {
		opts := setUp(t, auditor)
		opts.Docker = nil
		require.NoError(t, os.Remove(filepath.Join(opts.Proc.Root, "200/ns/user")))
		require.NoError(t, os.Symlink("user:[4026532999]", filepath.Join(opts.Proc.Root, "200/ns/user")))
		r := run(t, opts)
		assert.NotEqual(t, Pass, r.Summary.Remapped)
	})
}

// A shim without a namespace, and a control group that names nobody.
func TestForeignContainer(t *testing.T) {
	put := func(t *testing.T, cgroup string, p, holder proc) Report {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, proc{pid: 100, container: idWeb}, holder, p)
		require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, "300/cgroup"), []byte("0::"+cgroup+"\n"), 0o644))
		return run(t, opts)
	}
	conmon := proc{pid: 50, command: "conmon", userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295", argv: "/usr/bin/conmon -c " + idOld}
	root := hostRoot(300, idOld)
	mapped := proc{pid: 300, container: idOld, uids: "0 0 0 0", maps: "0 0 65536"}
	for name, c := range map[string]struct {
		cgroup string
		p      proc
		holder proc
		want   []string
	}{
		"podman's, as host root":                  {"/machine.slice/libpod-" + idOld + ".scope", root, conmon, []string{"C03 warn"}},
		"podman's, in a namespace with host root": {"/machine.slice/libpod-" + idOld + ".scope", mapped, conmon, []string{"C03 warn"}},
		"nobody knows whose, as host root":        {"/x/" + idOld, root, conmon, []string{"C01 fail", "C03 warn"}},
		"nobody knows whose, remapped":            {"/x/" + idOld, proc{pid: 300, uids: "900000 900000 900000 900000", maps: "0 900000 65536"}, conmon, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := put(t, c.cgroup, c.p, c.holder)
			assert.Equal(t, c.want, bad(r), texts(r))
			if len(c.want) > 0 {
				assert.NotEqual(t, Pass, r.Summary.Remapped)
			}
		})
	}
}

// The first process of the container is remapped by its runtime, and another one
// is root of the host: that is not a matter of the runtime.
func TestRuntimeOfItsOwn(t *testing.T) {
	first := proc{pid: 100, container: idWeb, uids: "700000 700000 700000 700000", maps: "0 700000 65536"}
	check := func(second ...proc) Report {
		e := remapped(web(engine.Container{Runtime: "sysbox-runc"}))
		opts := live(t, &e, append([]proc{first}, second...)...)
		opts.Checks = []string{"C01", "C02"}
		return run(t, opts)
	}
	assert.Equal(t, []string{"C02 warn"}, bad(check()))
	r := check(proc{pid: 101, nspid: 2, container: idWeb, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"})
	assert.Equal(t, []string{"C01 fail", "C02 fail"}, bad(r), texts(r))
}

// Two units: which one is meant is asked for, and each can be judged.
func TestChoiceOfUnit(t *testing.T) {
	two := map[string]string{
		"etc/docker/other.json":               `{"userns-remap":"root"}`,
		"etc/systemd/system/docker.service":   "[Service]\nExecStart=/usr/bin/dockerd\n",
		"etc/systemd/system/docker-b.service": "[Service]\nExecStart=/usr/bin/dockerd --config-file=/etc/docker/other.json\n",
	}
	e := remapped(web(engine.Container{}))
	e.PeerPID = 1 // which of the two it is does not show
	for unit, want := range map[string][]string{
		"": {"D01 unknown", "D02 unknown"}, "docker.service": {}, "docker-b": {"I06 fail"},
	} {
		opts := live(t, &e, proc{pid: 100, container: idWeb})
		with(t, opts.Host, two)
		opts.Checks, opts.Daemon.Unit = []string{"D01", "D02", "I06"}, unit
		assert.Equal(t, want, bad(run(t, opts)), unit)
	}
}

// DOCKER_HOST names a socket where nothing listens: the configuration that is
// judged is that of another dockerd.
func TestConfigurationOfADaemonThatWasNotAsked(t *testing.T) {
	opts := live(t, nil, dockerdAt(60))
	opts.Checks = []string{"D01", "D02", "D04"}
	opts.Docker = func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }
	r := run(t, opts)
	assert.Equal(t, []string{"D04 unknown"}, bad(r), texts(r))
	for _, f := range r.Findings[:2] {
		assert.Contains(t, f.Text, "for process 60", f.Check)
	}
}

// An image that Docker comes into later is configured well, and more is not known.
func TestNoDockerdYet(t *testing.T) {
	r := run(t, Options{Host: hosttest.Tree(t, good), Checks: []string{"D01"}})
	require.Len(t, r.Findings, 1)
	assert.Equal(t, Pass, r.Findings[0].Verdict)
	assert.Contains(t, r.Findings[0].Text, "nothing here starts a dockerd yet")
}
