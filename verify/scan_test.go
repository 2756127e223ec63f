package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
)

// hostRoot is a process of a container that was never remapped.
func hostRoot(pid int, id string) proc {
	return proc{pid: pid, container: id, userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295"}
}

// under puts a process into another control group.
func under(t *testing.T, o Options, pid int, group string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(o.Proc.Root, fmt.Sprint(pid), "cgroup"), []byte("0::"+group+"\n"), 0o644))
}

func TestAShimPlayedByAnotherUserHidesNoOrphan(t *testing.T) {
	e := remapped(web(engine.Container{}))
	fine := proc{pid: 100, container: idWeb}
	for name, forger := range map[string]proc{
		"an ordinary user":           {uids: "1000 1000 1000 1000", userNS: hostNS, maps: "0 0 4294967295"},
		"a root of a user namespace": {uids: "1000 1000 1000 1000", maps: "0 1000 1"},
		"a process in a container":   {uids: "0 0 0 0", userNS: hostNS, container: idWeb, maps: "0 0 4294967295"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shim(300, "moby", idOld, "/run/other/containerd.sock")
			s.uids, s.userNS, s.maps, s.container = forger.uids, forger.userNS, forger.maps, forger.container
			for name, orphan := range map[string]proc{
				"host's": hostRoot(200, idOld),
				"from 0": {pid: 200, container: idOld, uids: "0 0 0 0", maps: "0 0 65536"},
			} {
				r := run(t, live(t, &e, fine, orphan, s))
				assert.Contains(t, texts(r), "C03 container/"+engine.ShortID(idOld), name)
				assert.NotContains(t, bad(r), "C03 warn", name)
				assert.Equal(t, Fail, r.Summary.Remapped, name)
			}
		})
	}
}

func TestRootlessDockersContainersAreAnotherDaemons(t *testing.T) {
	e := remapped(web(engine.Container{}))
	s := shim(300, "moby", idOld, "/run/user/1000/docker/containerd/containerd.sock")
	s.uids, s.userNS, s.maps = "1000 1000 1000 1000", 4026532900, "0 1000 1\n1 100000 65536"
	r := run(t, live(t, &e, proc{pid: 100, container: idWeb}, s, proc{pid: 200, container: idOld, uids: "1000 1000 1000 1000", userNS: 4026532900, maps: s.maps}))
	assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
	assert.Equal(t, "yes, for this daemon's containers; another daemon has some too", r.Summary.Text)
}

func TestADockerInAContainerIsNoOrphan(t *testing.T) {
	e := remapped(web(engine.Container{}))
	inner := shim(300, "moby", idOld, "/run/containerd/containerd.sock")
	inner.uids, inner.maps, inner.userNS, inner.container, inner.nspid = "", "", 0, idWeb, 8
	o := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 101, nspid: 9, container: idWeb}, inner)
	under(t, o, 101, "/docker/"+idWeb+"/docker/"+idOld)
	r := run(t, o)
	assert.Empty(t, bad(r), texts(r))
}

func TestAnotherDaemonsHostRootIsFound(t *testing.T) {
	e := remapped(web(engine.Container{}))
	r := run(t, live(t, &e, proc{pid: 100, container: idWeb}, shim(50, "moby", idOld, "/run/other/containerd.sock"), hostRoot(200, idOld)))
	assert.Equal(t, []string{"C01 fail", "C03 warn"}, bad(r), texts(r))
	assert.Equal(t, "no", r.Summary.Text)
}

func TestAnOrphanThatLostItsShimIsFoundWhateverItsGroupIsCalled(t *testing.T) {
	e := remapped(web(engine.Container{}))
	fine := proc{pid: 100, container: idWeb}
	o := live(t, &e, fine, hostRoot(200, idOld))
	under(t, o, 200, "/custom/"+idOld)
	assert.Equal(t, Fail, run(t, o).Summary.Remapped)

	// Somebody else's shim holds it: not one of Docker's.
	o = live(t, &e, fine, hostRoot(200, idOld), shim(50, "default", idOld, "/run/containerd/containerd.sock"))
	under(t, o, 200, "/default/"+idOld)
	r := run(t, o)
	assert.Equal(t, []string{"C03 warn"}, bad(r), texts(r))
}

func TestAContainerInAnothersControlGroupIsItself(t *testing.T) {
	e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "inner", Running: true, PID: 200})
	for _, parent := range []string{idWeb, strings.Repeat("a", 64), "libpod-conmon-" + strings.Repeat("a", 64)} {
		o := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 200, container: idOld})
		under(t, o, 200, "/docker/"+parent+"/"+idOld)
		r := run(t, o)
		assert.Empty(t, bad(r), texts(r))
		assert.Equal(t, 2, r.Coverage.Containers)
	}
}

func TestAMapThatReachesRootFurtherOnIsNoProof(t *testing.T) {
	e := remapped(web(engine.Container{}))
	r := run(t, live(t, &e, proc{pid: 100, container: idWeb, maps: "0 165536 1\n1 0 65535"}))
	assert.True(t, slices.Contains(bad(r), "C02 fail"), texts(r))
	assert.Equal(t, "no", r.Summary.Text)
}
