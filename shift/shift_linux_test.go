package shift_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
)

// TestMain lets the test program also be the one that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "shift-test-child" {
		if err := childMain(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosttest.Alone()
	os.Exit(m.Run())
}

func childMain(verb, dir, state string) error {
	opt := shift.Options{State: state, Accept: []string{shift.RiskInUse, shift.RiskImmutable}}
	from, to := ranges(0, 100000)
	switch verb {
	case "copy":
		opt.Into = dir + ".copy"
		fallthrough
	case "run":
		job, err := shift.Plan(context.Background(), dir, from, to, opt)
		if err == nil {
			_, err = shift.Run(context.Background(), job, nil)
		}
		return err
	case "undo":
		_, err := shift.Undo(context.Background(), shift.Job{Dir: dir, From: from, To: to, Options: opt}, nil)
		return err
	}
	panic("BUG: no such child: " + verb)
}

func ranges(from, to uint32) (a, b userns.Mapping) {
	one := func(host uint32) userns.Mapping {
		m, err := userns.NewMap(userns.Extent{ID: 0, HostID: host, Count: 65536})
		if err != nil {
			panic(err)
		}
		return userns.Mapping{UID: m, GID: m}
	}
	return one(from), one(to)
}

// fileSystems are directories on file systems of several kinds.
func fileSystems(t *testing.T) map[string]string {
	t.Helper()
	hosttest.Need(t)
	made := map[string]string{}
	dir, err := os.MkdirTemp("/var/tmp", "shift-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	made["var-tmp"] = dir
	mount := func(name, source, fstype, data string) {
		at := t.TempDir()
		if err := unix.Mount(source, at, fstype, 0, data); err != nil {
			t.Logf("%s is not tested: %v", name, err)
			return
		}
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
		made[name] = at
	}
	mount("tmpfs", "tmpfs", "tmpfs", "")
	for _, name := range []string{"ext4", "xfs"} {
		if loop := loopImage(t, name); loop != "" {
			mount(name, loop, name, "")
		}
	}
	for name, dir := range made {
		tree := filepath.Join(dir, "tree")
		require.NoError(t, os.Mkdir(tree, 0o755))
		made[name] = tree
	}
	return made
}

// loopImage returns a loop device with a new file system, or nothing.
func loopImage(t *testing.T, fstype string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(400<<20))
	require.NoError(t, f.Close())
	if out, err := exec.Command("mkfs."+fstype, image).CombinedOutput(); err != nil {
		t.Logf("%s is not tested: %v: %s", fstype, err, out)
		return ""
	}
	out, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Logf("%s is not tested: losetup: %v", fstype, err)
		return ""
	}
	loop := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "--detach", loop).Run() })
	return loop
}

// plant makes a tree of everything that there is, owned by IDs from base on.
func plant(t *testing.T, dir string, base int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	id := func() int { return base + []int{0, 1, 33, 1000, 65535}[r.IntN(5)] }
	own := func(path string) { require.NoError(t, os.Lchown(path, id(), id())) }
	dirs := []string{dir}
	odd := []string{"plain", "two words", "new\nline", "\xff\xfe not UTF-8", "-rf", "ünï", ".hidden", "quote\"'", "back\\slash"}
	deep := dir
	for i := range 25 {
		deep = filepath.Join(deep, fmt.Sprintf("deep-%d-%s", i, strings.Repeat("x", 100)))
		require.NoError(t, os.Mkdir(deep, 0o755))
		dirs = append(dirs, deep)
	}
	for i := range 12 {
		d := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("%s-%d", odd[r.IntN(len(odd))], i))
		if os.Mkdir(d, 0o755) == nil {
			dirs = append(dirs, d)
		}
	}
	for i := range 80 {
		p := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("%s %d", odd[r.IntN(len(odd))], i))
		switch r.IntN(10) {
		case 0:
			if os.Symlink([]string{"/etc/passwd", "..", "nowhere", "/"}[r.IntN(4)], p) != nil {
				continue
			}
		case 1:
			if unix.Mkfifo(p, 0o640) != nil {
				continue
			}
		case 2:
			if unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) != nil {
				continue
			}
		case 3:
			f, err := os.Create(p)
			if err != nil {
				continue
			}
			require.NoError(t, f.Truncate(1<<20))
			f.WriteAt([]byte("end"), 1<<20-3)
			f.Close()
		default:
			if os.WriteFile(p, fmt.Appendf(nil, "content %d", i), 0o644) != nil {
				continue
			}
		}
		own(p)
		info, err := os.Lstat(p)
		require.NoError(t, err)
		if !info.Mode().IsRegular() {
			continue
		}
		switch r.IntN(6) {
		case 0:
			require.NoError(t, unix.Chmod(p, []uint32{0o4755, 0o2755, 0o6711, 0o2644, 0o1644, 0o4000}[r.IntN(6)]))
		case 1:
			setCap(t, p, base)
		case 2:
			setACL(t, p, "access", base)
		case 3:
			_ = unix.Setxattr(p, "user.note", []byte("kept"), 0)
		case 4:
			_ = os.Link(p, filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("link %d", i)))
		}
	}
	both := filepath.Join(dir, "setuid with capabilities and an ACL")
	require.NoError(t, os.WriteFile(both, []byte("x"), 0o755))
	own(both)
	setACL(t, both, "access", base)
	require.NoError(t, unix.Chmod(both, 0o6755))
	setCap(t, both, base)
	require.NoError(t, os.Link(both, filepath.Join(dir, "the same again")))
	for i, kind := range []uint32{unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR, unix.S_IFBLK} { // the device 0:0 is a whiteout
		p := filepath.Join(dir, fmt.Sprintf("kind %d", i))
		require.NoError(t, unix.Mknod(p, kind|0o600, 0))
		own(p)
		setACL(t, p, "access", base)
		require.NoError(t, unix.Chmod(p, 0o6750))
		require.NoError(t, unix.Setxattr(p, "trusted.overlay.opaque", []byte("y"), 0))
	}
	for i, when := range []time.Time{time.Unix(-1, 999999999), time.Unix(-1<<31, 0), time.Date(2300, 1, 1, 0, 0, 0, 7, time.UTC)} {
		at, err := unix.TimeToTimespec(when)
		if err != nil {
			continue // a 32-bit system
		}
		p := filepath.Join(dir, fmt.Sprintf("time %d", i))
		require.NoError(t, os.WriteFile(p, nil, 0o644))
		own(p)
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{at, at}, 0))
	}
	for i, d := range dirs {
		if i%3 == 0 {
			setACL(t, d, "default", base)
			setACL(t, d, "access", base)
		}
		own(d)
		require.NoError(t, unix.Chmod(d, []uint32{0o755, 0o2775, 0o1777, 0o000, 0o700}[r.IntN(5)]))
	}
	past := time.Now().Add(-100 * time.Hour).Truncate(time.Second)
	for _, d := range dirs {
		require.NoError(t, os.Chtimes(d, past, past))
	}
}

