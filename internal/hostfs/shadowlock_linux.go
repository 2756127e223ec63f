package hostfs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A ShadowLock holds the locks of shadow-utils on some files.
type ShadowLock struct {
	pwd   *os.File
	paths []string // the files, as on the host
	locks []string // FILE.lock on this machine, in the order they were taken
}

// shadowOrder is the order in which shadow-utils lock the files they write.
// Taking them in any other order could wait for useradd while it waits for us.
var shadowOrder = [...]string{"/etc/passwd", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/shadow"}

// LockShadow takes the locks that shadow-utils take before they write the given
// files: /etc/.pwd.lock as lckpwdf(3) does, then FILE.lock for each file. It
// waits as long as ctx allows, or 15 s if ctx has no deadline. The error then
// matches [context.DeadlineExceeded] and names the lock file and its holder.
//
// The first lock is an open file description lock: it excludes the POSIX lock
// of lckpwdf(3), but closing another descriptor of the file does not release
// it.
func (w Writer) LockShadow(ctx context.Context, files ...string) (_ *ShadowLock, err error) {
	l := &ShadowLock{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Unlock())
		}
	}()
	if err := w.step("lock /etc/.pwd.lock"); err != nil {
		return nil, err
	}
	if err := l.lockPwd(ctx, w.Root); err != nil {
		return nil, hostError("lock", "/etc/.pwd.lock", err)
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b string) int {
		return cmp.Or(slices.Index(shadowOrder[:], a)-slices.Index(shadowOrder[:], b), cmp.Compare(a, b))
	})
	for _, file := range slices.Compact(files) {
		if err := w.step("lock " + file); err != nil {
			return nil, err
		}
		// Not resolved: shadow-utils put FILE.lock beside the name that they
		// know, whatever that name leads to.
		target, err := w.Root.resolveDir(file)
		if err != nil {
			return nil, err
		}
		if err := l.lockFile(ctx, target); err != nil {
			return nil, hostError("lock", file, err)
		}
		l.paths = append(l.paths, file)
	}
	return l, nil
}

func (l *ShadowLock) lockPwd(ctx context.Context, r Root) error {
	target, err := r.Resolve("/etc/.pwd.lock")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	err = waitLock(ctx, f, func(fd uintptr) error {
		lock := whole
		return unix.FcntlFlock(fd, unix.F_OFD_SETLKW, &lock)
	}, func(fd uintptr) error {
		who := whole
		if err := unix.FcntlFlock(fd, unix.F_OFD_GETLK, &who); err == nil && who.Pid > 0 {
			return fmt.Errorf("%w by %s", errLocked, process(int(who.Pid)))
		}
		return errLocked
	})
	if err == nil {
		l.pwd = f
	}
	return err
}

