package userns_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

const fullMap = "         0          0 4294967295\n"

// A fakeProc is one process of a tree that stands for /proc.
type fakeProc struct {
	pid              int
	user, mnt, pidns int // the ends of inode numbers; 0: the host's
	uidMap, gidMap   string
	ids, groups      string
	cgroup           string
	noUserNS, zombie bool
}

// A fakeFile is a file, or a link to text.
type fakeFile struct {
	text string
	link bool
}

func (p fakeProc) files() map[string]fakeFile {
	user, mnt := "4026531837", "4026531832"
	if p.user != 0 {
		user = fmt.Sprint(4026532000 + int64(p.user))
	}
	if p.mnt != 0 {
		mnt = fmt.Sprint(4026532000 + int64(p.mnt))
	}
	pidns := "4026531836"
	if p.pidns != 0 {
		pidns = fmt.Sprint(4026532000 + int64(p.pidns))
	}
	if p.uidMap == "" && p.user == 0 {
		p.uidMap, p.gidMap = fullMap, fullMap
	}
	if p.gidMap == "" {
		p.gidMap = p.uidMap
	}
	if p.ids == "" {
		p.ids = "0\t0\t0\t0"
	}
	if p.cgroup == "" {
		p.cgroup = "0::/system.slice/x.service\n"
	}
	pid := strconv.Itoa(p.pid)
	files := map[string]fakeFile{
		"ns/user": {"user:[" + user + "]", true},
		"ns/mnt":  {"mnt:[" + mnt + "]", true},
		"ns/pid":  {"pid:[" + pidns + "]", true},
		"uid_map": {text: strings.ReplaceAll(p.uidMap, "-", "")},
		"gid_map": {text: strings.ReplaceAll(p.gidMap, "-", "")},
		"cgroup":  {text: p.cgroup},
		"status": {text: "Name:\tp" + pid + "\nState:\tS (sleeping)\nPPid:\t1\nUid:\t" + p.ids +
			"\nGid:\t" + p.ids + "\nGroups:\t" + p.groups + "\nNSpid:\t" + pid + "\n"},
		"mountinfo": {text: "24 30 0:22 / /proc rw,nosuid shared:13 - proc proc rw\n"},
	}
	if p.noUserNS {
		delete(files, "ns/user")
	}
	if p.zombie {
		delete(files, "ns/mnt")
	}
	out := map[string]fakeFile{}
	for name, f := range files {
		out[pid+"/"+name] = f
	}
	return out
}

// fakeFS makes a /proc of the processes, with init and its view.
func fakeFS(t testing.TB, procs ...fakeProc) userns.FS {
	t.Helper()
	text := "-- proc/self -> 1 --\n-- proc/uptime --\n1 2\n"
	for _, p := range append(procs, fakeProc{pid: 1, cgroup: "0::/init.scope\n"}) {
		for name, f := range p.files() {
			if f.link {
				text += "-- proc/" + name + " -> " + f.text + " --\n"
			} else {
				text += "-- proc/" + name + " --\n" + f.text
			}
		}
	}
	return userns.FS{Root: filepath.Join(hosttest.Tree(t, text).Root, "proc")}
}

// collect runs a scan to its end.
func collect(t testing.TB, f userns.FS, opt userns.Options) ([]userns.Process, userns.Coverage) {
	t.Helper()
	var cov userns.Coverage
	opt.Coverage = &cov
	var out []userns.Process
	for p, err := range f.Processes(context.Background(), opt) {
		require.NoError(t, err)
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b userns.Process) int { return a.PID - b.PID })
	requireSum(t, cov)
	return out, cov
}

// requireSum demands that every process seen is accounted for.
func requireSum(t testing.TB, c userns.Coverage) {
	t.Helper()
	require.Equal(t, c.Seen, c.Host+c.Yielded+c.Vanished+c.Denied+c.Foreign+c.Failed, "%+v", c)
}

func pids(procs []userns.Process) []int {
	var out []int
	for _, p := range procs {
		out = append(out, p.PID)
	}
	return out
}