func setCap(t *testing.T, path string, root int) {
	t.Helper()
	value := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	value = append(value, 0x00, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // CAP_NET_RAW
	if root != 0 {
		value[3] = 3
		value = binary.LittleEndian.AppendUint32(value, uint32(root))
	}
	require.NoError(t, unix.Setxattr(path, "security.capability", value, 0))
}

func setACL(t *testing.T, path, kind string, base int) {
	t.Helper()
	value := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{0x01, 7, 1<<32 - 1}, {0x02, 6, uint32(base + 33)}, {0x02, 4, 3000000}, {0x04, 5, 1<<32 - 1}, {0x08, 4, uint32(base + 1000)}, {0x10, 7, 1<<32 - 1}, {0x20, 1, 1<<32 - 1}} {
		value = binary.LittleEndian.AppendUint16(value, uint16(e[0]))
		value = binary.LittleEndian.AppendUint16(value, uint16(e[1]))
		value = binary.LittleEndian.AppendUint32(value, e[2])
	}
	require.NoError(t, unix.Setxattr(path, "system.posix_acl_"+kind, value, 0))
}

// snapshot is all that a tree has, but for ctime.
func snapshot(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	inodes := map[uint64]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		same := ""
		if d.Type().IsRegular() && st.Nlink > 1 {
			if inodes[st.Ino] == "" {
				inodes[st.Ino] = name
			}
			same = " same as " + inodes[st.Ino]
		}
		text := fmt.Sprintf("%o %d:%d rdev %d size %d blocks %d mtime %d.%d%s", st.Mode, st.Uid, st.Gid, st.Rdev, st.Size, st.Blocks, st.Mtim.Sec, st.Mtim.Nsec, same)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		case d.Type().IsRegular():
			text += fmt.Sprintf(" atime %d.%d", st.Atim.Sec, st.Atim.Nsec)
			f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOATIME, 0)
			if err != nil {
				return err
			}
			data := make([]byte, st.Size)
			_, err = f.ReadAt(data, 0)
			f.Close()
			if err != nil && st.Size > 0 {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		buf := make([]byte, 4096)
		n, err := unix.Llistxattr(path, buf)
		if err != nil && err != unix.ENOTSUP {
			return err
		}
		attrs := strings.Split(strings.TrimSuffix(string(buf[:max(n, 0)]), "\x00"), "\x00")
		slices.Sort(attrs) // a file system lists them in any order
		for _, attr := range attrs {
			if attr == "" || strings.HasPrefix(attr, "trusted.SGI_ACL_") { // xfs shows the lists once more, as it stores them
				continue
			}
			value := make([]byte, 4096)
			n, err := unix.Lgetxattr(path, attr, value)
			if err != nil {
				return fmt.Errorf("%s of %q: %w", attr, path, err)
			}
			text += fmt.Sprintf("\n\t%s=%x", attr, value[:n])
		}
		all[name] = text
		return nil
	}))
	return all
}

// requireSame compares snapshots, and shows the first file that differs.
func requireSame(t testing.TB, want, got map[string]string, what ...any) {
	t.Helper()
	require.Len(t, got, len(want), what...)
	for name, text := range want {
		require.Equal(t, text, got[name], "%q %v", name[max(0, len(name)-80):], what)
	}
}

// throughKernel is the snapshot of a tree as the kernel shows it idmapped.
func throughKernel(t *testing.T, dir string, from, to userns.Mapping) map[string]string {
	t.Helper()
	return throughKernelOf(t, dir, from, to, 3000000)
}

// throughKernelOf has another owner in neither range.
func throughKernelOf(t *testing.T, dir string, from, to userns.Mapping, other uint32) map[string]string {
	t.Helper()
	f, g := from.UID.Extents()[0], to.UID.Extents()[0]
	m, err := userns.NewMap(userns.Extent{ID: f.HostID, HostID: g.HostID, Count: f.Count}, userns.Extent{ID: other, HostID: other, Count: 1})
	require.NoError(t, err)
	tree, err := idmap.Clone(t.Context(), dir, userns.Mapping{UID: m, GID: m})
	require.NoError(t, err)
	defer tree.Close()
	at := t.TempDir()
	require.NoError(t, tree.Attach(at))
	defer unix.Unmount(at, unix.MNT_DETACH)
	return snapshot(t, at)
}

func options(t *testing.T) shift.Options {
	return shift.Options{State: filepath.Join(t.TempDir(), "state"), Accept: []string{shift.RiskInUse}}
}

func mustRun(t *testing.T, dir string, from, to userns.Mapping, opt shift.Options) shift.Job {
	t.Helper()
	job, err := shift.Plan(t.Context(), dir, from, to, opt)
	require.NoError(t, err)
	job, err = shift.Run(t.Context(), job, nil)
	require.NoError(t, err)
	require.Equal(t, shift.StateDone, job.State)
	return job
}

func TestTheTreeIsWhatTheKernelShowsIdmapped(t *testing.T) {
	for name, dir := range fileSystems(t) {
		for i, c := range [][2]uint32{{0, 100000}, {200000, 300000}, {100000, 0}} {
			t.Run(fmt.Sprintf("%s/%d to %d", name, c[0], c[1]), func(t *testing.T) {
				tree := filepath.Join(dir, strconv.Itoa(i))
				require.NoError(t, os.Mkdir(tree, 0o755))
				plant(t, tree, int(c[0]), uint64(i))
				from, to := ranges(c[0], c[1])
				opt := options(t)
				before := snapshot(t, tree)
				want := throughKernel(t, tree, from, to)

				job := mustRun(t, tree, from, to, opt)
				requireSame(t, want, snapshot(t, tree))
				assert.Equal(t, len(before), job.Report.Files)
				assert.Zero(t, job.Report.Todo)

				t.Run("again", func(t *testing.T) {
					job, err := shift.Plan(t.Context(), tree, from, to, opt)
					require.NoError(t, err)
					assert.Zero(t, job.Report.Todo)
					_, err = shift.Run(t.Context(), job, nil)
					require.NoError(t, err)
					requireSame(t, want, snapshot(t, tree))
				})
				t.Run("undo", func(t *testing.T) {
					for range 2 { // the second time there is nothing to do
						back, err := shift.Undo(t.Context(), job, nil)
						require.NoError(t, err)
						assert.Equal(t, shift.StateDone, back.State)
						requireSame(t, before, snapshot(t, tree))
					}
				})
			})
		}
	}
}