// lockFile takes target.lock by link(2), as commonio_lock of shadow-utils does: a
// file that holds our PID and a NUL gets that name. Only one process can succeed.
func (l *ShadowLock) lockFile(ctx context.Context, target string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	lock, mine := target+".lock", target+"."+strconv.Itoa(os.Getpid())
	for stolen := false; ; {
		err := linkLock(mine, lock)
		if err == nil {
			l.locks = append(l.locks, lock)
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return explain(err)
		}
		holder := lockHolder(lock)
		if errors.Is(holder, errStale) && !stolen {
			// Its process is dead. Unlinking by name is safe because we hold
			// /etc/.pwd.lock, so that no other process does the same, except
			// shadow-utils with --prefix.
			stolen = true
			if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return explain(err)
			}
			continue
		}
		select {
		case <-ctx.Done():
			return holder
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// linkLock makes the file without a name first, so that a kill leaves nothing. If
// the file system cannot do that, or /proc is missing, the file is named mine for
// a while, as shadow-utils do it.
func linkLock(mine, lock string) error {
	f, err := os.OpenFile(filepath.Dir(lock), unix.O_TMPFILE|os.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		defer f.Close()
		if err = writePID(f); err == nil {
			err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, lock, unix.AT_SYMLINK_FOLLOW)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return linkNamed(mine, lock)
}

func writePID(f *os.File) error {
	if _, err := f.WriteString(strconv.Itoa(os.Getpid()) + "\x00"); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.Fd()))
}

func linkNamed(mine, lock string) error {
	f, err := os.OpenFile(mine, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(mine)
	if err := errors.Join(writePID(f), f.Close()); err != nil {
		return err
	}
	if err := os.Link(mine, lock); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(mine, &st); err != nil || st.Nlink != 2 {
		return errors.Join(fmt.Errorf("the file system of %s does not count hard links, so a lock there excludes nobody", filepath.Dir(lock)), os.Remove(lock))
	}
	return nil
}

var errStale = errors.New("left behind by a process that is gone")

// lockHolder returns an error that names the holder of a lock file. As for
// shadow-utils, a file without a readable PID is never stale.
func lockHolder(lock string) error {
	data, written, err := readLock(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s came and went", errLocked, lock)
	}
	if err != nil {
		return err
	}
	text := string(bytes.TrimSuffix(data, []byte{0}))
	pid, err := strconv.ParseInt(text, 10, 32)
	if err != nil || pid <= 0 || strings.TrimLeft(text, "0123456789") != "" {
		return fmt.Errorf("%w: %s holds no process ID (%q), so nobody can tell who made it; remove it if no useradd, usermod or userdel is running", errLocked, lock, truncate(text))
	}
	if unix.Kill(int(pid), 0) == unix.ESRCH || startedAfter(int(pid), written) {
		return fmt.Errorf("%w: %s is %w (process %d)", errLocked, lock, errStale, pid)
	}
	return fmt.Errorf("%w: %s is held by %s, or was left by a process of another PID namespace (a container)", errLocked, lock, process(int(pid)))
}

// readLock returns what a lock file holds and when it was written.
func readLock(lock string) (data []byte, written time.Time, err error) {
	f, err := openRead(lock)
	if err != nil {
		if _, there := os.Lstat(lock); there == nil {
			err = fmt.Errorf("%w: %v", errLocked, err) // a link that leads nowhere is there
		}
		return nil, written, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s: %w", errLocked, lock, ErrNotRegular)
	}
	if err != nil {
		return nil, written, err
	}
	data, err = io.ReadAll(io.LimitReader(f, 100))
	return data, info.ModTime(), err
}

// userHZ is the unit of times in proc_pid_stat(5), on every machine Go runs on.
const userHZ = 100

// startedAfter reports whether a process is younger than a lock that names it:
// then a process that a power cut ended wrote the lock, and its PID was reused.
// Unknown is false. A clock that was set forward makes a holder look younger.
// That does no harm where the holder has /etc/.pwd.lock too, as shadow-utils do,
// except with --prefix (tried with useradd 4.13: it takes FILE.lock alone).
func startedAfter(pid int, written time.Time) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")) // a name may hold both
	fields := bytes.Fields(rest)
	if len(fields) < 20 {
		return false
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return false
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return false
	}
	age := time.Duration(up.Nano()) - time.Duration(ticks)*(time.Second/userHZ)
	const margin = 5 * time.Second // for changed clocks and coarse file times
	return time.Now().Add(-age).After(written.Add(margin))
}

func truncate(s string) string { return s[:min(len(s), 40)] }

func process(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(comm)))
}

// Covers reports whether l, which may be nil, has the locks of all these files.
func (l *ShadowLock) Covers(files []string) bool {
	return !slices.ContainsFunc(files, func(f string) bool { return l == nil || !slices.Contains(l.paths, f) })
}

// Unlock releases the locks in reverse order. It may be called more than once,
// and on nil.
func (l *ShadowLock) Unlock() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, lock := range slices.Backward(l.locks) {
		if err := os.Remove(lock); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err) // a missing file is not an error
		}
	}
	l.paths, l.locks = nil, nil
	if l.pwd != nil {
		errs = append(errs, l.pwd.Close())
		l.pwd = nil
	}
	return errors.Join(errs...)
}
