package userns_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// only is a /proc of ourselves and one process.
func only(t testing.TB, pid int) userns.FS {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"self", strconv.Itoa(pid)} {
		require.NoError(t, os.Symlink("/proc/"+name, filepath.Join(dir, name)))
	}
	return userns.FS{Root: dir}
}

// A process that goes to a namespace of its own while it is read is shown in
// one or the other, never in one with the mapping of the other.
func TestAProcessThatMovesIsShownWhereItIs(t *testing.T) {
	needNamespaces(t)
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("needs the program unshare")
	}
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	all := userns.Extent{Count: top}
	before, after := 0, 0
	for range rounds {
		cmd := exec.Command(unshare, "--map-root-user", "sleep", "0.01")
		require.NoError(t, cmd.Start())
		f, err := proc.Follow(cmd.Process.Pid)
		require.NoError(t, err)
		for {
			p, err, _ := f.Read()
			require.NoError(t, err)
			if p.State == 'Z' {
				break
			}
			home := slices.Equal(p.Mapping.UID.Extents(), []userns.Extent{all})
			require.Equal(t, p.UserNS == userns.InitialUserNS, home, "%+v", p)
			if home {
				before++
			} else {
				after++
			}
		}
		require.NoError(t, cmd.Wait())
		_, _, vanished := f.Read()
		require.True(t, vanished, "it has ended, and whoever has its PID is another")
		f.Close()
	}
	t.Logf("%d times before and %d times after its move", before, after)
	require.Positive(t, before)
	require.Positive(t, after)
}

func TestAPIDThatIsGivenOutAgainDoesNotLeadToItsNewOwner(t *testing.T) {
	hosttest.Need(t, "sleep")
	if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); err != nil {
		t.Skip("PIDs cannot be chosen on this kernel: ", err)
	}
	out, err := child(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}, "reuse").Output()
	require.NoError(t, err)
	if strings.HasPrefix(string(out), "false") {
		t.Skip("another process got the PID")
	}
	assert.Equal(t, "true true true\n", string(out))
}

// The kernel gives the inode number of a namespace that is gone to the next
// one. Two names below a /proc of ours lead to one process first, and when that
// has been read to another one, in a namespace that would get the same number.
func TestANamespaceThatGetsTheNumberOfAnotherIsNotTakenForIt(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	dir := t.TempDir()
	link := func(pid int) {
		os.Remove(filepath.Join(dir, "now"))
		require.NoError(t, os.Symlink("/proc/"+strconv.Itoa(pid), filepath.Join(dir, "now")))
	}
	for name, to := range map[string]string{"self": "/proc/self", "100": "now", "200": "now"} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	spawn := func(n int) *exec.Cmd {
		l := layer{UID: [][3]int{{0, 200000 + n*1000, 1000}}, GID: [][3]int{{0, 200000, 1000}}}
		cmd := child(l.attr(), "wait")
		_, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd
	}
	number := func(cmd *exec.Cmd) string {
		text, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
		require.NoError(t, err)
		return text
	}
	first := spawn(0)
	was := number(first)
	link(first.Process.Pid)
	scan, err := userns.FS{Root: dir}.Scan(userns.Options{})
	require.NoError(t, err)
	t.Cleanup(scan.Close)
	p, err := scan.Process("100")
	require.NoError(t, err)
	require.Equal(t, "0 200000 1000", p.Mapping.UID.String())

	require.NoError(t, first.Process.Kill())
	first.Wait()
	want := ""
	// Those that get another number stay, so that it becomes the lowest free.
	for i := 1; i <= 40; i++ {
		next := spawn(i)
		link(next.Process.Pid)
		want = fmt.Sprintf("0 %d 1000", 200000+i*1000)
		if number(next) == was {
			t.Log("the number was given out again")
			break
		}
	}
	p, err = scan.Process("200")
	require.NoError(t, err)
	require.Equal(t, want, p.Mapping.UID.String())
}

// runc makes a namespace first and writes its maps then.
func TestMapsThatAreWrittenDuringTheScanAreSeen(t *testing.T) {
	f := fakeFS(t, fakeProc{pid: 20, user: 1, uidMap: "-"}, fakeProc{pid: 21, user: 1, uidMap: "-"}, fakeProc{pid: 22, user: 1, uidMap: "-"})
	write := func(name string) {
		for _, pid := range []string{"20", "21", "22"} {
			require.NoError(t, os.WriteFile(filepath.Join(f.Root, pid, name), []byte("0 100000 65536\n"), 0))
		}
	}
	scan, err := f.Scan(userns.Options{})
	require.NoError(t, err)
	t.Cleanup(scan.Close)
	var got []string
	for i, pid := range []string{"20", "21", "22"} {
		p, err := scan.Process(pid)
		require.NoError(t, err)
		got = append(got, p.Mapping.UID.String()+"/"+p.Mapping.GID.String())
		write([]string{"uid_map", "gid_map", "gid_map"}[i])
	}
	assert.Equal(t, []string{"no IDs/no IDs", "0 100000 65536/no IDs", "0 100000 65536/0 100000 65536"}, got)
}