// The maps have extents of unequal size, other ones for groups, and the owners are at
// their edges.
func TestSeveralExtentsAreWhatTheKernelShowsIdmapped(t *testing.T) {
	type ext = [3]uint32
	one := func(list []ext) userns.Map {
		var extents []userns.Extent
		for _, e := range list {
			extents = append(extents, userns.Extent{ID: e[0], HostID: e[1], Count: e[2]})
		}
		m, err := userns.NewMap(extents...)
		require.NoError(t, err)
		return m
	}
	mapping := func(uid, gid []ext) userns.Mapping { return userns.Mapping{UID: one(uid), GID: one(gid)} }
	const low, other = 4294901759, 3000000
	from := mapping([]ext{{0, low, 1000}, {1000, 500000, 1}, {5000, 4294967294, 1}}, []ext{{0, 0, 100}, {200, 100, 100}})
	to := mapping([]ext{{0, 100000, 500}, {500, 200000, 500}, {1000, 7, 1}, {5000, 4294967293, 1}}, []ext{{0, 300000, 100}, {200, 400000, 100}})
	kernel := mapping([]ext{{low, 100000, 500}, {low + 500, 200000, 500}, {500000, 7, 1}, {4294967294, 4294967293, 1}, {other, other, 1}},
		[]ext{{0, 300000, 100}, {100, 400000, 100}, {other, other, 1}})
	for name, dir := range fileSystems(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.Chown(dir, 500000, 0))
			for _, uid := range []uint32{low, low + 499, low + 500, low + 999, 500000, 4294967294, other} {
				for _, gid := range []uint32{0, 99, 100, 199, other} {
					path := filepath.Join(dir, fmt.Sprint(uid, "-", gid))
					require.NoError(t, os.WriteFile(path, nil, 0o644))
					require.NoError(t, unix.Lchown(path, int(uid), int(gid)))
					require.NoError(t, unix.Chmod(path, 0o6755))
				}
			}
			before := snapshot(t, dir)
			tree, err := idmap.Clone(t.Context(), dir, kernel)
			require.NoError(t, err)
			defer tree.Close()
			at := t.TempDir()
			require.NoError(t, tree.Attach(at))
			want := snapshot(t, at)
			require.NoError(t, unix.Unmount(at, unix.MNT_DETACH))
			job := mustRun(t, dir, from, to, options(t))
			requireSame(t, want, snapshot(t, dir))
			_, err = shift.Undo(t.Context(), job, nil)
			require.NoError(t, err)
			requireSame(t, before, snapshot(t, dir))
		})
	}
}

// calls are the system calls of a job that a kill may come before.
var calls = []string{"openat2", "fchownat", "setxattr", "fchmodat", "fsync", "write", "renameat", "syncfs", "ioctl", "flock", "ftruncate", "mkdirat"}

func TestAKillBeforeAnyCallIsMended(t *testing.T) {
	hosttest.Need(t, "strace")
	base, err := os.MkdirTemp("/var/tmp", "shift-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	long := strings.Repeat("x", 160) // so that a directory is worth giving to the other worker
	fixed := "one/fixed" + long
	small := func(t *testing.T) string {
		dir, err := os.MkdirTemp(base, "tree")
		require.NoError(t, err)
		for _, name := range []string{"one/setuid" + long, "one/setgid" + long, "one/plain" + long, "one/acl" + long, fixed, "one/more" + long, "two/setuid", "two/acl", "two/setgid"} {
			path := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("text"), 0o644))
			require.NoError(t, os.Chown(path, 33, 0))
			switch name[4:6] {
			case "ac":
				setACL(t, path, "access", 0)
				require.NoError(t, unix.Chmod(path, 0o600))
			case "se":
				require.NoError(t, unix.Chmod(path, map[string]uint32{"u": 0o4755, "g": 0o2755}[name[7:8]]))
				if name[7] == 'g' {
					setCap(t, path, 0)
				}
			case "fi":
				require.NoError(t, unix.Chmod(path, 0o6755))
			}
			require.NoError(t, os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)))
		}
		chattr(t, filepath.Join(dir, fixed), "+i")
		for _, name := range []string{"one", "two", "."} {
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), time.Unix(1e9, 0), time.Unix(1e9, 0)))
		}
		t.Cleanup(func() { exec.Command("chattr", "-i", filepath.Join(dir, fixed)).Run() })
		return dir
	}
	tree := small(t)
	before := snapshot(t, tree)
	from, to := ranges(0, 100000)
	want := throughKernel(t, tree, from, to)
	self, err := os.Executable()
	require.NoError(t, err)
	kills, workers := 0, 0
	trace := filepath.Join(base, "trace")
	for _, verb := range []string{"run", "undo", "run, taken back"} {
		for _, call := range calls {
			for n := 1; ; n++ {
				tree, opt := small(t), options(t)
				opt.Accept = append(opt.Accept, shift.RiskImmutable)
				there := shift.Job{Dir: tree, From: from, To: to, Options: opt}
				end := want
				if verb != "run" {
					end = before
				}
				if verb == "undo" {
					mustRun(t, tree, from, to, opt)
				}
				cmd := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n),
					self, "shift-test-child", map[string]string{"run": "run", "undo": "undo", "run, taken back": "run"}[verb], tree, opt.State)
				out, err := cmd.CombinedOutput()
				whole := err == nil
				if !whole {
					kills++
					require.NotContains(t, string(out), "refused", "%s", out)
				}
				if verb == "run, taken back" {
					_, err = shift.Undo(t.Context(), there, nil)
					require.NoError(t, err, "%s %d", call, n)
				} else if !whole {
					if _, err = shift.Resume(t.Context(), tree, opt, nil); err != nil { // nothing was begun
						require.ErrorIs(t, err, shift.ErrNoJob)
						mustRun(t, tree, from, to, opt)
					} else if verb == "undo" { // or only the job was done
						_, err = shift.Undo(t.Context(), there, nil)
						require.NoError(t, err)
					}
				}
				requireSame(t, end, snapshot(t, tree), verb, call, n)
				require.True(t, isImmutable(t, filepath.Join(tree, fixed)), "%s, killed before %s number %d", verb, call, n)
				if whole {
					if call == "fchownat" {
						workers = max(workers, threads(t, trace))
					}
					break
				}
			}
		}
	}
	t.Logf("%d kills of %d workers", kills, workers)
	require.Greater(t, kills, 60)
	require.GreaterOrEqual(t, workers, 2)
}

