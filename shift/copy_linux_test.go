package shift_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/shift"
)

// dirSize is how large a directory is, which says what it once held.
var dirSize = regexp.MustCompile(`^(4\d{4} .*)size \d+ blocks \d+`)

// likeACopy is a snapshot without what belongs to a directory's past.
func likeACopy(snapshot map[string]string) map[string]string {
	for name, text := range snapshot {
		snapshot[name] = dirSize.ReplaceAllString(text, "$1")
	}
	return snapshot
}

func copyOptions(t *testing.T, into string) shift.Options {
	opt := options(t)
	opt.Into = into
	return opt
}

func TestTheCopyIsWhatTheKernelShowsIdmapped(t *testing.T) {
	for name, dir := range fileSystems(t) {
		for i, c := range [][2]uint32{{0, 100000}, {200000, 300000}, {100000, 0}} {
			t.Run(fmt.Sprintf("%s/%d to %d", name, c[0], c[1]), func(t *testing.T) {
				tree, into := filepath.Join(dir, strconv.Itoa(i)), filepath.Join(dir, fmt.Sprint("copy", i))
				require.NoError(t, os.Mkdir(tree, 0o755))
				plant(t, tree, int(c[0]), uint64(10+i))
				from, to := ranges(c[0], c[1])
				before := snapshot(t, tree)
				want := likeACopy(throughKernel(t, tree, from, to))

				job := mustRun(t, tree, from, to, copyOptions(t, into))
				requireSame(t, want, likeACopy(snapshot(t, into)))
				requireSame(t, before, snapshot(t, tree))
				assert.Equal(t, len(before), job.Report.Files)
				assert.Greater(t, job.Need, job.Report.Bytes)
				assert.NoDirExists(t, filepath.Join(dir, fmt.Sprintf(".copy%d.part", i)))
				require.NoError(t, shift.Compare(t.Context(), job))

				t.Run("again", func(t *testing.T) {
					job, err := shift.Plan(t.Context(), tree, from, to, copyOptions(t, into))
					require.NoError(t, err)
					assert.Equal(t, shift.StateDone, job.State)
					_, err = shift.Run(t.Context(), job, nil)
					require.NoError(t, err)
					requireSame(t, want, likeACopy(snapshot(t, into)))
				})
				t.Run("and back", func(t *testing.T) {
					back := into + " back"
					mustRun(t, into, to, from, copyOptions(t, back))
					requireSame(t, likeACopy(before), likeACopy(snapshot(t, back)))
				})
			})
		}
	}
}

// copyCalls are the system calls of a copy that a kill may come before.
var copyCalls = []string{"openat2", "mkdirat", "linkat", "symlinkat", "mknodat", "copy_file_range", "fchownat", "setxattr", "fchmodat", "utimensat",
	"unlinkat", "syncfs", "renameat2", "fsync"}

