package shift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A special file loses something when its owner changes. It stays open until it
// is changed.
type special struct {
	fd  int
	rec record
}

const (
	// atOnce is how many special files of a worker share one sync of the journal.
	atOnce = 64

	immutable = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	// The bits of FS_IOC_GETFLAGS for the same (include/uapi/linux/fs.h).
	flagsImmutable = 0x10 | 0x20

	setIDs = unix.S_ISUID | unix.S_ISGID
	perms  = 0o7777
)

// owner counts an inode and, in a walk that moves owners, moves its owner. fd is -1
// if the inode is not open, which only the other walks allow.
func (p *worker) owner(d *dir, name string, fd int, st unix.Statx_t) error {
	kind := st.Mode & unix.S_IFMT
	if p.purpose == toMove && kind == unix.S_IFREG && st.Nlink > 1 {
		p.one.Lock()
		defer p.one.Unlock()
		var err error
		if st, err = stat(fd); err != nil {
			return d.failed("stat", name, err)
		}
	}
	p.count(st)
	uid, u := p.uid(st.Uid)
	gid, g := p.gid(st.Gid)
	todo, taken := u == inOld || g == inOld, u == inNew || g == inNew
	switch {
	case todo:
		p.report.Todo++
	case taken:
		p.report.Done++
	}
	if u == outside || g == outside {
		p.report.Outside++
	}
	if p.purpose == toOwners {
		return nil
	}
	if rec, ok := p.renamed[inodeOf(st)]; ok {
		rec.Path = []byte(d.path(name))
		return p.later(fd, rec)
	}
	var attrs []attribute
	if kind != unix.S_IFLNK {
		var err error
		if attrs, err = p.attributesAt(d, name, fd); err != nil {
			return d.failed("read attributes of", name, err)
		}
	}
	var capability attribute
	moveACL := false
	for _, a := range attrs {
		if a.name == capName {
			capability = a
		} else {
			moveACL = moveACL || a.moves()
		}
		taken = taken || a.taken
	}
	if taken {
		p.report.taken++
	}
	moveCap := capability.moves()
	if moveACL {
		p.report.ACLs++
	}
	if moveCap {
		p.report.Capabilities++
	}
	isSpecial := kind != unix.S_IFDIR && (st.Mode&setIDs != 0 || capability.value != nil)
	if isSpecial {
		p.report.Special++
	}
	if p.purpose != toMove || !todo && !moveACL && !moveCap {
		return nil
	}
	if held := uint32(st.Attributes&immutable) & flagsImmutable; held != 0 || todo && isSpecial {
		if held != 0 && !p.lift {
			return d.failed("move", name, unix.EPERM)
		}
		return p.later(fd, record{Path: []byte(d.path(name)), inode: inodeOf(st), UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode & perms), Cap: capability.value, Flags: held})
	}
	// The owner shows that a file is done, so it comes last. Capabilities move here
	// only if the owner stays.
	if err := setMoved(fd, attrs); err != nil {
		return d.failed("move attributes of", name, err)
	}
	if !todo {
		return nil
	}
	err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
	return d.failed("chown", name, err)
}

func (p *worker) count(st unix.Statx_t) {
	p.report.Files++
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		p.report.Bytes += int64(st.Blocks) * 512 / int64(max(st.Nlink, 1)) // once for all hard links
		if st.Nlink > 1 {
			p.report.HardLinks++
		}
		if st.Blocks*512 < st.Size {
			p.report.Sparse++
		}
	}
	if st.Attributes&immutable != 0 {
		p.report.Immutable++
	}
	if p.ended != 0 && st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > p.ended {
		p.report.New++
	}
}

// procPath is a path to an open inode, for calls that do not take an O_PATH
// descriptor. If the inode is a symbolic link, the path does not follow it.
func procPath(fd int) string { return procFDs + strconv.Itoa(fd) }

const procFDs = "/proc/self/fd/"

// An attribute is an extended attribute of a file, and its value after the job.
type attribute struct {
	name         string
	value, moved []byte
	taken        bool // has an ID of the new range
}

func (a attribute) moves() bool { return !bytes.Equal(a.value, a.moved) }

// attributesAt returns the attributes of a file that hold IDs. In a walk that only
// counts, the file is not open and fd is -1.
func (p *worker) attributesAt(d *dir, name string, fd int) ([]attribute, error) {
	if fd < 0 {
		if n, err := p.listAt(d.fd, name, unix.AT_SYMLINK_NOFOLLOW); err == nil && n == 0 {
			return nil, nil
		}
		var err error
		if fd, err = beneath(d.fd, name, unix.O_PATH); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer unix.Close(fd)
	}
	return p.attributes(fd, func(name string) bool { return name == capName || strings.HasPrefix(name, aclName) })
}