// containers are the states of a host that a scan has to tell apart.
func containers() []fakeProc {
	return []fakeProc{
		{pid: 2},               // of the host
		{pid: 7, mnt: 7},       // a service with a mount namespace of its own
		{pid: 8, zombie: true}, // a zombie of the host: no mount namespace any more
		{pid: 10, cgroup: "0::/docker/" + idA + "\n"},         // in a container by its group alone: --pid=host and nsenter
		{pid: 11, mnt: 1, cgroup: "0::/docker/" + idA + "\n"}, // container root is host root
		{pid: 12, mnt: 2, user: 2, uidMap: "0 100000 65536\n", ids: "100000\t100000\t100000\t100000", groups: "100010 ", cgroup: "0::/docker/" + idB + "\n"},
		{pid: 13, mnt: 2, user: 2, uidMap: "0 100000 65536\n", ids: "101000\t101000\t101000\t101000", cgroup: "0::/docker/" + idB + "\n"},
		{pid: 14, user: 4, uidMap: "-"},       // unshare --user: no map
		{pid: 15, user: 5, uidMap: "0 0 1\n"}, // unshare -r by root
		{pid: 16, user: 6, mnt: 6, zombie: true, uidMap: "0 100000 65536\n", ids: "0\t0\t0\t0"}, // a zombie
	}
}

func TestTheZeroOptionsFindEveryContainerAndEveryNamespace(t *testing.T) {
	procs, cov := collect(t, fakeFS(t, containers()...), userns.Options{})
	// 10 shares the host's mount namespace, and is looked for with All only.
	assert.Equal(t, []int{11, 12, 13, 14, 15, 16}, pids(procs))
	assert.Equal(t, 11, cov.Seen)
	assert.Equal(t, 5, cov.Host)
	assert.Empty(t, cov.Gaps())

	p := procs[1]
	assert.Equal(t, "p12", p.Command)
	assert.Equal(t, byte('S'), p.State)
	assert.EqualValues(t, uint64(4026532002), p.UserNS)
	assert.Equal(t, "0 100000 65536", p.Mapping.String())
	assert.Equal(t, [4]uint32{100000, 100000, 100000, 100000}, p.UID)
	assert.Equal(t, []uint32{100010}, p.Groups)
	assert.Equal(t, idB, p.ContainerID)
	assert.Equal(t, "docker", p.Runtime)
	assert.True(t, procs[3].Mapping.IsZero())

	want := userns.Mapping{UID: mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536}), GID: mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536})}
	for _, p := range procs {
		uids, gids := p.Outside(want)
		if p.PID == 12 || p.PID == 13 {
			assert.Empty(t, uids)
			assert.Empty(t, gids)
			continue
		}
		assert.Equal(t, []uint32{0}, uids, "process %d is host root, namespace or not", p.PID)
		assert.Equal(t, []uint32{0}, gids)
	}
}

// nsenter takes a process of the host into a container without its control group.
func TestAProcessInAContainersNamespacesBelongsToIt(t *testing.T) {
	inA, inB := "0::/docker/"+idA+"\n", "0::/system.slice/docker-"+idB+".scope\n"
	f := fakeFS(t,
		fakeProc{pid: 2}, // of the host
		fakeProc{pid: 3, mnt: 1, pidns: 1, user: 1, uidMap: "0 100000 65536\n"}, // entered all of A, and is before it in the list
		fakeProc{pid: 4, mnt: 2},           // entered B's mounts
		fakeProc{pid: 5, pidns: 2},         // entered B's PIDs only
		fakeProc{pid: 6, mnt: 3, pidns: 3}, // in namespaces that are not a container's
		fakeProc{pid: 20, mnt: 1, pidns: 1, user: 1, uidMap: "0 100000 65536\n", cgroup: inA},
		fakeProc{pid: 21, mnt: 2, pidns: 2, cgroup: inB},
		fakeProc{pid: 22, cgroup: inB}, // went back to the host's own
	)
	entered := map[int]string{}
	for _, opt := range []userns.Options{{}, {All: true}} {
		procs, cov := collect(t, f, opt)
		assert.Empty(t, cov.Gaps())
		clear(entered)
		for _, p := range procs {
			if p.ContainerID != "" && p.Cgroup == "" {
				entered[p.PID] = p.Runtime + " " + p.ContainerID
			}
		}
		assert.Equal(t, map[int]string{3: "docker " + idA, 4: "docker " + idB, 5: "docker " + idB}, entered)
	}
	procs, _ := collect(t, f, userns.Options{})
	assert.Equal(t, []int{3, 4, 5, 20, 21}, pids(procs))
	procs, _ = collect(t, f, userns.Options{NamespacedOnly: true})
	assert.Equal(t, []int{3, 20}, pids(procs))
}