func TestACopyThatIsKilledIsWholeOrNotThere(t *testing.T) {
	hosttest.Need(t, "strace")
	base, err := os.MkdirTemp("/var/tmp", "shift-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	tree := filepath.Join(base, "tree")
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "sub"), 0o755))
	for _, name := range []string{"setuid", "sub/plain"} {
		require.NoError(t, os.WriteFile(filepath.Join(tree, name), []byte(name), 0o644))
	}
	require.NoError(t, os.Link(filepath.Join(tree, "setuid"), filepath.Join(tree, "sub/linked")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(tree, "symbolic")))
	require.NoError(t, unix.Mkfifo(filepath.Join(tree, "fifo"), 0o600))
	setACL(t, filepath.Join(tree, "sub"), "default", 0)
	setCap(t, filepath.Join(tree, "sub/plain"), 0)
	require.NoError(t, unix.Chmod(filepath.Join(tree, "setuid"), 0o4755))
	from, to := ranges(0, 100000)
	before, want := snapshot(t, tree), likeACopy(throughKernel(t, tree, from, to))
	self, err := os.Executable()
	require.NoError(t, err)
	into, kills := tree+".copy", 0
	for _, call := range copyCalls {
		for n := 1; ; n++ {
			opt := copyOptions(t, into)
			cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n),
				self, "shift-test-child", "copy", tree, opt.State)
			out, err := cmd.CombinedOutput()
			if _, missing := os.Lstat(into); missing == nil {
				requireSame(t, want, likeACopy(snapshot(t, into)), call, n)
			} else {
				require.Error(t, err, "%s", out)
			}
			job, planned := shift.Plan(t.Context(), tree, from, to, opt)
			require.NoError(t, planned)
			_, planned = shift.Run(t.Context(), job, nil)
			require.NoError(t, planned)
			requireSame(t, want, likeACopy(snapshot(t, into)), call, n)
			requireSame(t, before, snapshot(t, tree), call, n)
			require.NoError(t, os.RemoveAll(into))
			if err == nil {
				break
			}
			kills++
		}
	}
	t.Logf("%d kills", kills)
	require.Greater(t, kills, 40)
	left, err := filepath.Glob(filepath.Join(base, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is left behind")
}

func TestACopyIsRefused(t *testing.T) {
	hosttest.Need(t)
	from, to := ranges(0, 100000)
	base := t.TempDir()
	dir, into := filepath.Join(base, "tree"), filepath.Join(base, "copy")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("one"), 0o644))
	plan := func(t *testing.T, into string) (shift.Job, error) {
		t.Helper()
		job, err := shift.Plan(t.Context(), dir, from, to, copyOptions(t, into))
		if err == nil {
			_, err = shift.Run(t.Context(), job, nil)
		}
		return job, err
	}
	t.Run("into itself", func(t *testing.T) {
		for _, into := range []string{dir, filepath.Join(dir, "sub"), base} {
			_, err := plan(t, into)
			require.ErrorIs(t, err, shift.ErrRefused)
		}
	})
	t.Run("where there is no directory for it", func(t *testing.T) {
		job, err := shift.Plan(t.Context(), dir, from, to, copyOptions(t, filepath.Join(base, "missing/copy")))
		require.NoError(t, err, "the plan can be made before the directory")
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("where there is not the room", func(t *testing.T) {
		small := t.TempDir()
		require.NoError(t, unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m"))
		t.Cleanup(func() { unix.Unmount(small, unix.MNT_DETACH) })
		big := filepath.Join(dir, "big")
		require.NoError(t, os.WriteFile(big, make([]byte, 3<<20), 0o644))
		job, err := plan(t, filepath.Join(small, "copy"))
		require.ErrorIs(t, err, shift.ErrNoSpace)
		assert.ErrorContains(t, err, fmt.Sprintf("up to %d bytes, and %s has %d", job.Need, small, job.Free))
		job.Free = job.Need // somebody else takes the room
		_, err = shift.Run(t.Context(), job, nil)
		require.ErrorIs(t, err, shift.ErrNoSpace)
		left, err := os.ReadDir(small)
		require.NoError(t, err)
		assert.Empty(t, left)
		require.NoError(t, os.Remove(big))
	})
	t.Run("with a mount in the tree", func(t *testing.T) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755))
		require.NoError(t, unix.Mount("tmpfs", filepath.Join(dir, "mnt"), "tmpfs", 0, ""))
		_, err := plan(t, into)
		require.ErrorIs(t, err, shift.ErrRefused)
		require.ErrorContains(t, err, "1 mounts")
		require.NoError(t, unix.Unmount(filepath.Join(dir, "mnt"), 0))
		require.NoError(t, os.Remove(filepath.Join(dir, "mnt")))
	})
	t.Run("where a directory of somebody else is in the way", func(t *testing.T) {
		part := filepath.Join(base, ".copy.part")
		require.NoError(t, os.Mkdir(part, 0o755))
		require.NoError(t, os.Mkdir(filepath.Join(part, "tree"), 0o755))
		_, err := plan(t, into)
		require.ErrorIs(t, err, shift.ErrRefused)
		assert.DirExists(t, filepath.Join(part, "tree"))
		require.NoError(t, os.RemoveAll(part))
	})
	t.Run("where something else is", func(t *testing.T) {
		_, err := plan(t, into)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(into, "file"), []byte("two"), 0o644))
		_, err = plan(t, into)
		require.ErrorIs(t, err, shift.ErrRefused)
		require.ErrorIs(t, err, shift.ErrDiffers)
		data, err := os.ReadFile(filepath.Join(into, "file"))
		require.NoError(t, err)
		assert.Equal(t, "two", string(data))
	})
}