// attributes returns the attributes of a file that are wanted.
func (p *worker) attributes(fd int, wanted func(name string) bool) (list []attribute, err error) {
	path, n := procPath(fd), 0
	if err = unix.ENOSYS; p.fds != 0 {
		n, err = p.listAt(p.fds, path[len(procFDs):], 0)
	}
	if errors.Is(err, unix.ENOSYS) {
		n, err = unix.Listxattr(path, p.buf)
	}
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(p.buf[:n]), "\x00"), "\x00") {
		if !wanted(name) {
			continue
		}
		a := attribute{name: name}
		if a.value, err = p.xattr(path, name); err == nil && a.value != nil {
			a.moved, a.taken, err = p.attribute(name, a.value)
			list = append(list, a)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return list, nil
}

// listAt lists the attributes of a directory's entry by listxattrat(2), which Linux
// has since 6.13. That is faster by the name of a file than by its descriptor, but
// another file may have the name by now. So only a walk that counts uses the name:
// a moved file would lose the attributes that were not seen.
func (p *worker) listAt(dir int, name string, flags int) (int, error) {
	at, err := unix.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(dir), uintptr(unsafe.Pointer(at)), uintptr(flags),
		uintptr(unsafe.Pointer(&p.buf[0])), uintptr(len(p.buf)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// xattr reads an attribute; nil if there is none.
func (p *worker) xattr(path, name string) ([]byte, error) {
	n, err := unix.Getxattr(path, name, p.buf)
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(p.buf[:n]), nil
}

// setMoved writes the attributes that change.
func setMoved(fd int, list []attribute) error {
	for _, a := range list {
		if !a.moves() {
			continue
		}
		if err := unix.Setxattr(procPath(fd), a.name, a.moved, 0); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// later keeps a special file open until the journal has it.
func (p *worker) later(fd int, rec record) error {
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return (*dir)(nil).failed("keep open", string(rec.Path), err)
	}
	p.pending = append(p.pending, special{kept, rec})
	return nil
}

// flush writes the pending special files to the journal and then changes them,
// unless the walk has failed.
func (p *worker) flush() error {
	if len(p.pending) == 0 {
		return nil
	}
	p.one.Lock()
	defer p.one.Unlock()
	list := p.pending
	p.pending = nil
	defer func() {
		for _, s := range list {
			unix.Close(s.fd)
		}
	}()
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	recs := make([]record, len(list))
	for i, s := range list {
		recs[i] = s.rec
	}
	if err := addRecords(p.records, recs); err != nil {
		return err
	}
	for _, s := range list {
		if err := p.apply(s.fd, s.rec); err != nil {
			return (*dir)(nil).failed("move", string(s.rec.Path), err)
		}
	}
	return nil
}

// apply moves the owner of a special file and restores what that clears. It may be
// repeated at any time: it only repairs what a change of owner breaks.
func (p *worker) apply(fd int, rec record) (err error) {
	path := procPath(fd)
	if rec.Flags != 0 {
		if err := setFlags(fd, 0, flagsImmutable); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = setFlags(fd, rec.Flags, 0)
			}
		}()
	}
	acls, err := p.attributes(fd, func(name string) bool { return strings.HasPrefix(name, aclName) })
	if err == nil {
		err = setMoved(fd, acls)
	}
	if err != nil {
		return err
	}
	st, err := stat(fd)
	if err != nil {
		return err
	}
	uid, u := p.uid(st.Uid)
	gid, g := p.gid(st.Gid)
	if u == inOld || g == inOld {
		if err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if rec.Cap != nil {
		have, err := p.xattr(path, capName)
		if err != nil {
			return err
		}
		moved, _, err := p.translation.capability(rec.Cap)
		if err != nil {
			return err
		}
		if have == nil || string(have) == string(rec.Cap) {
			if err := unix.Setxattr(path, capName, moved, 0); err != nil {
				return err
			}
		}
	}
	if st, err = stat(fd); err != nil {
		return err
	}
	// Restore only the bits that chown(2) clears, and only if no others were changed.
	if mode := uint32(st.Mode & perms); mode != rec.Mode && mode|rec.Mode&setIDs == rec.Mode {
		return unix.Fchmodat(unix.AT_FDCWD, path, rec.Mode, 0)
	}
	return nil
}

// setFlags changes the flags of FS_IOC_GETFLAGS of an inode that is open with O_PATH.
func setFlags(inode int, set, drop uint32) error {
	fd, err := reopen(inode, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	if want := flags&^drop | set; want != flags {
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(want))
	}
	return nil
}

func inodeOf(st unix.Statx_t) inode {
	id := inode{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id
}

// repair finishes what a kill may have left half done to a special file. found is
// false if the file is no longer at its path.
func (p *worker) repair(root int, rec record) (found bool, err error) {
	fd, err := unix.Openat(root, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer func() { unix.Close(fd) }()
	if len(rec.Path) > 0 {
		for name := range strings.SplitSeq(string(rec.Path), "/") {
			next, err := beneath(fd, name, unix.O_PATH)
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EXDEV) {
				return false, nil
			}
			if err != nil {
				return false, (*dir)(nil).failed("open", string(rec.Path), err)
			}
			unix.Close(fd)
			fd = next
		}
	}
	st, err := stat(fd)
	if err != nil {
		return false, (*dir)(nil).failed("stat", string(rec.Path), err)
	}
	if inodeOf(st) != rec.inode {
		return false, nil // another file has its name
	}
	if err := p.apply(fd, rec); err != nil {
		return true, (*dir)(nil).failed("mend", string(rec.Path), err)
	}
	return true, nil
}