// A runtime's process is in the container's control group before it leaves the
// mount namespace that it shares with the engine. The engine is not in the
// container for that.
func TestAnEngineIsNotInTheContainerThatItStarts(t *testing.T) {
	f := fakeFS(t, fakeProc{pid: 9, mnt: 4}, fakeProc{pid: 20, mnt: 4, cgroup: "0::/docker/" + idA + "\n"}, fakeProc{pid: 21, mnt: 5, cgroup: "0::/docker/" + idA + "\n"})
	var got []int
	for p, err := range f.Processes(t.Context(), userns.Options{}) {
		require.NoError(t, err)
		got = append(got, p.PID)
		if p.PID == 20 { // and now it leaves
			link := filepath.Join(f.Root, "20/ns/mnt")
			require.NoError(t, os.Remove(link))
			require.NoError(t, os.Symlink("mnt:[4026532005]", link))
		}
	}
	assert.ElementsMatch(t, []int{20, 21}, got)
}

// Init may be hidden from root, and the one who looks may be in a container itself. In a
// PID namespace, process 2 is any process.
func TestAKernelThreadShowsTheNamespacesOfTheHost(t *testing.T) {
	for name, c := range map[string]struct {
		flags  string
		noLink int
	}{"kthreadd": {"2129984", 0}, "a process with its number": {"4194560", 2}, "no flags": {"", 2}} {
		t.Run(name, func(t *testing.T) {
			f := fakeFS(t, fakeProc{pid: 2}, fakeProc{pid: 9})
			require.NoError(t, os.Remove(filepath.Join(f.Root, "1/ns/mnt")))
			require.NoError(t, os.Remove(filepath.Join(f.Root, "1/ns/pid")))
			require.NoError(t, os.WriteFile(filepath.Join(f.Root, "2/stat"), []byte("2 (k) S) S 0 0 0 0 -1 "+c.flags+"\n"), 0o644))
			_, cov := collect(t, f, userns.Options{})
			assert.Equal(t, c.noLink, cov.NoLink)
		})
	}
}

func TestOptionsWidenAndNarrowTheScan(t *testing.T) {
	f := fakeFS(t, containers()...)
	procs, _ := collect(t, f, userns.Options{All: true})
	assert.Equal(t, []int{1, 2, 7, 8, 10, 11, 12, 13, 14, 15, 16}, pids(procs))
	assert.Equal(t, idA, procs[4].ContainerID)
	procs, _ = collect(t, f, userns.Options{NamespacedOnly: true})
	assert.Equal(t, []int{12, 13, 14, 15, 16}, pids(procs))
}

func TestAProcessWithoutALinkIsToldByItsMaps(t *testing.T) {
	var procs []fakeProc
	for _, p := range containers() {
		p.noUserNS = true
		procs = append(procs, p)
	}
	got, cov := collect(t, fakeFS(t, procs...), userns.Options{})
	assert.Equal(t, []int{10, 11, 12, 13, 14, 15, 16}, pids(got))
	assert.Empty(t, cov.Gaps(), "nothing was missed: this kernel has no such links")
	for _, p := range got {
		assert.Zero(t, p.UserNS)
	}
}

