package shift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A copier makes a tree again below another directory, which only it can reach
// until it is whole.
type copier struct {
	worker
	// links has each file of several names once more, under its inode number, until
	// the copy is done. So memory does not grow with them.
	links  int
	report Progress
}

// measure looks at the place of the copy: whether it is there already, and how
// much room there is.
func (j Job) measure(ctx context.Context) (Job, error) {
	into := j.Options.Into
	switch _, err := os.Lstat(into); {
	case err == nil:
		if err := compare(ctx, j, into, false); err != nil {
			return j, fmt.Errorf("%w: %s is there already: %w", ErrRefused, into, err)
		}
		j.State = StateDone
		return j, nil
	case !errors.Is(err, unix.ENOENT):
		return j, err
	}
	var fs unix.Statfs_t
	dir := filepath.Dir(into)
	for err := unix.Statfs(dir, &fs); err != nil; err = unix.Statfs(dir, &fs) {
		if !errors.Is(err, unix.ENOENT) || dir == "/" {
			return j, &os.PathError{Op: "statfs", Path: dir, Err: err}
		}
		dir = filepath.Dir(dir) // it is to be made
	}
	j.Free = int64(fs.Bavail) * int64(fs.Bsize)
	if fs.Files > 0 && fs.Ffree < uint64(j.Report.Files) {
		return j, fmt.Errorf("%w: %d files are to be made in %s, and it has room for %d", ErrNoSpace, j.Report.Files, dir, fs.Ffree)
	}
	var err error
	j.Seconds, err = j.sample(ctx)
	return j, err
}

// sampled is for how long a tree is read to tell how long a copy takes.
const sampled = 200 * time.Millisecond

// sample estimates the seconds that a copy takes: to write is taken to be as fast
// as to read.
func (j Job) sample(ctx context.Context) (seconds int, err error) {
	root, _, err := j.openRoot()
	if err != nil {
		return 0, err
	}
	defer unix.Close(root)
	read, start := int64(0), time.Now()
	enough := errors.New("enough")
	buf := make([]byte, 64<<10)
	var below func(d *dir) error
	below = func(d *dir) error {
		return eachName(d, func(name string) error {
			fd, err := beneath(d.fd, name, unix.O_PATH)
			if err != nil {
				return nil // the copy fails, and not the estimate
			}
			defer unix.Close(fd)
			st, err := stat(fd)
			switch read += 4096; {
			case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
				return below(&dir{fd: fd, parent: d, name: name})
			case err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
				in, err := reopen(fd, unix.O_RDONLY)
				for n := 1; err == nil && n > 0 && time.Since(start) < sampled; read += int64(max(n, 0)) {
					n, err = unix.Read(in, buf)
				}
				unix.Close(in)
			}
			if time.Since(start) > sampled || ctx.Err() != nil {
				return enough
			}
			return nil
		})
	}
	if err := below(&dir{fd: root}); err != nil && !errors.Is(err, enough) {
		return 0, err
	}
	return int(math.Ceil(2 * time.Since(start).Seconds() * float64(j.Need) / float64(read+4096))), ctx.Err()
}

// part is where a copy is made before it is whole.
func (j Job) part() string {
	dir, name := filepath.Split(j.Options.Into)
	return filepath.Join(dir, "."+name+".part")
}