// threads counts those that are in the output of strace -f.
func threads(t *testing.T, trace string) int {
	data, err := os.ReadFile(trace)
	require.NoError(t, err)
	list := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if id, _, ok := strings.Cut(line, " "); ok && strings.Contains(line, "fchownat(") {
			list[id] = true
		}
	}
	return len(list)
}

func chattr(t *testing.T, path, how string) {
	t.Helper()
	out, err := exec.Command("chattr", how, path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func isImmutable(t *testing.T, path string) bool {
	t.Helper()
	var st unix.Statx_t
	require.NoError(t, unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS, &st))
	return st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0
}

func TestRefusals(t *testing.T) {
	hosttest.Need(t)
	from, to := ranges(0, 100000)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o644))
	safe := options(t)
	safe.Accept = nil
	refused := func(t *testing.T, dir string, opt shift.Options, text string) {
		t.Helper()
		before := snapshot(t, dir)
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, shift.ErrRefused)
		assert.ErrorContains(t, err, text)
		requireSame(t, before, snapshot(t, dir))
	}
	t.Run("IDs of both ranges", func(t *testing.T) {
		require.NoError(t, os.Chown(filepath.Join(dir, "a"), 100005, 100005))
		refused(t, dir, options(t), "1 files have IDs of the old range and 1 of the new one already")
		require.NoError(t, os.Chown(filepath.Join(dir, "a"), 5, 5))
	})
	for what, do := range map[string]func(t *testing.T, path string){
		"a group of the new range":      func(t *testing.T, path string) { require.NoError(t, os.Chown(path, 5, 100005)) },
		"an ACL of the new range":       func(t *testing.T, path string) { setACL(t, path, "access", 100000) },
		"capabilities of the new range": func(t *testing.T, path string) { setCap(t, path, 100000) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o755))
			do(t, filepath.Join(dir, "a"))
			refused(t, dir, options(t), "2 files have IDs of the old range and 1 of the new one already")
		})
	}
	t.Run("a read-only mount, and nothing is begun", func(t *testing.T) {
		dir, opt := t.TempDir(), options(t)
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
		defer unix.Unmount(dir, unix.MNT_DETACH)
		require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, unix.EROFS)
		require.NotErrorIs(t, err, shift.ErrUnfinished)
		_, err = shift.Resume(t.Context(), dir, opt, nil)
		require.ErrorIs(t, err, shift.ErrNoJob)
	})
	t.Run("a larger range, from which there is no way back", func(t *testing.T) {
		sized := func(host, count uint32) userns.Map {
			m, err := userns.NewMap(userns.Extent{HostID: host, Count: count})
			require.NoError(t, err)
			return m
		}
		small := userns.Mapping{UID: sized(0, 65536), GID: sized(0, 65536)}
		opt := options(t)
		_, err := shift.Plan(t.Context(), dir, small, userns.Mapping{UID: sized(100000, 131072), GID: sized(100000, 131072)}, opt)
		require.ErrorIs(t, err, shift.ErrRefused)
		assert.EqualError(t, err, "refused: a move from the user IDs 0-65535 to the larger range 100000-231071 cannot be undone; give ranges of equal size")
		larger := userns.Mapping{UID: sized(100000, 65536), GID: sized(100000, 65537)}
		_, err = shift.Plan(t.Context(), dir, small, larger, opt)
		assert.ErrorContains(t, err, "from the group IDs 0-65535 to the larger range 100000-165536")
		_, err = shift.Plan(t.Context(), dir, larger, small, opt)
		assert.ErrorIs(t, err, userns.ErrUnmapped)
		opt.Into = filepath.Join(t.TempDir(), "copy")
		job, err := shift.Plan(t.Context(), dir, small, larger, opt)
		require.NoError(t, err, "a copy is undone by its removal")
		_, err = shift.Run(t.Context(), job, nil)
		require.NoError(t, err)
	})
	written := func(t *testing.T, path string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		require.NoError(t, err)
		cmd := exec.Command("sleep", "60")
		cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{f}, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		f.Close()
		defer cmd.Wait()
		defer cmd.Process.Kill()
		refused(t, dir, safe, fmt.Sprintf("is in use by process %d (sleep)", cmd.Process.Pid))
	}
	t.Run("a file open for writing", func(t *testing.T) { written(t, filepath.Join(dir, "a")) })
	t.Run("a file open for writing by a path through another mount", func(t *testing.T) {
		other := t.TempDir()
		require.NoError(t, unix.Mount(filepath.Dir(dir), other, "", unix.MS_BIND, ""))
		defer unix.Unmount(other, unix.MNT_DETACH)
		written(t, filepath.Join(other, filepath.Base(dir), "a"))
	})
	t.Run("a container has it mounted", func(t *testing.T) {
		base := t.TempDir()
		require.NoError(t, unix.Mount("tmpfs", base, "tmpfs", 0, "")) // which no container has as a part of /
		defer unix.Unmount(base, unix.MNT_DETACH)
		for _, name := range []string{"data", "lower", "upper", "work", "other"} {
			require.NoError(t, os.Mkdir(filepath.Join(base, name), 0o755))
		}
		group := controlGroup(t)
		for name, c := range map[string]struct {
			mount string
			dirs  []string
		}{
			"itself":     {"mount --bind data /mnt", []string{"data", "."}},
			"as a layer": {"mount -t overlay overlay -o lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work /mnt", []string{"lower", "upper", "."}},
		} {
			t.Run(name, func(t *testing.T) {
				cmd := exec.Command("sh", "-c", "cd "+base+" && "+c.mount+" && cd / && umount -l "+base+" && exec sleep 60")
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
				require.NoError(t, cmd.Start())
				defer cmd.Wait()
				defer cmd.Process.Kill()
				require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0))
				require.Eventually(t, func() bool {
					data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", cmd.Process.Pid))
					return strings.Contains(string(data), " /mnt ") && !strings.Contains(string(data), " "+base+" ")
				}, 5*time.Second, 5*time.Millisecond)
				for _, dir := range c.dirs {
					refused(t, filepath.Join(base, dir), safe, "is in use by container "+filepath.Base(group)[:12])
				}
				job, err := shift.Plan(t.Context(), filepath.Join(base, "other"), from, to, safe)
				require.NoError(t, err)
				require.Empty(t, job.Report.Busy)
			})
		}
	})
	t.Run("no directory, which is not the working directory", func(t *testing.T) {
		_, err := shift.Plan(t.Context(), "", from, to, safe)
		require.ErrorIs(t, err, shift.ErrRefused)
	})
	t.Run("a directory of the system", func(t *testing.T) {
		job := shift.Job{Dir: "/usr", Options: safe}
		require.ErrorIs(t, refusal(job), shift.ErrRefused)
		for _, dir := range []string{"/etc/ssl/private", "/usr/share/doc", "/var/lib/docker/overlay2/l"} {
			job.Dir = dir
			require.ErrorIs(t, refusal(job), shift.ErrRefused, dir)
		}
		at := t.TempDir()
		require.NoError(t, unix.Mount("/", at, "", unix.MS_BIND, ""))
		job.Dir = at
		err := refusal(job)
		require.NoError(t, unix.Unmount(at, 0))
		require.ErrorIs(t, err, shift.ErrRefused, "the root once more")
		job.Dir = "/etc/ssl/private"
		require.ErrorIs(t, refusal(job), shift.ErrRefused)
		job.Dir = "/"
		require.ErrorIs(t, refusal(job), shift.ErrRefused)
		job.Dir = "/srv/data"
		require.NoError(t, refusal(job))
	})
	t.Run("immutable", func(t *testing.T) {
		dir, err := os.MkdirTemp("/var/tmp", "shift-test-")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		fixed := filepath.Join(dir, "fixed")
		require.NoError(t, os.WriteFile(fixed, nil, 0o644))
		chattr(t, fixed, "+i")
		defer chattr(t, fixed, "-i")
		refused(t, dir, options(t), "1 file is immutable or append-only")
		opt := options(t)
		opt.Accept = append(opt.Accept, shift.RiskImmutable)
		mustRun(t, dir, from, to, opt)
		assert.True(t, isImmutable(t, fixed))
	})
	t.Run("immutable since the job, and it is to be undone", func(t *testing.T) {
		dir, err := os.MkdirTemp("/var/tmp", "shift-test-")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		fixed, opt := filepath.Join(dir, "fixed"), options(t)
		require.NoError(t, os.WriteFile(fixed, nil, 0o644))
		before := snapshot(t, dir)
		job := mustRun(t, dir, from, to, opt)
		chattr(t, fixed, "+i")
		defer chattr(t, fixed, "-i")
		back, err := shift.Undo(t.Context(), job, nil)
		require.ErrorIs(t, err, shift.ErrRefused)
		assert.Equal(t, 1, back.Report.Immutable)
		job.Options.Accept = append(job.Options.Accept, shift.RiskImmutable)
		_, err = shift.Undo(t.Context(), job, nil)
		require.NoError(t, err)
		assert.True(t, isImmutable(t, fixed))
		requireSame(t, before, snapshot(t, dir))
	})
	t.Run("ranges that overlap", func(t *testing.T) {
		_, other := ranges(0, 65535)
		_, err := shift.Plan(t.Context(), dir, from, other, safe)
		require.ErrorIs(t, err, userns.ErrInvalidMap)
	})
	t.Run("a path that leads into another mount namespace", func(t *testing.T) {
		base := t.TempDir()
		cmd := exec.Command("sh", "-c", "mount -t tmpfs tmpfs "+base+" && mkdir "+base+"/sub && exec sleep 60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		defer cmd.Wait()
		defer cmd.Process.Kill()
		there := fmt.Sprintf("/proc/%d/root%s/sub", cmd.Process.Pid, base)
		require.Eventually(t, func() bool { _, err := os.Stat(there); return err == nil }, 5*time.Second, 5*time.Millisecond)
		require.NoError(t, os.Mkdir(filepath.Join(base, "sub"), 0o755)) // the one that the path without links leads to
		_, err := shift.Plan(t.Context(), there, from, to, safe)
		require.ErrorIs(t, err, shift.ErrRefused)
		require.ErrorContains(t, err, "leads out of this mount namespace")
	})
	t.Run("another directory than the planned one", func(t *testing.T) {
		at := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.Mkdir(at, 0o755))
		job, err := shift.Plan(t.Context(), at, from, to, options(t))
		require.NoError(t, err)
		require.NoError(t, os.Rename(at, at+".old"))
		require.NoError(t, os.Mkdir(at, 0o755))
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, shift.ErrRefused)
	})
	t.Run("another file system than the planned one", func(t *testing.T) {
		at := t.TempDir()
		require.NoError(t, unix.Mount("tmpfs", at, "tmpfs", 0, ""))
		job, err := shift.Plan(t.Context(), at, from, to, options(t))
		require.NoError(t, err)
		require.NoError(t, unix.Unmount(at, 0))
		require.NoError(t, unix.Mount("tmpfs", at, "tmpfs", 0, "")) // its root has the same inode number
		defer unix.Unmount(at, 0)
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, shift.ErrRefused)
	})
	t.Run("the journal in the tree", func(t *testing.T) {
		_, err := shift.Plan(t.Context(), dir, from, to, shift.Options{State: filepath.Join(dir, "state")})
		require.ErrorIs(t, err, shift.ErrRefused)
	})
	t.Run("no job", func(t *testing.T) {
		_, err := shift.Resume(t.Context(), dir, safe, nil)
		require.ErrorIs(t, err, shift.ErrNoJob)
	})
}

