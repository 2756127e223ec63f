package shift

import (
	"bytes"
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

	"github.com/usernskit/usernskit/internal/hostfs"
)

// A copier copies a tree into a directory that only its owner can enter until the
// copy is whole.
type copier struct {
	worker
	// links is a directory. Until the copy is done, it has a hard link to the copy of
	// each file with several names, named after the file's inode number. So these
	// files need no memory.
	links  int
	report Progress
}

// measure checks whether the copy is there already, and how much space there is.
func (j Job) measure(ctx context.Context) (Job, error) {
	into := j.Options.Into
	switch _, err := os.Lstat(into); {
	case err == nil:
		if _, err := compare(ctx, j, into, false); err != nil {
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
		dir = filepath.Dir(dir) // it does not exist yet
	}
	j.Free = int64(fs.Bavail) * int64(fs.Bsize)
	if fs.Files > 0 && fs.Ffree < uint64(j.Report.Files) {
		return j, fmt.Errorf("%w: %d files are to be made in %s, and it has room for %d", ErrNoSpace, j.Report.Files, dir, fs.Ffree)
	}
	j.Seconds = j.sample(ctx)
	return j, ctx.Err()
}

// sampled is how long a tree is read to estimate the time of a copy.
const sampled = 200 * time.Millisecond

// sample estimates the seconds that a copy takes. Writing is assumed to be as fast
// as reading, so the tree is compared with itself.
func (j Job) sample(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, sampled)
	defer cancel()
	start := time.Now()
	read, _ := compare(ctx, Job{Dir: j.Dir}, j.Dir, true) // making the copy will report the error
	return int(math.Ceil(time.Since(start).Seconds() * float64(j.Need) / float64(read+4096)))
}

// copy makes the copy beside its place, and moves it there when it is on the disk.
func (j Job) copy(ctx context.Context, tell func(Progress)) (Job, error) {
	root, st, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	_, free, err := lock(root, j.Dir)
	if err != nil {
		return j, err
	}
	defer free()
	part := j.part()
	if err := os.Mkdir(part, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return j, err
	}
	own, owner, err := Job{Dir: part}.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(own)
	if owner.Uid != uint32(os.Geteuid()) || owner.Mode&0o077 != 0 {
		return j, fmt.Errorf("%w: %s is not a directory of an earlier job", ErrRefused, part)
	}
	// What the copy holds must not inherit an ACL that it does not have.
	if err := unix.Removexattr(procPath(own), aclName+"default"); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
		return j, &os.PathError{Op: "remove the default ACL of", Path: part, Err: err}
	}
	locked, unlock, err := lock(own, part)
	if err != nil {
		return j, err
	}
	defer unlock()
	if err := j.make(ctx, root, locked, st, tell); err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
		return j, errors.Join(err, os.RemoveAll(part))
	}
	j.State = StateDone
	return j, errors.Join(os.Remove(part), hostfs.SyncDir(filepath.Dir(part)))
}

// make makes the copy in the directory part, and moves it to its place.
func (j Job) make(ctx context.Context, root, part int, st unix.Statx_t, tell func(Progress)) error {
	// What a killed job left is removed: it is not known what of it is on the disk.
	tree, links := filepath.Join(j.part(), "tree"), filepath.Join(j.part(), "links")
	if err := errors.Join(os.RemoveAll(tree), os.RemoveAll(links), os.Mkdir(links, 0o700)); err != nil {
		return err
	}
	c := copier{worker: worker{walk: &walk{translation: translation{j.From, j.To}, ctx: ctx, tell: tell}, buf: make([]byte, 64<<10)}}
	c.report.Total = j.Report.Files
	var err error
	if c.links, err = beneath(part, "links", unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		return err
	}
	defer unix.Close(c.links)
	if err := c.one(nil, "", root, part, "tree", st); err != nil {
		return err
	}
	if err := os.RemoveAll(links); err != nil {
		return err
	}
	if _, err := compare(ctx, j, tree, false); errors.Is(err, ErrDiffers) {
		return fmt.Errorf("%w: %s was written to: %w", ErrMissed, j.Dir, err)
	} else if err != nil {
		return err
	}
	if err := unix.Syncfs(part); err != nil {
		return err
	}
	return unix.Renameat2(part, "tree", unix.AT_FDCWD, j.Options.Into, unix.RENAME_NOREPLACE)
}

