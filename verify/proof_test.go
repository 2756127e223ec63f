package verify

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
)

// docker run --userns=host --user 165536:165536: its IDs are of the range, and
// it is in the host's user namespace all the same.
func TestAContainerInTheHostsNamespaceIsNotRemappedWhateverItsIDs(t *testing.T) {
	e := remapped(web(engine.Container{Userns: "host", User: "165536:165536"}))
	opts := live(t, &e, proc{pid: 100, container: idWeb, userNS: hostNS, uids: "165536 165536 165536 165536", maps: "0 0 4294967295"})
	r := run(t, opts)
	assert.Equal(t, Fail, r.Summary.Remapped)
	assert.Contains(t, bad(r), "C01 fail")
	assert.Contains(t, texts(r), "process 100 (sleep) is in the host's user namespace")

	opts.Allow = []Allowance{{What: UsernsHost, Subject: "web"}}
	r = run(t, opts)
	assert.Equal(t, "yes, except for what was allowed", r.Summary.Text)
}

// The process that the daemon started went to another control group, and one of
// its children is remapped.
func TestAFirstProcessThatLeftItsControlGroupIsNotOverlooked(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, hostRoot(100, idWeb), proc{pid: 101, nspid: 2, container: idWeb})
	under(t, opts, 100, "/moved")
	r := run(t, opts)
	assert.Equal(t, Fail, r.Summary.Remapped, "its mount namespace tells whose it is: %s", texts(r))

	relink(t, opts, "100/ns/mnt", "mnt:[4026531841]") // and left that too
	relink(t, opts, "100/ns/pid", "pid:[4026531836]")
	r = run(t, opts)
	assert.Equal(t, Unknown, r.Summary.Remapped, texts(r))
	assert.Equal(t, 3, exit(r))
	assert.Contains(t, texts(r), "process 100, which the daemon started it with, is not in its control group")

	require.NoError(t, os.RemoveAll(filepath.Join(opts.Proc.Root, "100"))) // it has ended, and came back as another
	assert.Equal(t, Pass, run(t, opts).Summary.Remapped)
}

// dockerd --containerd-namespace=mine keeps its containers under that name.
func TestAnOrphanInANamespaceOfAnotherNameIsFound(t *testing.T) {
	for name, c := range map[string]struct{ now, conf, orphan string }{
		"the daemon's":      {"mine", "", "mine"},
		"before remapping":  {"mine-165536.165536", "", "mine"},
		"with another map":  {"mine-165536.165536", "", "mine-300000.300000"},
		"with a dash":       {"my-own-165536.165536", "", "my-own"},
		"of daemon.json":    {"", "mine", "mine"},
		"Docker's usual":    {"moby-165536.165536", "", "moby"},
		"under its old one": {"mine", "", "moby"},
	} {
		t.Run(name, func(t *testing.T) {
			e := remapped(web(engine.Container{}))
			e.Namespace = c.now
			opts := live(t, &e, proc{pid: 100, container: idWeb}, shim(50, c.orphan, idOld, e.Containerd), hostRoot(200, idOld))
			under(t, opts, 200, "/custom/"+idOld)
			if c.conf != "" {
				with(t, opts.Host, map[string]string{"etc/docker/daemon.json": `{"userns-remap": "default", "containerd-namespace": "` + c.conf + `"}`})
			}
			r := run(t, opts)
			assert.Equal(t, Fail, r.Summary.Remapped)
			assert.Subset(t, bad(r), []string{"C01 fail", "C02 fail", "C03 fail"})
		})
	}
	// Those of others on the same containerd are none of Docker's.
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb}, shim(50, "k8s.io", idOld, e.Containerd), hostRoot(200, idOld))
	under(t, opts, 200, "/kubepods/"+idOld)
	assert.Equal(t, []string{"C03 warn"}, bad(run(t, opts)))
}

// A second socket that daemon.json names gives the daemon away like the first.
func TestASocketThatDaemonJSONNamesIsKnown(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	root := opts.Host.Root
	with(t, opts.Host, map[string]string{
		"srv/x":                  "x",
		"etc/docker/daemon.json": `{"userns-remap": "default", "hosts": ["unix:///run/docker.sock", "unix:///srv/d.sock"]}`,
		"proc/self/mountinfo":    "1 1 8:1 " + root + " " + root + " rw - ext4 /dev/sda1 rw\n1 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
		"proc/100/mountinfo":     "1 1 0:50 / / rw - overlay overlay rw\n2 1 8:1 " + root + "/srv /sock rw - ext4 /dev/sda1 rw\n",
		"proc/100/root/x":        "x",
	})
	require.NoError(t, os.Symlink(filepath.Join(root, "srv"), filepath.Join(opts.Proc.Root, "100/root/sock")))
	l, err := net.Listen("unix", filepath.Join(root, "srv/d.sock"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	require.NoError(t, os.Chmod(filepath.Join(root, "srv/d.sock"), 0o666))
	assert.Contains(t, bad(run(t, opts)), "C07 fail")
}

func TestNoAllowanceMakesADaemonThatDoesNotRemapOneThatDoes(t *testing.T) {
	e := remapped()
	e.SecurityOptions, e.RootDir, e.Namespace = nil, "/var/lib/docker", "moby"
	opts := live(t, &e)
	opts.Allow = []Allowance{{What: "D05", Subject: "docker"}, {What: "D06", Subject: "docker"}}
	r := run(t, opts)
	assert.Equal(t, Fail, r.Summary.Remapped)
	assert.Equal(t, "no", r.Summary.Text)
}

// Only what was allowed of the proof itself is told beside its answer.
func TestAnAllowanceElsewhereDoesNotHideAnotherDaemon(t *testing.T) {
	e := remapped(web(engine.Container{}))
	e.Authz = nil
	other := shim(300, "moby-100000.100000", idOld, "/run/other/containerd.sock")
	opts := live(t, &e, proc{pid: 100, container: idWeb}, other, proc{pid: 200, container: idOld})
	opts.Allow = []Allowance{{What: "D11", Subject: "docker"}}
	r := run(t, opts)
	assert.Equal(t, 1, r.Summary.Allowed)
	assert.Equal(t, Warn, r.Summary.Remapped, texts(r))
	assert.Contains(t, r.Summary.Text, "another daemon has some too")
}

// The first extent is the one that the daemon says, and the next one is alice.
func TestAMapThatHoldsAnAccountIsNotTheDaemons(t *testing.T) {
	e := remapped(web(engine.Container{}))
	r := run(t, live(t, &e, proc{pid: 100, container: idWeb, maps: "0 165536 1\n1 1000 65535"}))
	assert.Contains(t, bad(r), "C02 fail", texts(r))
	assert.Equal(t, Fail, r.Summary.Remapped)
	assert.Contains(t, texts(r), "has a map with the user alice of the host (1000): it can become them")
}