// refusal is why a job would be refused, or nothing.
func refusal(job shift.Job) error {
	for _, risk := range job.Risks() {
		if !slices.Contains(job.Options.Accept, risk.ID) {
			return shift.ErrRefused
		}
	}
	return nil
}

// controlGroup makes a control group that has the name of a Docker container.
func controlGroup(t *testing.T) string {
	t.Helper()
	name := filepath.Join("docker", strings.Repeat("5a", 32))
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		_, err := os.Stat(filepath.Join(root, "docker"))
		group := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(group, 0o755))
		t.Cleanup(func() {
			os.Remove(group)
			if err != nil { // it was not there before
				os.Remove(filepath.Dir(group))
			}
		})
		return group
	}
	t.Skip("no control groups are mounted")
	return ""
}

// Mounts in a tree are another's files.
func TestNoMountIsEntered(t *testing.T) {
	hosttest.Need(t)
	dir, victim := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(victim, "file"), nil, 0o644))
	for _, name := range []string{"dir", "file"} {
		at := filepath.Join(dir, name)
		source := victim
		if name == "dir" {
			require.NoError(t, os.Mkdir(at, 0o755))
		} else {
			require.NoError(t, os.WriteFile(at, nil, 0o644))
			source = filepath.Join(victim, "file")
		}
		require.NoError(t, unix.Mount(source, at, "", unix.MS_BIND, ""))
		defer unix.Unmount(at, unix.MNT_DETACH)
	}
	from, to := ranges(0, 100000)
	before := snapshot(t, victim)
	job, err := shift.Plan(t.Context(), dir, from, to, options(t))
	require.NoError(t, err)
	assert.Equal(t, 2, job.Report.Mounts)
	_, err = shift.Run(t.Context(), job, nil)
	require.NoError(t, err)
	requireSame(t, before, snapshot(t, victim))
}