// Each difference that a copy may have is seen.
func TestCompare(t *testing.T) {
	hosttest.Need(t)
	from, to := ranges(0, 100000)
	base := t.TempDir()
	dir, into := filepath.Join(base, "tree"), filepath.Join(base, "copy")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for name, content := range map[string]string{"a": "same", "b": "same", "c": "c"} { // whichever is read first
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	}
	require.NoError(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "a2")))
	require.NoError(t, os.Link(filepath.Join(dir, "b"), filepath.Join(dir, "b2")))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "s")))
	setCap(t, filepath.Join(dir, "c"), 0)
	job := mustRun(t, dir, from, to, copyOptions(t, into))
	require.NoError(t, shift.Compare(t.Context(), job))
	// keepTime does something and sets the times as they were.
	keepTime := func(t *testing.T, name string, do func(path string) error) {
		path := filepath.Join(into, name)
		var st, parent unix.Stat_t
		require.NoError(t, unix.Lstat(path, &st))
		require.NoError(t, unix.Lstat(into, &parent))
		require.NoError(t, do(path))
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW))
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, into, []unix.Timespec{parent.Atim, parent.Mtim}, 0))
	}
	for _, c := range []struct {
		what, name string
		do         func(path string) error
	}{
		{"the content", "c", func(p string) error {
			value := make([]byte, 64)
			n, _ := unix.Getxattr(p, "security.capability", value)
			return cmp.Or(os.WriteFile(p, []byte("C"), 0o644), unix.Setxattr(p, "security.capability", value[:n], 0))
		}},
		{"the size", "b", func(p string) error { return os.Truncate(p, 0) }},
		{"the owner", "b", func(p string) error { return os.Chown(p, 100001, 100000) }},
		{"the mode", "b", func(p string) error { return os.Chmod(p, 0o600) }},
		{"extended attributes", "c", func(p string) error { return unix.Removexattr(p, "security.capability") }},
		{"extended attributes", "b", func(p string) error { return unix.Setxattr(p, "trusted.more", []byte("x"), 0) }},
		{"the content", "s", func(p string) error { return cmp.Or(os.Remove(p), os.Symlink("b", p), os.Lchown(p, 100000, 100000)) }},
		{"what it is a hard link to", "a2", func(p string) error {
			return cmp.Or(os.Rename(filepath.Join(into, "b2"), p+".x"), os.Rename(p, filepath.Join(into, "b2")), os.Rename(p+".x", p))
		}},
		{"the number of hard links", "a", func(p string) error { return os.Link(p, filepath.Join(t.TempDir(), "outside")) }},
		{"it is not in the copy", "c", func(p string) error { return os.Rename(p, p+".away") }},
		{"it is only in the copy", "a", func(string) error { return os.WriteFile(filepath.Join(into, "more"), nil, 0o644) }},
		{"the kind of file", "c", func(p string) error { return cmp.Or(os.Remove(p), unix.Mkfifo(p, 0o644)) }},
	} {
		t.Run(c.what+" of "+c.name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(into))
			job, err := shift.Plan(t.Context(), dir, from, to, copyOptions(t, into))
			require.NoError(t, err)
			job, err = shift.Run(t.Context(), job, nil)
			require.NoError(t, err)
			if c.what == "it is not in the copy" {
				require.NoError(t, c.do(filepath.Join(into, c.name)))
				require.NoError(t, os.Chtimes(into, time.Time{}, modTime(t, dir)))
			} else {
				keepTime(t, c.name, c.do)
			}
			err = shift.Compare(t.Context(), job)
			require.ErrorIs(t, err, shift.ErrDiffers)
			assert.ErrorContains(t, err, c.what)
		})
	}
	t.Run("the time", func(t *testing.T) {
		require.NoError(t, os.RemoveAll(into))
		job := mustRun(t, dir, from, to, copyOptions(t, into))
		require.NoError(t, os.Chtimes(filepath.Join(into, "a"), time.Time{}, time.Unix(1, 1)))
		require.ErrorContains(t, shift.Compare(t.Context(), job), "the time of its last change")
	})
}