func TestAFileThatMakesNoSenseIsAnErrorOfThatProcessOnly(t *testing.T) {
	f := fakeFS(t, fakeProc{pid: 20, user: 1, uidMap: "0 zero 1\n"}, fakeProc{pid: 21, user: 2, uidMap: "0 5 1\n"},
		fakeProc{pid: 22, user: 3, uidMap: "0 5 1\n", ids: "1\t2"})
	var cov userns.Coverage
	errs := map[int]string{}
	for p, err := range f.Processes(t.Context(), userns.Options{Coverage: &cov}) {
		if err != nil {
			errs[p.PID] = strings.ReplaceAll(err.Error(), f.Root, "")
			assert.Equal(t, userns.Process{PID: p.PID}, p)
		}
	}
	assert.Equal(t, map[int]string{
		20: `/20/uid_map:1:3: not a valid ID map: "zero" is not a decimal number`,
		22: `/22/status: Uid: 2 numbers instead of 4`,
	}, errs)
	assert.Equal(t, 2, cov.Failed)
	assert.Equal(t, []string{"2 of 4 processes have a file in /proc that could not be understood"}, cov.Gaps())
}

func TestIDsWithNoNumberInOurNamespaceAreAGap(t *testing.T) {
	_, cov := collect(t, fakeFS(t, fakeProc{pid: 20, user: 1, uidMap: "0 4294967295 65536\n"}), userns.Options{})
	assert.Equal(t, []string{"1 of 2 processes use IDs that have no number in this user namespace"}, cov.Gaps())
}

func TestCoverageIsSetWhenTheLoopEndsEarly(t *testing.T) {
	f := fakeFS(t, containers()...)
	var cov userns.Coverage
	for range f.Processes(t.Context(), userns.Options{All: true, Coverage: &cov}) {
		break
	}
	assert.Equal(t, 1, cov.Seen)
	assert.Equal(t, []string{"the scan was ended early"}, cov.Gaps())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cov = userns.Coverage{}
	for p, err := range f.Processes(ctx, userns.Options{Coverage: &cov}) {
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, userns.Process{}, p)
	}
	assert.NotEmpty(t, cov.Gaps())
}

func TestAProcThatIsNotThereIsAnErrorAndNotAnEmptySystem(t *testing.T) {
	n := 0
	for _, err := range (userns.FS{Root: filepath.Join(t.TempDir(), "proc")}).Processes(t.Context(), userns.Options{}) {
		require.ErrorIs(t, err, os.ErrNotExist)
		n++
	}
	assert.Equal(t, 1, n)
}

