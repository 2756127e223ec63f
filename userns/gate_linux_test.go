package userns_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// hostFS is a /proc of init and n processes of the host that have three links
// each and nothing else: a scan that reads more than those of them fails.
func hostFS(t testing.TB, n int) userns.FS {
	t.Helper()
	f := fakeFS(t)
	for pid := range n {
		dir := filepath.Join(f.Root, fmt.Sprint(1000+pid), "ns")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.Symlink("user:[4026531837]", filepath.Join(dir, "user")))
		require.NoError(t, os.Symlink("mnt:[4026531832]", filepath.Join(dir, "mnt")))
		require.NoError(t, os.Symlink("pid:[4026531836]", filepath.Join(dir, "pid")))
	}
	return f
}

// A process of the host costs its name, the path of each link that is read, and
// no other file.
func TestAProcessOfTheHostCostsItsLinksOnly(t *testing.T) {
	const few, many = 64, 320
	for name, c := range map[string]struct {
		opt  userns.Options
		most float64 // allocations a process
	}{
		"namespaced only": {userns.Options{NamespacedOnly: true}, 2},
		"default":         {userns.Options{}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			allocs := func(n int) float64 {
				f := hostFS(t, n)
				procs, cov := collect(t, f, c.opt)
				require.Empty(t, procs)
				require.Equal(t, n+1, cov.Host)
				return testing.AllocsPerRun(5, func() {
					for range f.Processes(t.Context(), c.opt) {
						panic("not reached")
					}
				})
			}
			each := (allocs(many) - allocs(few)) / (many - few)
			t.Logf("%.2f allocations a process", each)
			assert.LessOrEqual(t, each, c.most+0.1, "the list of names grows now and then")
		})
	}
}

// A reader inside a container is not of the host. Its mount namespace is not
// taken for the host's, which init shows then.
func TestAReaderInAContainerLearnsFromInitWhatIsOfTheHost(t *testing.T) {
	f := hostFS(t, 3)
	for pid, cgroup := range map[string]string{"40": "0::/docker/" + idA + "\n", "41": "0::/docker/" + idB + "\n"} {
		for name, text := range (fakeProc{pid: 40, mnt: 4, cgroup: cgroup}).files() {
			name = filepath.Join(f.Root, pid, strings.TrimPrefix(name, "40/"))
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			if text.link {
				require.NoError(t, os.Symlink(text.text, name))
			} else {
				require.NoError(t, os.WriteFile(name, []byte(text.text), 0o644))
			}
		}
	}
	self := filepath.Join(f.Root, "self")
	require.NoError(t, os.Remove(self))
	require.NoError(t, os.Symlink("40", self))
	procs, cov := collect(t, f, userns.Options{})
	assert.Equal(t, []int{40, 41}, pids(procs))
	assert.Equal(t, 4, cov.Host)
}

// Files of /proc are not closed by the garbage collector. They are closed
// however a process or a scan ends.
func TestNoScanLeavesAFileOpen(t *testing.T) {
	procs := containers()
	procs = append(procs,
		fakeProc{pid: 20, user: 20, uidMap: "0 zero 1\n"},
		fakeProc{pid: 21, user: 21, uidMap: "0 5 1\n", gidMap: "0 zero 1\n"},
		fakeProc{pid: 22, user: 22, uidMap: "0 5 1\n", ids: "1\t2"},
		fakeProc{pid: 23, user: 23, uidMap: "0 4294967295 1\n"},
		fakeProc{pid: 24, noUserNS: true},
		fakeProc{pid: 25, noUserNS: true, user: 25, uidMap: "0 5 1\n"})
	f := fakeFS(t, procs...)
	write := func(name, text string) {
		name = filepath.Join(f.Root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("12/task/13/status", "Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n")
	write("13/task/13/status", "Uid:\t1\n") // an error of a thread
	write("30/comm", "containerd-shim\n")
	write("30/cmdline", "containerd-shim-runc-v2\x00-id\x00"+idA+"\x00")
	write("31/comm", "conmon\n") // and no arguments
	require.NoError(t, os.Remove(filepath.Join(f.Root, "14/gid_map")))
	require.NoError(t, os.Remove(filepath.Join(f.Root, "15/gid_map")))
	require.NoError(t, os.Symlink("gid_map", filepath.Join(f.Root, "15/gid_map"))) // cannot be opened

	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(fds)
	}
	before := open()
	for _, opt := range []userns.Options{{}, {All: true}, {NamespacedOnly: true}, {Deep: true}} {
		yielded := 0
		for range f.Processes(t.Context(), opt) {
			yielded++
		}
		assert.Equal(t, before, open(), "%+v", opt)
		for stop := range yielded {
			for range f.Processes(t.Context(), opt) {
				if stop--; stop < 0 {
					break
				}
			}
		}
		assert.Equal(t, before, open(), "%+v, ended early", opt)
	}
	for range f.Shims(t.Context()) {
		break
	}
	for range f.Shims(t.Context()) {
	}
	for _, p := range procs {
		_, _ = f.Mapping(p.pid)
	}
	_, _ = f.View()
	assert.Equal(t, before, open())
}

// Whoever is in a namespace of its own and is shown no links tells the
// processes of that one by its map.
func TestWithoutLinksTheReadersOwnMapTellsWhoIsOfTheHost(t *testing.T) {
	const own = "0 100000 65536\n"
	f := fakeFS(t, fakeProc{pid: 20, noUserNS: true, uidMap: own}, fakeProc{pid: 21, noUserNS: true, uidMap: "0 200000 65536\n"},
		fakeProc{pid: 22, noUserNS: true}, fakeProc{pid: 23, noUserNS: true, uidMap: own, cgroup: "0::/docker/" + idA + "\n"})
	for _, name := range []string{"1/uid_map", "1/gid_map"} {
		require.NoError(t, os.WriteFile(filepath.Join(f.Root, name), []byte(own), 0o644))
	}
	procs, _ := collect(t, f, userns.Options{})
	assert.Equal(t, []int{21, 22, 23}, pids(procs))
	procs, _ = collect(t, f, userns.Options{NamespacedOnly: true})
	assert.Equal(t, []int{21, 22}, pids(procs))
}

// Root's view does not depend on the mounts, of which a host of containers has
// many.
func TestOnlyAReaderWhomHidepidConcernsReadsTheMounts(t *testing.T) {
	const self = "-- proc/self -> 9 --\n-- proc/9/ns/user -> user:[4026531837] --\n-- proc/9/ns/pid -> pid:[4026531836] --\n"
	const hidden = "-- proc/9/mountinfo --\n24 30 0:22 / /proc rw - proc proc rw,hidepid=2\n"
	const root = "-- proc/9/status --\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n"
	view := func(text string) (userns.View, error) {
		return userns.FS{Root: filepath.Join(hosttest.Tree(t, text).Root, "proc")}.View()
	}
	v, err := view(self + root)
	require.NoError(t, err)
	assert.Empty(t, v.Gaps())
	for _, caps := range []string{"000001fffff7ffff", "", "-1", "everything"} {
		user := strings.ReplaceAll(root, "000001ffffffffff", caps)
		v, err = view(self + user + strings.ReplaceAll(hidden, "hidepid=2", "hidepid=2,gid=5"))
		require.NoError(t, err)
		assert.Equal(t, "2", v.HidePID, caps)
	}
	_, err = view(self + hidden)
	require.ErrorIs(t, err, fs.ErrNotExist, "who we are cannot be told")
}