func modTime(t *testing.T, path string) time.Time {
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime()
}

// A tree that is written to while it is copied gives no copy.
func TestNoCopyOfATreeThatChanges(t *testing.T) {
	hosttest.Need(t)
	base := t.TempDir()
	dir, into := filepath.Join(base, "tree"), filepath.Join(base, "copy")
	for i := range 1500 {
		sub := filepath.Join(dir, strconv.Itoa(i%10))
		require.NoError(t, os.MkdirAll(sub, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sub, fmt.Sprint("f", i)), nil, 0o644))
	}
	from, to := ranges(0, 100000)
	for name, do := range map[string]func(sub string) error{
		"a file is added":   func(sub string) error { return os.WriteFile(filepath.Join(sub, "new"), nil, 0o644) },
		"a file is written": func(sub string) error { return os.WriteFile(filepath.Join(sub, "new"), []byte("more"), 0o644) },
		"a file is removed": func(sub string) error { return os.Remove(filepath.Join(sub, "new")) },
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 10 { // some of them are copied before it happens
				path := filepath.Join(dir, strconv.Itoa(i), "new")
				require.NoError(t, os.WriteFile(path, nil, 0o644))
				if name == "a file is added" {
					require.NoError(t, os.Remove(path))
				}
			}
			job, err := shift.Plan(t.Context(), dir, from, to, copyOptions(t, into))
			require.NoError(t, err)
			once := false
			_, err = shift.Run(t.Context(), job, func(p shift.Progress) {
				if !once && p.Files > 1000 {
					once = true
					for i := range 10 {
						assert.NoError(t, do(filepath.Join(dir, strconv.Itoa(i))))
					}
				}
			})
			require.True(t, once)
			require.ErrorIs(t, err, shift.ErrMissed)
			entries, err := os.ReadDir(base)
			require.NoError(t, err)
			assert.Len(t, entries, 1, "nothing is left of the copy")
		})
	}
}

// A program in the tree swaps a directory and a file for links to the outside.
func TestACopyTakesNothingFromOutside(t *testing.T) {
	hosttest.Need(t)
	base := t.TempDir()
	dir, into, victim := filepath.Join(base, "tree"), filepath.Join(base, "copy"), filepath.Join(base, "victim")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	require.NoError(t, os.Mkdir(victim, 0o700))
	for _, path := range []string{filepath.Join(victim, "file"), filepath.Join(victim, "secret")} {
		require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("tree"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub/file"), []byte("tree"), 0o644))
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for name, to := range map[string]string{"sub": victim, "file": filepath.Join(victim, "file")} {
				path := filepath.Join(dir, name)
				_ = os.Rename(path, path+".away")
				_ = os.Symlink(to, path)
				_ = os.Remove(path)
				_ = os.Rename(path+".away", path)
			}
		}
	}()
	from, to := ranges(0, 100000)
	whole := 0
	for range 100 {
		job, err := shift.Plan(t.Context(), dir, from, to, copyOptions(t, into))
		if err == nil {
			_, err = shift.Run(t.Context(), job, nil)
		}
		if err != nil {
			require.NoDirExists(t, into)
			continue
		}
		whole++
		out, _ := exec.Command("grep", "-rls", "secret", into).Output()
		require.Empty(t, string(out))
		if info, err := os.Lstat(filepath.Join(into, "sub")); err == nil && info.IsDir() { // or it was the link at that moment
			require.NoFileExists(t, filepath.Join(into, "sub/secret"))
		}
		require.NoError(t, os.RemoveAll(into))
	}
	close(stop)
	<-done
	t.Logf("%d of 100 copies were whole", whole)
}