// A program in the tree swaps directories and files for links to the outside,
// renames across directories and adds files, all the time.
func TestAHostileTreeReachesNothingOutside(t *testing.T) {
	hosttest.Need(t)
	base := t.TempDir()
	victim, dir := filepath.Join(base, "victim"), filepath.Join(base, "tree")
	for i := range 40 {
		require.NoError(t, os.MkdirAll(filepath.Join(victim, strconv.Itoa(i)), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(dir, strconv.Itoa(i), "sub"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(victim, "sub"), nil, 0o4755))
		for k := range 20 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i), fmt.Sprint("f", k)), nil, 0o644))
		}
	}
	before := snapshot(t, victim)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int)
	var pause sync.Mutex
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			pause.Lock()
			d := filepath.Join(dir, strconv.Itoa(n%40))
			_ = os.Rename(filepath.Join(d, "sub"), filepath.Join(d, "away"))
			_ = os.Symlink(victim, filepath.Join(d, "sub"))
			_ = os.Remove(filepath.Join(d, "sub"))
			_ = os.Rename(filepath.Join(d, "away"), filepath.Join(d, "sub"))
			f := filepath.Join(d, fmt.Sprint("f", n%20))
			_ = os.Rename(f, f+".away")
			_ = os.Symlink(filepath.Join(victim, "sub"), f)
			_ = os.Remove(f)
			_ = os.Rename(f+".away", filepath.Join(dir, strconv.Itoa((n+7)%40), fmt.Sprint("f", n%20)))
			_ = os.WriteFile(filepath.Join(d, "new"), nil, 0o644)
			_ = os.Remove(filepath.Join(d, "new"))
			pause.Unlock()
		}
		done <- n
	}()
	from, to := ranges(0, 100000)
	opt := options(t)
	opt.Accept = append(opt.Accept, shift.RiskMixed)
	missed := 0
	ended := func(job shift.Job, err error) {
		for tries := 0; err != nil; tries++ {
			require.ErrorIs(t, err, shift.ErrMissed)
			require.Less(t, tries, 100)
			missed++
			pause.Lock() // it could miss a file for ever, and does not say that it is done
			job, err = shift.Resume(t.Context(), dir, opt, nil)
			pause.Unlock()
		}
		require.Equal(t, shift.StateDone, job.State)
	}
	for range 10 {
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		ended(shift.Run(t.Context(), job, nil))
		ended(shift.Undo(t.Context(), job, nil))
	}
	stop()
	n := <-done
	t.Logf("%d swaps, files were missed %d times", n, missed)
	require.Greater(t, n, 100)
	requireSame(t, before, snapshot(t, victim))
}

// What others do while a job runs, where no check before it could see them.
func TestWhileAJobRuns(t *testing.T) {
	hosttest.Need(t)
	from, to := ranges(0, 100000)
	during := func(t *testing.T, do func(dir string)) (string, shift.Job) {
		dir, once := t.TempDir(), false
		for i := range 3000 {
			sub := filepath.Join(dir, strconv.Itoa(i%100))
			require.NoError(t, os.MkdirAll(sub, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(sub, fmt.Sprint("f", i)), nil, 0o644))
		}
		opt := shift.Options{State: filepath.Join(t.TempDir(), "state")}
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		job, err = shift.Run(t.Context(), job, func(p shift.Progress) {
			if !once && p.Files > 2000 {
				once = true
				do(dir)
			}
		})
		require.NoError(t, err)
		require.True(t, once)
		return dir, job
	}
	allMoved := func(t *testing.T, dir string) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			var st unix.Stat_t
			require.NoError(t, unix.Lstat(path, &st))
			require.Equal(t, uint32(100000), st.Uid, path)
			return err
		}))
	}
	t.Run("files are added", func(t *testing.T) {
		dir, job := during(t, func(dir string) {
			for i := range 100 {
				assert.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i), "added"), nil, 0o644))
			}
		})
		assert.Equal(t, 3201, job.Report.Files)
		allMoved(t, dir)
	})
	t.Run("files are renamed to other directories", func(t *testing.T) {
		dir, _ := during(t, func(dir string) {
			for i := range 3000 {
				assert.NoError(t, os.Rename(filepath.Join(dir, strconv.Itoa(i%100), fmt.Sprint("f", i)), filepath.Join(dir, strconv.Itoa((i+50)%100), fmt.Sprint("f", i))))
			}
		})
		allMoved(t, dir)
	})
	t.Run("files are given back by a process that ends at once", func(t *testing.T) {
		dir, _ := during(t, func(dir string) {
			back := 0
			assert.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				var st unix.Stat_t
				if assert.NoError(t, unix.Lstat(path, &st)); st.Uid != 0 && !d.IsDir() {
					back++
					assert.NoError(t, os.Lchown(path, 0, 0))
				}
				return err
			}))
			assert.Greater(t, back, 1000)
		})
		allMoved(t, dir)
	})
	t.Run("something is mounted", func(t *testing.T) {
		victim := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(victim, "file"), nil, 0o4755))
		before := snapshot(t, victim)
		_, _ = during(t, func(dir string) {
			for i := range 100 {
				at := filepath.Join(dir, strconv.Itoa(i))
				assert.NoError(t, unix.Mount(victim, at, "", unix.MS_BIND, ""))
				t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
			}
		})
		requireSame(t, before, snapshot(t, victim))
	})
	t.Run("a second job for the directory", func(t *testing.T) {
		during(t, func(dir string) {
			job, err := shift.Plan(t.Context(), dir, from, to, shift.Options{State: filepath.Join(t.TempDir(), "other"), Accept: []string{shift.RiskMixed}})
			assert.NoError(t, err)
			_, err = shift.Run(t.Context(), job, nil)
			assert.ErrorIs(t, err, shift.ErrRunning)
		})
	})
	elsewhere := t.TempDir()
	t.Run("a second job, for a directory above or in it", func(t *testing.T) {
		during(t, func(dir string) {
			assert.NoError(t, os.WriteFile(filepath.Join(dir, "7/more"), nil, 0o644)) // or there might be nothing to do
			for _, d := range []string{filepath.Dir(dir), filepath.Join(dir, "7")} {
				opt := shift.Options{State: filepath.Join(elsewhere, "other"), Accept: []string{shift.RiskMixed}}
				job, err := shift.Plan(t.Context(), d, from, to, opt)
				assert.NoError(t, err)
				_, err = shift.Run(t.Context(), job, nil)
				assert.ErrorIs(t, err, shift.ErrRunning, d)
				opt.Into = filepath.Join(elsewhere, "copy")
				job, err = shift.Plan(t.Context(), d, from, to, opt)
				assert.NoError(t, err)
				_, err = shift.Run(t.Context(), job, nil)
				assert.ErrorIs(t, err, shift.ErrRunning, d)
			}
		})
	})
}