// tidy removes what a kill right after the move left.
func (j Job) tidy() error {
	if j.Options.Into == "" {
		return nil
	}
	if err := os.Remove(j.part()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// copy makes the copy beside its place, and moves it there when it is on the disk.
func (j Job) copy(ctx context.Context, tell func(Progress)) (Job, error) {
	root, st, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	part := j.part()
	if err := os.Mkdir(part, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return j, err
	}
	own, err := openPart(part)
	if err != nil {
		return j, err
	}
	defer unix.Close(own)
	// What a job left that was killed is begun again: what was on the disk is not known.
	for _, name := range []string{"tree", "links"} {
		if err := os.RemoveAll(filepath.Join(part, name)); err != nil {
			return j, err
		}
	}
	j.State = StateRunning
	err = j.fill(ctx, root, own, st, tell)
	if err == nil {
		err = os.RemoveAll(filepath.Join(part, "links"))
	}
	if err == nil {
		err = compare(ctx, j, filepath.Join(part, "tree"), false)
		if errors.Is(err, ErrDiffers) {
			err = fmt.Errorf("%w: %s was written to: %w", ErrMissed, j.Dir, err)
		}
	}
	if err == nil {
		err = unix.Syncfs(own)
	}
	if err == nil {
		err = unix.Renameat2(own, "tree", unix.AT_FDCWD, j.Options.Into, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
		return j, errors.Join(err, os.RemoveAll(part))
	}
	j.State = StateDone
	return j, errors.Join(os.Remove(part), syncDir(filepath.Dir(part)))
}

// openPart opens the directory of a copy and keeps other jobs off it.
func openPart(part string) (int, error) {
	fd, err := unix.Open(part, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: part, Err: err}
	}
	st, err := stat(fd)
	switch {
	case err != nil:
	case st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0:
		err = fmt.Errorf("%w: %s is not a directory of an earlier job", ErrRefused, part)
	default:
		if locked := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); locked != nil {
			err = fmt.Errorf("%w: %s: %w", ErrRunning, part, locked)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// fill makes the tree in the directory of the copy.
func (j Job) fill(ctx context.Context, root, own int, st unix.Statx_t, tell func(Progress)) error {
	if err := unix.Mkdirat(own, "links", 0o700); err != nil {
		return err
	}
	links, err := unix.Openat(own, "links", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(links)
	c := copier{worker: worker{walk: &walk{translation: j.translation(), ctx: ctx, tell: tell}, buf: make([]byte, 64<<10)}, links: links}
	c.report.Total = j.Report.Files
	return c.one(nil, "", root, own, "tree", st)
}

// one copies what is open as a path to a name of a directory, and all below it.
func (c *copier) one(parent *dir, name string, from, dst int, as string, st unix.Statx_t) error {
	if c.report.Files++; c.report.Files%tellEvery == 0 && c.tell != nil {
		c.tell(c.report)
	}
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	several := st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1
	if several {
		err := unix.Linkat(c.links, strconv.FormatUint(st.Ino, 10), dst, as, 0)
		if !errors.Is(err, unix.ENOENT) {
			return c.failed(parent, "link", name, err)
		}
	}
	if err := c.create(from, dst, as, st); err != nil {
		return c.failed(parent, "copy", name, err)
	}
	to, err := unix.Openat(dst, as, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return c.failed(parent, "open the copy of", name, err)
	}
	defer unix.Close(to)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := c.below(&dir{fd: from, parent: parent, name: name}, to); err != nil {
			return err
		}
	}
	if err := c.dress(from, to, st); err != nil {
		return c.failed(parent, "set attributes of the copy of", name, err)
	}
	if several {
		err = unix.Linkat(dst, as, c.links, strconv.FormatUint(st.Ino, 10), 0)
	}
	return c.failed(parent, "link", name, err)
}

func (c *copier) failed(parent *dir, op, name string, err error) error {
	if err == nil {
		return nil
	}
	return parent.failed(op, name, err)
}

// below copies what a directory holds.
func (c *copier) below(d *dir, dst int) error {
	return eachName(d, func(name string) error {
		fd, err := beneath(d.fd, name, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) {
			return nil // the comparison finds it, if it was there
		}
		if err != nil {
			return d.failed("open", name, err)
		}
		defer unix.Close(fd)
		st, err := stat(fd)
		if err != nil {
			return d.failed("stat", name, err)
		}
		return c.one(d, name, fd, dst, name, st)
	})
}

// eachName calls do with the names in a directory, which may be open as a path.
func eachName(d *dir, do func(name string) error) error {
	fd, err := reopen(d.fd, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return d.failed("open", "", err)
	}
	f := os.NewFile(uintptr(fd), d.path(""))
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			if err := do(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reopen opens for reading what is open as a path, without a trace in its atime.
func reopen(fd, flags int) (int, error) {
	return unix.Open(procPath(fd), flags|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC, 0)
}

// create makes a file of the same kind and content.
func (c *copier) create(from, dst int, as string, st unix.Statx_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return unix.Mkdirat(dst, as, 0o700)
	case unix.S_IFLNK:
		n, err := unix.Readlinkat(from, "", c.buf)
		if err != nil {
			return err
		}
		return unix.Symlinkat(string(c.buf[:n]), dst, as)
	case unix.S_IFREG:
	default:
		return unix.Mknodat(dst, as, uint32(st.Mode&unix.S_IFMT)|0o600, int(unix.Mkdev(st.Rdev_major, st.Rdev_minor)))
	}
	in, err := reopen(from, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := unix.Openat(dst, as, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(c.data(in, out, int64(st.Size)), unix.Close(out))
}

// data copies content and holes, or shares it where the file system can.
func (c *copier) data(in, out int, size int64) error {
	if size == 0 || unix.IoctlFileClone(out, in) == nil {
		return nil
	}
	for at := int64(0); at < size; {
		start, err := unix.Seek(in, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // only a hole is left
		}
		end := size
		if err != nil { // a file system that does not tell
			start = at
		} else if end, err = unix.Seek(in, start, unix.SEEK_HOLE); err != nil {
			end = size
		}
		if err := c.extent(in, out, start, min(end, size)); err != nil {
			return err
		}
		at = end
	}
	return unix.Ftruncate(out, size)
}

// extent copies a part of a file.
func (c *copier) extent(in, out int, at, end int64) error {
	const atMost = 8 << 20 // at a time, since a context is to end it
	read, write := at, at
	for read < end {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		n, err := unix.CopyFileRange(in, &read, out, &write, int(min(end-read, atMost)), 0)
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			if n, err = unix.Pread(in, c.buf[:min(end-read, int64(len(c.buf)))], read); err == nil && n > 0 {
				n, err = unix.Pwrite(out, c.buf[:n], write)
				read, write = read+int64(n), write+int64(n)
			}
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return nil // it was cut off, which the comparison finds
		}
	}
	return nil
}

// dress gives a copy what the file has, the IDs translated: the owner first, since
// that takes others away, and the times last.
func (c *copier) dress(from, to int, st unix.Statx_t) error {
	uid, _ := c.uid(st.Uid)
	gid, _ := c.gid(st.Gid)
	if err := unix.Fchownat(to, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	attrs, err := c.xattrs(from)
	if err != nil {
		return err
	}
	path := procPath(to)
	for name, value := range attrs {
		if err := unix.Setxattr(path, name, value, 0); err != nil {
			// A label that the file system has for all of its files is there already.
			if have, _ := c.xattr(path, name); string(have) != string(value) {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(unix.AT_FDCWD, path, uint32(st.Mode&perms), 0); err != nil {
			return err
		}
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFREG || kind == unix.S_IFDIR {
		if err := copyProject(from, to); err != nil {
			return err
		}
	}
	times := []unix.Timespec{unix.NsecToTimespec(nanoseconds(st.Atime)), unix.NsecToTimespec(nanoseconds(st.Mtime))}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0)
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// xattrs returns all extended attributes of a file as its copy is to have them.
func (p *worker) xattrs(fd int) (map[string][]byte, error) {
	path := procPath(fd)
	n, err := unix.Listxattr(path, p.buf)
	if n == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(p.buf[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "trusted.SGI_ACL_") { // as xfs stores the access control lists
			continue
		}
		value, err := p.xattr(path, name)
		switch {
		case err != nil || value == nil:
		case name == capName:
			value, err = p.translation.capability(value)
		case strings.HasPrefix(name, aclName):
			value, _, err = p.acl(value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if value != nil {
			all[name] = value
		}
	}
	return all, nil
}

// project is struct fsxattr of FS_IOC_FSGETXATTR (include/uapi/linux/fs.h).
type project struct {
	Flags, ExtentSize, Extents, ID, CowExtentSize uint32
	_                                             [8]byte
}

const (
	getProject     = 0x801c581f
	setProject     = 0x401c5820
	projectInherit = 0x200
)

// projectOf returns the project of a file, the zero one where it has none.
func projectOf(fd int) (p project) {
	f, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return p
	}
	defer unix.Close(f)
	unix.Syscall(unix.SYS_IOCTL, uintptr(f), getProject, uintptr(unsafe.Pointer(&p)))
	return project{ID: p.ID, Flags: p.Flags & projectInherit}
}

// copyProject copies the ID that quotas count a file under. Where another file
// system does not have them, they are not kept.
func copyProject(from, to int) error {
	want := projectOf(from)
	if want == (project{}) {
		return nil
	}
	f, err := reopen(to, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(f)
	var p project
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(f), getProject, uintptr(unsafe.Pointer(&p))); errno != 0 {
		return nil
	}
	p.ID, p.Flags = want.ID, p.Flags&^projectInherit|want.Flags
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(f), setProject, uintptr(unsafe.Pointer(&p))); errno != 0 && errno != unix.EOPNOTSUPP && errno != unix.EINVAL {
		return errno
	}
	return nil
}
