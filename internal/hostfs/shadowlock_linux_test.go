package hostfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func lockTree(t *testing.T) (string, Writer) {
	root := t.TempDir()
	write(t, root+"/etc/subuid", "")
	write(t, root+"/etc/subgid", "")
	return root, Writer{Root: Root(root)}
}

// soon is a context whose wait is over at once.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestLockFilesAreThoseOfShadowUtils(t *testing.T) {
	root, w := lockTree(t)
	l, err := w.LockShadow(t.Context(), "/etc/subgid", "/etc/subuid")
	require.NoError(t, err)
	for _, name := range []string{"subuid", "subgid"} {
		data, err := os.ReadFile(root + "/etc/" + name + ".lock")
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%d\x00", os.Getpid()), string(data))
	}
	require.NoError(t, l.Unlock())
	require.NoError(t, l.Unlock(), "twice does no harm")
	list, err := os.ReadDir(root + "/etc")
	require.NoError(t, err)
	assert.Len(t, list, 3, "subuid, subgid and .pwd.lock: %v", list)
}

func TestAStaleLockIsTakenOverAndAnUnreadableOneIsNot(t *testing.T) {
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	for content, want := range map[string]string{
		fmt.Sprintf("%d\x00", dead.Process.Pid): "",
		fmt.Sprintf("%d", dead.Process.Pid):     "",
		fmt.Sprintf("%d\n", dead.Process.Pid):   "holds no process ID",
		"":                                      "holds no process ID",
		"x":                                     "holds no process ID",
		"-5":                                    "holds no process ID",
		fmt.Sprintf("%d\x00", os.Getppid()):     fmt.Sprintf("process %d", os.Getppid()),
	} {
		root, w := lockTree(t)
		write(t, root+"/etc/subuid.lock", content)
		l, err := w.LockShadow(soon(t), "/etc/subuid")
		if want == "" {
			require.NoError(t, err, "%q", content)
			require.NoError(t, l.Unlock())
			continue
		}
		require.ErrorIs(t, err, errLocked, "%q", content)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "subuid.lock")
		data, err := os.ReadFile(root + "/etc/subuid.lock")
		require.NoError(t, err)
		assert.Equal(t, content, string(data), "somebody else's lock stays")
	}
}