func TestAZombieKeepsItsIDs(t *testing.T) {
	needNamespaces(t)
	cmd := child(ownLayer().attr(), "wait")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Wait() })
	f := only(t, cmd.Process.Pid)
	require.Eventually(t, func() bool {
		procs, _ := collect(t, f, userns.Options{})
		return len(procs) == 1 && procs[0].State == 'Z' && procs[0].UID[0] == uint32(os.Geteuid()) && procs[0].UserNS != userns.InitialUserNS
	}, 5*time.Second, 5*time.Millisecond)
}

func TestDeepSeesAThreadThatRunsAsAnother(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	l := layer{UID: [][3]int{{0, 100000, 100}, {100, 0, 1}}, GID: [][3]int{{0, 100000, 100}}}
	pid, err := strconv.Atoi(start(t, child(l.attr(), "thread", "100"), 1)[0])
	require.NoError(t, err)
	want := userns.Mapping{UID: mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 100}), GID: mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 100})}

	f := only(t, pid)
	procs, _ := collect(t, f, userns.Options{})
	uids, _ := procs[0].Outside(want)
	assert.Empty(t, uids, "the first thread is fine")
	procs, _ = collect(t, f, userns.Options{Deep: true})
	require.Len(t, procs[0].Threads, 1)
	assert.Equal(t, [4]uint32{0, 0, 0, 0}, procs[0].Threads[0].UID)
	uids, gids := procs[0].Outside(want)
	assert.Equal(t, []uint32{0}, uids, "one of its threads is the host's root")
	assert.Empty(t, gids)
}

func TestFromInsideANamespaceTheScanIsNotComplete(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	l := layer{UID: [][3]int{{0, 100000, 65536}}, GID: [][3]int{{0, 100000, 65536}}}
	other := layer{UID: [][3]int{{0, 300000, 65536}}, GID: [][3]int{{0, 300000, 65536}}}
	start(t, child(other.attr(), "wait"), 1)
	out, err := child(l.attr(), "scan", "/proc").Output()
	require.NoError(t, err)
	var got scanned
	require.NoError(t, json.Unmarshal(out, &got))
	requireSum(t, got.Coverage)
	assert.Positive(t, got.Coverage.Foreign, "the host's processes have no number in there")
	gaps := strings.Join(got.Coverage.Gaps(), "\n")
	assert.Contains(t, gaps, "IDs are not the host's")
	assert.Contains(t, gaps, "use IDs that have no number in this user namespace")
}

// Each namespace keeps its own mapping when there are more than a scan keeps
// open, and no more files than that are open at once.
func TestManyNamespacesAreToldApartWithFewOpenFiles(t *testing.T) {
	var procs []fakeProc
	const n = 320
	for i := range n {
		base := strconv.Itoa(100000 + i*1000)
		for k := range 2 {
			procs = append(procs, fakeProc{pid: 1000 + 2*i + k, user: 1 + i, uidMap: "0 " + base + " 1000\n", ids: strings.TrimSpace(strings.Repeat(base+"\t", 4))})
		}
	}
	f := fakeFS(t, procs...)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	most, seen := 0, 0
	for p, err := range f.Processes(t.Context(), userns.Options{}) {
		require.NoError(t, err)
		host, ok := p.Mapping.UID.ToHost(0)
		require.True(t, ok)
		require.EqualValues(t, 100000+(p.PID-1000)/2*1000, host)
		if seen++; seen%80 == 0 {
			open, err := os.ReadDir("/proc/self/fd")
			require.NoError(t, err)
			most = max(most, len(open))
		}
	}
	require.Equal(t, 2*n, seen)
	assert.Less(t, most, 600)
}

// What a scan holds does not grow with the number of processes.
func TestAScanOfManyProcessesHoldsNoMoreThanOneOfFew(t *testing.T) {
	var procs []fakeProc
	for i := range 1200 {
		procs = append(procs, fakeProc{pid: 1000 + i, user: 1 + i%20, uidMap: "0 100000 65536\n"})
	}
	f := fakeFS(t, procs...)
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	n := 0
	var early, late uint64
	for _, err := range f.Processes(t.Context(), userns.Options{}) {
		require.NoError(t, err)
		switch n++; n {
		case 300:
			early = held()
		case 1100:
			late = held()
		}
	}
	require.Equal(t, 1200, n)
	t.Logf("%d bytes after 300 processes, %d after 1100", early, late)
	assert.Less(t, late, early+64<<10)
}

// A process may have the longest list of groups that Linux knows.
func TestAProcessInEveryGroupThereIsCanBeRead(t *testing.T) {
	var groups bytes.Buffer
	for i := range 65536 {
		fmt.Fprintf(&groups, "%d ", 4_000_000_000+int64(i))
	}
	f := fakeFS(t, fakeProc{pid: 20, user: 1, uidMap: "0 100000 65536\n", groups: groups.String()})
	procs, _ := collect(t, f, userns.Options{})
	require.Len(t, procs[0].Groups, 65536)

	// A file without end is an error, not a lot of memory.
	require.NoError(t, os.WriteFile(filepath.Join(f.Root, "20/cgroup"), bytes.Repeat([]byte("x"), 3<<20), 0o644))
	for _, err := range f.Processes(context.Background(), userns.Options{}) {
		require.ErrorContains(t, err, "/20/cgroup: file too large")
	}
}