// one copies an inode that is open with O_PATH, and all below it, to the name as in
// the directory dst.
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
			return parent.failed("link", name, err)
		}
	}
	if err := c.create(from, dst, as, st); err != nil {
		return parent.failed("copy", name, err)
	}
	to, err := unix.Openat(dst, as, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return parent.failed("open the copy of", name, err)
	}
	defer unix.Close(to)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		d := &dir{fd: from, parent: parent, name: name}
		if err := d.each(func(name string, fd int, st unix.Statx_t) error { return c.one(d, name, fd, to, name, st) }); err != nil {
			return err
		}
	}
	if err := c.dress(from, to, st); err != nil {
		return parent.failed("set attributes of the copy of", name, err)
	}
	if several {
		err = unix.Linkat(dst, as, c.links, strconv.FormatUint(st.Ino, 10), 0)
	}
	return parent.failed("link", name, err)
}

// each calls do for each entry of a directory, opened with O_PATH. It skips an entry
// that is gone by then; the comparison finds it if it was copied.
func (d *dir) each(do func(name string, fd int, st unix.Statx_t) error) error {
	return d.names(func(name string) error {
		fd, err := beneath(d.fd, name, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return d.failed("open", name, err)
		}
		defer unix.Close(fd)
		st, err := stat(fd)
		if err != nil {
			return d.failed("stat", name, err)
		}
		return do(name, fd, st)
	})
}

// names calls do for each name in a directory, which may be open with O_PATH.
func (d *dir) names(do func(name string) error) error {
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

// reopen opens again what is open with O_PATH. Reading from it does not change the
// atime.
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

// data copies content and holes, or shares the content where the file system can.
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
		if err != nil { // the file system does not support SEEK_DATA
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
	const atMost = 8 << 20 // bytes at a time, so that the context can end the copy
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
			return nil // it was truncated, which the comparison finds
		}
	}
	return nil
}

// dress sets the owner, attributes, mode, project ID and times of a copy, with the
// IDs translated. The owner comes first, since chown(2) clears others, and the times
// come last.
func (c *copier) dress(from, to int, st unix.Statx_t) error {
	uid, _ := c.uid(st.Uid)
	gid, _ := c.gid(st.Gid)
	if err := unix.Fchownat(to, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	attrs, err := c.attributes(from, copied)
	if err != nil {
		return err
	}
	path := procPath(to)
	for _, a := range attrs {
		if err := unix.Setxattr(path, a.name, a.moved, 0); err != nil {
			// A label that the file system gives to all of its files is set already.
			if have, _ := c.xattr(path, a.name); !bytes.Equal(have, a.moved) {
				return fmt.Errorf("%s: %w", a.name, err)
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
	times := make([]unix.Timespec, 2)
	for i, t := range []unix.StatxTimestamp{st.Atime, st.Mtime} {
		if times[i], err = unix.TimeToTimespec(time.Unix(t.Sec, int64(t.Nsec))); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0)
}

// copied reports whether a copy keeps an attribute. The others are the access
// control lists as xfs stores them, which it shows a second time.
func copied(name string) bool { return !strings.HasPrefix(name, "trusted.SGI_ACL_") }

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

// call makes one of the two requests for a file that is open for reading.
func (p *project) call(fd int, request uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(p))); errno != 0 {
		return errno
	}
	return nil
}

// copyProject copies the ID under which quotas count a file. If a file system does
// not have such IDs, the ID is lost.
func copyProject(from, to int) error {
	var list [2]project // of the file and its copy
	for i, path := range []int{from, to} {
		fd, err := reopen(path, unix.O_RDONLY)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		want := list[0]
		switch err := list[i].call(fd, getProject); {
		case err != nil || list[0].ID == 0 && list[0].Flags&projectInherit == 0:
			return nil
		case i == 0:
			continue
		}
		list[1].ID, list[1].Flags = want.ID, list[1].Flags&^projectInherit|want.Flags&projectInherit
		if err := list[1].call(fd, setProject); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}