func TestALockThatIsNotAFile(t *testing.T) {
	for want, spoil := range map[string]func(lock string) error{
		"subuid.lock: not a regular file":                   func(lock string) error { return unix.Mkfifo(lock, 0o600) },
		"etc/subuid.lock: not a regular file":               func(lock string) error { return os.Mkdir(lock, 0o700) },
		"subuid.lock: no such file or directory":            func(lock string) error { return os.Symlink("nowhere", lock) },
		"subuid.lock: too many levels of symbolic links":    func(lock string) error { return os.Symlink("subuid.lock", lock) },
		"subuid.lock: no such device or address":            func(lock string) error { return unix.Mknod(lock, unix.S_IFSOCK|0o600, 0) },
		"subuid.lock holds no process ID (\"\"), so nobody": func(lock string) error { return os.Symlink("../etc/subgid", lock) },
	} {
		t.Run(want, func(t *testing.T) {
			root, w := lockTree(t)
			require.NoError(t, spoil(root+"/etc/subuid.lock"))
			_, err := w.LockShadow(soon(t), "/etc/subuid")
			require.ErrorIs(t, err, errLocked)
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestAFileThatIsNamedTwiceIsLockedOnce(t *testing.T) {
	_, w := lockTree(t)
	l, err := w.LockShadow(soon(t), "/etc/a", "/etc/b", "/etc/a")
	require.NoError(t, err)
	require.NoError(t, l.Unlock())
}

// After a power cut a lock may name a PID that another process has by now. That
// one started after the lock was written, and so cannot hold it.
func TestALockIsStaleWhereAYoungerProcessHasItsPID(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	odd := t.TempDir() + "/a) 1 (2"
	require.NoError(t, os.Symlink(sleep, odd)) // its name is field 2 of proc_pid_stat(5)
	other := exec.Command(odd, "60")
	require.NoError(t, other.Start())
	defer other.Wait()
	defer other.Process.Kill()
	for pid, started := range map[int]time.Time{os.Getpid(): testStarted, other.Process.Pid: time.Now()} {
		for name, tt := range map[string]struct {
			written time.Time
			stale   bool
		}{
			"before the last boot":              {time.Now().Add(-100 * 24 * time.Hour), true},
			"half a minute before it started":   {started.Add(-30 * time.Second), true},
			"in the second in which it started": {started.Add(-time.Second), false},
			"since it started":                  {time.Now(), false},
			"by a clock that was ahead":         {time.Now().Add(time.Hour), false},
		} {
			t.Run(fmt.Sprintf("%v %s", pid == os.Getpid(), name), func(t *testing.T) {
				root, w := lockTree(t)
				lock := root + "/etc/subuid.lock"
				write(t, lock, fmt.Sprintf("%d\x00", pid))
				require.NoError(t, os.Chtimes(lock, time.Time{}, tt.written))
				l, err := w.LockShadow(soon(t), "/etc/subuid")
				if !tt.stale {
					require.ErrorIs(t, err, errLocked)
					assert.FileExists(t, lock)
					return
				}
				require.NoError(t, err)
				require.NoError(t, l.Unlock())
			})
		}
	}
}

var testStarted = time.Now() // some milliseconds after the process

// lckpwdf(3) takes a POSIX lock, which this process can hold too: ours is of
// the open file and meets it. The holder is in the error.
func TestWeWaitForLckpwdfAndNameItsHolder(t *testing.T) {
	root, w := lockTree(t)
	holder := exec.Command("python3", "-c", `
import fcntl, sys
f = open(sys.argv[1], "w"); fcntl.lockf(f, fcntl.LOCK_EX); print("locked", flush=True); sys.stdin.read()`, root+"/etc/.pwd.lock")
	in, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	if err := holder.Start(); err != nil {
		t.Skip("needs python3")
	}
	defer holder.Wait()
	defer in.Close()
	_, err = out.Read(make([]byte, 10))
	require.NoError(t, err)

	_, err = w.LockShadow(soon(t), "/etc/subuid")
	require.ErrorIs(t, err, errLocked)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d", holder.Process.Pid))
	assert.NoFileExists(t, root+"/etc/subuid.lock")
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	_, w := lockTree(t)
	l, err := w.LockShadow(t.Context(), "/etc/subuid")
	require.NoError(t, err)
	defer l.Unlock()
	_, err = w.LockShadow(soon(t), "/etc/subuid")
	assert.ErrorIs(t, err, errLocked)
	f, err := w.Root.Flock(t.Context(), "/etc/own.lock")
	require.NoError(t, err)
	defer f.Close()
	_, err = w.Root.Flock(soon(t), "/etc/own.lock")
	assert.ErrorIs(t, err, errLocked)
}

// A useradd that comes while we hold .pwd.lock waits for us and then goes on.
func TestFcntlLockConflictsWithOurs(t *testing.T) {
	root, w := lockTree(t)
	l, err := w.LockShadow(t.Context(), "/etc/subuid")
	require.NoError(t, err)
	defer l.Unlock()
	f, err := os.OpenFile(root+"/etc/.pwd.lock", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	posix := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	assert.ErrorIs(t, unix.FcntlFlock(f.Fd(), unix.F_SETLK, &posix), unix.EAGAIN)
}

// Where no file can be made without a name, the lock is taken all the same.
func TestALockWithoutUnnamedFilesIsTakenByItsOtherName(t *testing.T) {
	dir := t.TempDir()
	mine, lock := dir+"/subuid.123", dir+"/subuid.lock"
	require.NoError(t, linkNamed(mine, lock))
	data, err := os.ReadFile(lock)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%d\x00", os.Getpid()), string(data))
	assert.NoFileExists(t, mine)
	assert.ErrorIs(t, linkNamed(mine, lock), os.ErrExist)
	assert.NoFileExists(t, mine)

	write(t, dir+"/precious", "x")
	require.NoError(t, os.Symlink(dir+"/precious", mine))
	assert.Error(t, linkNamed(mine, dir+"/other.lock"), "a link that someone put there is not followed")
	data, err = os.ReadFile(dir + "/precious")
	require.NoError(t, err)
	assert.Equal(t, "x", string(data))
}

func TestNoLockWhereHardLinksAreNotCounted(t *testing.T) {
	dir := t.TempDir()
	mine, lock := dir+"/subuid.123", dir+"/subuid.lock"
	write(t, mine, "")
	require.NoError(t, os.Link(mine, dir+"/third")) // so that the count is not what it should be
	require.EqualError(t, linkNamed(mine, lock), "the file system of "+dir+" does not count hard links, so a lock there excludes nobody")
	assert.NoFileExists(t, lock)
	assert.NoFileExists(t, mine)
}

// A run that is killed while it waits or locks leaves no "subuid.PID" behind.
func TestALockIsNeverSeenUnderAnotherName(t *testing.T) {
	root, w := lockTree(t)
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	require.NoError(t, err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, root+"/etc", unix.IN_CREATE)
	require.NoError(t, err)
	l, err := w.LockShadow(t.Context(), "/etc/subuid")
	require.NoError(t, err)
	_, err = w.LockShadow(soon(t), "/etc/subuid")
	require.ErrorIs(t, err, errLocked)
	require.NoError(t, l.Unlock())
	var names []string
	buf := make([]byte, 1<<16)
	n, err := unix.Read(watch, buf)
	require.NoError(t, err)
	for buf = buf[:n]; len(buf) >= unix.SizeofInotifyEvent; {
		size := int(binary.NativeEndian.Uint32(buf[12:]))
		names = append(names, string(bytes.TrimRight(buf[16:16+size], "\x00")))
		buf = buf[16+size:]
	}
	if !slices.Contains(names, fmt.Sprintf("subuid.%d", os.Getpid())) {
		assert.Equal(t, []string{".pwd.lock", "subuid.lock"}, names)
		return
	}
	f, err := os.OpenFile(root+"/etc", unix.O_TMPFILE|os.O_WRONLY, 0o600)
	require.Error(t, err, "this file system makes files without a name: %v", names)
	f.Close()
}

func TestALockThatSomeoneTookAwayIsNoErrorWhenItIsGivenBack(t *testing.T) {
	root, w := lockTree(t)
	l, err := w.LockShadow(t.Context(), "/etc/subuid")
	require.NoError(t, err)
	require.NoError(t, os.Remove(root+"/etc/subuid.lock"))
	assert.NoError(t, l.Unlock())
}

func TestAWaitThatIsCalledOffDoesNotBlameAnotherRun(t *testing.T) {
	_, w := lockTree(t)
	f, err := w.Root.Flock(t.Context(), "/etc/own.lock")
	require.NoError(t, err)
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Root.Flock(ctx, "/etc/own.lock")
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, errLocked)
}