func TestTheViewSaysWhatItHides(t *testing.T) {
	const host = "-- proc/self -> 9 --\n-- proc/9/ns/user -> user:[4026531837] --\n-- proc/9/ns/pid -> pid:[4026531836] --\n"
	mounts := func(options string) string {
		return "-- proc/9/mountinfo --\n20 1 8:1 / / rw - ext4 /dev/sda rw\n24 30 0:22 / /proc rw - proc proc " + options + "\n"
	}
	status := func(caps, gids string) string {
		return "-- proc/9/status --\nName:\tx\nUid:\t1\t1\t1\t1\nGid:\t5\t5\t5\t5\nGroups:\t" + gids + "\nCapEff:\t" + caps + "\n"
	}
	const none, ptrace = "0000000000000000", "0000000000080000"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"the host's": {host + mounts("rw"), nil},
		"inside a container": {"-- proc/self -> 9 --\n-- proc/9/ns/user -> user:[4026532001] --\n-- proc/9/ns/pid -> pid:[4026532002] --\n" + mounts("rw"),
			[]string{"read from inside user namespace 4026532001: IDs are not the host's", "read from inside PID namespace 4026532002: processes outside it are missing"}},
		"the host's proc in a container": {"-- proc/self -> 9 --\n-- proc/1/ns/pid -> pid:[4026531836] --\n-- proc/9/ns/user -> user:[4026531837] --\n-- proc/9/ns/pid -> pid:[4026532002] --\n" + mounts("rw"), nil},
		"not known":                      {"-- proc/self -> 9 --\n" + mounts("rw"), []string{"the reader's own user namespace is not known, so IDs may not be the host's", "the reader's PID namespace is not known, so processes may be missing"}},
		"hidepid":                        {host + mounts("rw,hidepid=invisible") + status(none, ""), []string{"/proc is mounted with hidepid=invisible: processes of other users are missing; run it as root"}},
		"hidepid=2, old kernel":          {host + mounts("rw,hidepid=2") + status(none, ""), []string{"/proc is mounted with hidepid=2: processes of other users are missing; run it as root"}},
		"hidepid off":                    {host + mounts("rw,hidepid=off") + status(none, ""), nil},
		"hidepid for root":               {host + mounts("rw,hidepid=invisible") + status(ptrace, ""), nil},
		"hidepid but for our group":      {host + mounts("rw,hidepid=invisible,gid=44") + status(none, "7 44"), nil},
		"hidepid for another group":      {host + mounts("rw,hidepid=invisible,gid=44") + status(none, "7"), []string{"/proc is mounted with hidepid=invisible: processes of other users are missing; run it as root"}},
		"ptraceable minds no group":      {host + mounts("rw,hidepid=ptraceable,gid=44") + status(none, "44"), []string{"/proc is mounted with hidepid=ptraceable: processes of other users are missing; run it as root"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := userns.FS{Root: filepath.Join(hosttest.Tree(t, c.text).Root, "proc")}
			v, err := f.View()
			require.NoError(t, err)
			assert.Equal(t, c.want, v.Gaps())
		})
	}
	t.Run("hidepid of a mount that a link leads to", func(t *testing.T) {
		tree := hosttest.Tree(t, host+status(none, "")+mounts("rw")).Root
		more := "25 30 0:22 / " + tree + "/proc rw - proc proc rw,hidepid=2\n"
		info := filepath.Join(tree, "proc/9/mountinfo")
		text, err := os.ReadFile(info)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(info, append(text, more...), 0o644))
		require.NoError(t, os.Symlink("proc", filepath.Join(tree, "link")))
		v, err := userns.FS{Root: filepath.Join(tree, "link")}.View()
		require.NoError(t, err)
		assert.Equal(t, "2", v.HidePID)
	})
	t.Run("mounts that cannot be read are not ones that hide nothing", func(t *testing.T) {
		tree := hosttest.Tree(t, host+status(none, "")+"-- proc/9/mountinfo --\n24 30 0:22 / /proc rw - proc\n").Root
		_, err := userns.FS{Root: filepath.Join(tree, "proc")}.View()
		assert.Error(t, err)
	})
}

func TestMappingOfOneProcess(t *testing.T) {
	f := fakeFS(t, containers()...)
	m, err := f.Mapping(12)
	require.NoError(t, err)
	assert.Equal(t, "0 100000 65536", m.String())
	m, err = f.Mapping(14)
	require.NoError(t, err)
	assert.True(t, m.IsZero())
	_, err = f.Mapping(999)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestShimsOfATree(t *testing.T) {
	argv := "containerd-shim-runc-v2\x00-namespace\x00moby\x00-id\x00" + idA + "\x00"
	tree := hosttest.Tree(t, "-- proc/30/comm --\ncontainerd-shim\n-- proc/30/status --\nUid:\t7\t1000\t8\t9\nGid:\t0\t0\t0\t0\n-- proc/30/cgroup --\n0::/docker/"+idB+"\n-- proc/31/comm --\nsleep\n-- proc/31/status --\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n-- proc/32/comm --\nconmon\n-- proc/32/cmdline --\nx\n")
	root := filepath.Join(tree.Root, "proc")
	for _, name := range []string{"30/cmdline", "31/cmdline"} { // 31 is called otherwise, and plays one
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(argv), 0o644))
	}
	var got []userns.Shim
	for s, err := range (userns.FS{Root: root}).Shims(t.Context()) {
		require.NoError(t, err)
		got = append(got, s)
	}
	assert.Equal(t, []userns.Shim{{PID: 30, Program: "containerd-shim-runc-v2", ContainerID: idA, Namespace: "moby", UID: 1000,
		In: userns.Container{ContainerID: idB, Runtime: "docker", Cgroup: "/docker/" + idB}}}, got)
}