// What is around a tree and its copy does not make them differ.
func TestACopyAndWhatIsAroundIt(t *testing.T) {
	hosttest.Need(t)
	base := t.TempDir()
	dir := filepath.Join(base, "tree")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	for _, name := range []string{"one", "sub/two"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	require.NoError(t, os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "sub/one")))
	require.NoError(t, os.Link(filepath.Join(dir, "one"), filepath.Join(base, "outside")))
	require.NoError(t, os.Link(filepath.Join(dir, "sub/two"), filepath.Join(base, "outside too")))
	require.NoError(t, os.Mkdir(filepath.Join(base, "copies"), 0o755))
	setACL(t, filepath.Join(base, "copies"), "default", 0)
	from, to := ranges(0, 100000)
	into := filepath.Join(base, "copies/copy")
	want := likeACopy(throughKernel(t, dir, from, to))
	job := mustRun(t, dir, from, to, copyOptions(t, into))
	want["sub/two"] = strings.Replace(want["sub/two"], " same as sub/two", "", 1)
	requireSame(t, want, likeACopy(snapshot(t, into)))
	require.NoError(t, os.Link(filepath.Join(into, "one"), filepath.Join(base, "of the copy")))
	require.ErrorIs(t, shift.Compare(t.Context(), job), shift.ErrDiffers)
}

func TestACopyKeepsProjectIDs(t *testing.T) {
	hosttest.Need(t, "xfs_io")
	dir, ok := fileSystems(t)["xfs"]
	if !ok {
		t.Skip("xfs cannot be mounted here")
	}
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	out, err := exec.Command("xfs_io", "-c", "chproj 4711", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	from, to := ranges(0, 100000)
	mustRun(t, dir, from, to, copyOptions(t, dir+" copy"))
	out, err = exec.Command("xfs_io", "-r", "-c", "lsproj", filepath.Join(dir+" copy", "file")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "projid = 4711\n", string(out))
}

// With a quota that is used up, a copy says that the space is not enough, and a job
// in place says what is half done. The kernel here has no quotas, so strace(1) gives
// its answer.
func TestAQuotaThatIsUsedUp(t *testing.T) {
	hosttest.Need(t, "strace")
	base := t.TempDir()
	dir := filepath.Join(base, "tree")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for i := range 10 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("x"), 0o644))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	opt := options(t)
	child := func(verb, call string) string {
		out, err := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+call+":error=EDQUOT:when=5",
			self, "shift-test-child", verb, dir, opt.State).CombinedOutput()
		require.Error(t, err)
		return string(out)
	}
	for _, call := range []string{"copy_file_range", "fchownat", "fchmodat", "utimensat"} {
		assert.Regexp(t, `^not enough space for the copy: .* \d: disk quota exceeded\n$`, child("copy", call))
		entries, err := os.ReadDir(base)
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing is left of the copy")
	}
	assert.Regexp(t, `^some owners are moved and some are not: chown \d: disk quota exceeded\n$`, child("run", "fchownat"))
	from, to := ranges(0, 100000)
	_, err = shift.Undo(t.Context(), shift.Job{Dir: dir, From: from, To: to, Options: opt}, nil)
	require.NoError(t, err)
}