// A directory is the one that the kernel opens, whatever its path looks like.
func TestTheDirectoryOfAJob(t *testing.T) {
	hosttest.Need(t)
	from, to := ranges(0, 100000)
	base := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(base, "below/target"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(base, "below/data"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(base, "data"), 0o755))
	require.NoError(t, os.Symlink("below/target", filepath.Join(base, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(base, "not UTF-8 \xff"), 0o755))
	t.Chdir(base)
	for _, dir := range []string{"link", "link/", "link/..", "link/../data", base + "/link/../data", ".", "below/../data//", "not UTF-8 \xff"} {
		t.Run(dir, func(t *testing.T) {
			opt := options(t)
			job := mustRun(t, dir, from, to, opt)
			var want, got unix.Stat_t
			require.NoError(t, unix.Stat(dir, &want))
			require.NoError(t, unix.Stat(job.Dir, &got))
			assert.Equal(t, want.Ino, got.Ino)
			last, err := shift.Resume(t.Context(), dir, opt, nil)
			require.NoError(t, err)
			assert.Equal(t, shift.StateDone, last.State)
			_, err = shift.Undo(t.Context(), last, nil)
			require.NoError(t, err)
		})
	}
	require.NoError(t, os.Symlink("below/target", filepath.Join(base, "link"+"2")))
	opt := options(t)
	opt.Into = "link2/../copy"
	mustRun(t, "data", from, to, opt)
	assert.DirExists(t, filepath.Join(base, "below/copy"))
}

func TestALookHasBounds(t *testing.T) {
	hosttest.Need(t)
	dir := t.TempDir()
	for i := range 5000 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("file with a name that fills the buffer ", i)), []byte("x"), 0o644))
	}
	from, to := ranges(0, 100000)
	s, err := shift.Look(t.Context(), dir, from, to, 1e6, time.Minute)
	require.NoError(t, err)
	assert.True(t, s.Whole)
	assert.Equal(t, 5001, s.Files)
	assert.Equal(t, 5001, s.Todo)
	assert.Greater(t, s.Time(), s.Took)
	s, err = shift.Look(t.Context(), dir, from, to, 100, time.Minute)
	require.NoError(t, err)
	assert.False(t, s.Whole)
	assert.GreaterOrEqual(t, s.Files, 100)
	assert.Less(t, s.Files, 3000)
	s, err = shift.Look(t.Context(), dir, from, to, 1e6, time.Nanosecond)
	require.NoError(t, err)
	assert.False(t, s.Whole)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = shift.Look(ctx, dir, from, to, 100, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
}

// What a file has beside its owner is that of the inode that is moved, whatever
// its name leads to in the next moment.
func TestAFileThatChangesPlacesKeepsWhatItHas(t *testing.T) {
	hosttest.Need(t)
	dir := t.TempDir()
	for i := range 400 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644))
	}
	special, err := os.Create(filepath.Join(dir, "special"))
	require.NoError(t, err)
	defer special.Close()
	from, to := ranges(0, 100000)
	opt, swaps, missed := options(t), 0, 0
	opt.Accept = append(opt.Accept, shift.RiskMixed)
	value := func(name string) string {
		buf := make([]byte, 200)
		n, err := unix.Fgetxattr(int(special.Fd()), name, buf)
		require.NoError(t, err, "%s after %d swaps", name, swaps)
		return string(buf[:n])
	}
	setACL(t, special.Name(), "access", 100000)
	setCap(t, special.Name(), 100000)
	wantCap, wantACL := value("security.capability"), value("system.posix_acl_access")
	for range 40 {
		at := fmt.Sprintf("/proc/self/fd/%d", special.Fd())
		require.NoError(t, os.Chown(at, 0, 0))
		setACL(t, at, "access", 0)
		setCap(t, at, 0)
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				swaps++
				_ = unix.Renameat2(unix.AT_FDCWD, special.Name(), unix.AT_FDCWD, filepath.Join(dir, strconv.Itoa(i%400)), unix.RENAME_EXCHANGE)
				_ = unix.Renameat2(unix.AT_FDCWD, special.Name(), unix.AT_FDCWD, filepath.Join(dir, strconv.Itoa(i%400)), unix.RENAME_EXCHANGE)
			}
		}()
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		job, err = shift.Run(t.Context(), job, nil)
		close(stop)
		<-ended
		if err != nil {
			require.ErrorIs(t, err, shift.ErrMissed)
			missed++
			job, err = shift.Resume(t.Context(), dir, opt, nil)
			require.NoError(t, err)
		}
		require.Equal(t, shift.StateDone, job.State)
		require.Equal(t, wantCap, value("security.capability"))
		require.Equal(t, wantACL, value("system.posix_acl_access"))
		_, err = shift.Undo(t.Context(), job, nil)
		require.NoError(t, err)
	}
	t.Logf("%d swaps, files may have been missed %d times", swaps, missed)
}

// Capabilities of the old range are work, whoever owns the file.
func TestCapabilitiesAloneAreWork(t *testing.T) {
	hosttest.Need(t)
	const stranger = 1_700_000_000
	dir := t.TempDir()
	path := filepath.Join(dir, "tool")
	require.NoError(t, os.WriteFile(path, nil, 0o755))
	require.NoError(t, os.Chown(dir, stranger, stranger))
	require.NoError(t, os.Chown(path, stranger, stranger))
	setCap(t, path, 200000)
	from, to := ranges(200000, 300000)
	want := throughKernelOf(t, dir, from, to, stranger)
	opt := options(t)
	job, err := shift.Plan(t.Context(), dir, from, to, opt)
	require.NoError(t, err)
	assert.Equal(t, 1, job.Report.Capabilities)
	assert.False(t, job.Report.Idle())
	job, err = shift.Run(t.Context(), job, nil)
	require.NoError(t, err)
	assert.Equal(t, shift.StateDone, job.State)
	requireSame(t, want, snapshot(t, dir))
	job, err = shift.Plan(t.Context(), dir, from, to, opt)
	require.NoError(t, err)
	assert.True(t, job.Report.Idle())
}

// What a journal says no more cannot be put back, and is not passed over.
func TestADamagedJournal(t *testing.T) {
	hosttest.Need(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	from, to := ranges(0, 100000)
	for name, c := range map[string]struct {
		kind  string
		after func(text string) string // nothing: removed
		want  string
	}{
		"a record is damaged":       {".special", func(s string) string { return strings.Replace(s, `"path"`, `"pa`+"\x00"+`h`, 1) }, "is damaged"},
		"the records are gone":      {".special", nil, "no such file"},
		"the job is cut off":        {".json", func(s string) string { return s[:len(s)/2] }, "unexpected end of JSON input"},
		"the job is of no state":    {".json", func(s string) string { return strings.Replace(s, `"running"`, `"runnin"`, 1) }, "not the journal of a job"},
		"the job is empty":          {".json", func(string) string { return "" }, "unexpected end of JSON input"},
		"a record was cut off once": {".special", func(s string) string { return s[:len(s)/2] + "\n" + s }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, opt := t.TempDir(), options(t)
			path := filepath.Join(dir, "tool")
			require.NoError(t, os.WriteFile(path, nil, 0o644))
			require.NoError(t, unix.Chmod(path, 0o4755))
			require.Error(t, exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fchmodat", "-e", "inject=fchmodat:signal=SIGKILL:when=1",
				self, "shift-test-child", "run", dir, opt.State).Run())
			files, err := filepath.Glob(filepath.Join(opt.State, "*"+c.kind))
			require.NoError(t, err)
			require.Len(t, files, 1)
			data, err := os.ReadFile(files[0])
			require.NoError(t, err)
			if c.after == nil {
				require.NoError(t, os.Remove(files[0]))
			} else {
				require.NoError(t, os.WriteFile(files[0], []byte(c.after(string(data))), 0o600))
			}
			job, err := shift.Plan(t.Context(), dir, from, to, opt)
			if err == nil {
				_, err = shift.Run(t.Context(), job, nil)
			}
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.NoError(t, os.WriteFile(files[0], data, 0o600))
				_, err = shift.Resume(t.Context(), dir, opt, nil)
			}
			require.NoError(t, err)
			var st unix.Stat_t
			require.NoError(t, unix.Stat(path, &st))
			assert.Equal(t, uint32(unix.S_IFREG|0o4755), st.Mode)
		})
	}
}

// A file that a kill left half done may have another name when the job goes on,
// and its name another file.
func TestAHalfDoneFileIsFoundByWhatItIs(t *testing.T) {
	hosttest.Need(t, "strace")
	dir, opt := t.TempDir(), options(t)
	path, away := filepath.Join(dir, "tool"), filepath.Join(dir, "away", "renamed")
	require.NoError(t, os.Mkdir(filepath.Dir(away), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Chown(path, 33, 33))
	require.NoError(t, unix.Chmod(path, 0o4755))
	setCap(t, path, 0)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=setxattr", "-e", "inject=setxattr:signal=SIGKILL:when=1", self, "shift-test-child", "run", dir, opt.State)
	require.Error(t, cmd.Run())
	var st unix.Stat_t
	require.NoError(t, unix.Stat(path, &st))
	require.Equal(t, uint32(100033), st.Uid)
	require.Zero(t, st.Mode&unix.S_ISUID, "half done")
	from, to := ranges(0, 100000)
	into := opt
	into.Into = dir + ".copy"
	_, err = shift.Plan(t.Context(), dir, to, from, into)
	require.ErrorIs(t, err, shift.ErrRefused, "a copy would be of what is half done")
	require.NoError(t, os.Rename(path, away))
	require.NoError(t, os.WriteFile(path, nil, 0o755))
	_, err = shift.Resume(t.Context(), dir, opt, nil)
	require.NoError(t, err)
	require.NoError(t, unix.Stat(away, &st))
	assert.Equal(t, uint32(0o4755), st.Mode&0o7777)
	value := make([]byte, 100)
	n, err := unix.Getxattr(away, "security.capability", value)
	require.NoError(t, err)
	assert.Equal(t, uint32(100000), binary.LittleEndian.Uint32(value[n-4:]))
	_, err = unix.Getxattr(path, "security.capability", value)
	require.ErrorIs(t, err, unix.ENODATA)
	require.NoError(t, unix.Stat(path, &st))
	assert.Equal(t, uint32(0o755), st.Mode&0o7777)
}

// Without room for its journal a job touches nothing that the journal is for, and
// goes on when there is room.
func TestAFullDiskOfTheJournal(t *testing.T) {
	hosttest.Need(t)
	dir, state := t.TempDir(), t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", state, "tmpfs", 0, "size=64k"))
	defer unix.Unmount(state, unix.MNT_DETACH)
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, unix.Chmod(path, 0o4755))
	}
	from, to := ranges(0, 100000)
	want := throughKernel(t, dir, from, to)
	opt := shift.Options{State: state, Accept: []string{shift.RiskInUse}}
	fill := func(left int) {
		var fs unix.Statfs_t
		require.NoError(t, unix.Statfs(state, &fs))
		require.NoError(t, os.WriteFile(filepath.Join(state, "full"), make([]byte, int(fs.Bavail)*int(fs.Bsize)-left), 0o600))
	}
	for _, left := range []int{0, 4096, 8192, 12288} {
		fill(left)
		job, err := shift.Plan(t.Context(), dir, from, to, opt)
		require.NoError(t, err)
		job, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, unix.ENOSPC, "%d bytes left", left)
		require.NotEqual(t, shift.StateDone, job.State)
		for name, text := range snapshot(t, dir) {
			require.True(t, name == "." || strings.HasPrefix(text, "104755 "), "%d bytes left: %s is %s", left, name, text)
		}
		require.NoError(t, os.Remove(filepath.Join(state, "full")))
	}
	mustRun(t, dir, from, to, opt)
	requireSame(t, want, snapshot(t, dir))
}

// Memory does not grow with files, nor with hard links or special files.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector's own memory would count")
	}
	hosttest.Need(t)
	files := 50_000
	if os.Getenv("USERNSKIT_LONG") != "" {
		files = 1_000_000
	}
	dir, err := os.MkdirTemp("/var/tmp", "shift-test-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for i := range files {
		sub := filepath.Join(dir, strconv.Itoa(i/1000))
		if i%1000 == 0 {
			require.NoError(t, os.Mkdir(sub, 0o755))
		}
		path := filepath.Join(sub, fmt.Sprintf("file-%03d", i%1000))
		if i%10 == 9 {
			require.NoError(t, os.Link(filepath.Join(sub, fmt.Sprintf("file-%03d", i%1000-1)), path))
			continue
		}
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		if i%100 == 0 {
			require.NoError(t, unix.Chmod(path, 0o4755))
		}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	state := t.TempDir()
	for _, verb := range []string{"run", "undo"} {
		cmd := exec.Command(self, "shift-test-child", verb, dir, state)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		kib := int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		t.Logf("%s: %d files, %d MiB resident at most", verb, files, kib>>10)
		assert.Less(t, kib, int64(40<<10))
	}
}
