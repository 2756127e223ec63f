package shift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A walker goes through a tree by descriptors. All that it changes is the inode
// that it has open.
type walker struct {
	translation
	ctx     context.Context
	dry     bool // only count
	check   bool // only count owners, by name: nothing is changed by what is seen
	lift    bool // take immutable and append-only off
	ended   int64
	records *records
	report  Report
	total   int
	tell    func(Progress)
	dirFD   int       // where the inode at hand was found
	base    string    // under this name; empty: it is the root
	pending []special // to be recorded and changed together
	buf     []byte    // for the most that an attribute holds, XATTR_SIZE_MAX
}

// A special file loses something when its owner changes. It stays open until it
// is changed.
type special struct {
	fd  int
	rec record
}

const (
	// atOnce is how many names of a directory are held at a time.
	atOnce = 512
	// batch is how many special files share one sync of the journal.
	batch = 64
	// tellEvery is after how many files the progress is reported.
	tellEvery = 1024

	immutable = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	// The bits of FS_IOC_GETFLAGS for the same (include/uapi/linux/fs.h).
	flagsImmutable = 0x10 | 0x20

	setIDs = unix.S_ISUID | unix.S_ISGID
	perms  = 0o7777
)

// beneath opens what a directory holds under a name, if that is not a mount point.
func beneath(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err != unix.EINTR && err != unix.EAGAIN { // a rename went on in between
			return fd, err
		}
	}
}

// openRoot opens the directory of a job, which must still be the same one.
func (j Job) openRoot() (int, unix.Statx_t, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, j.Dir, &how)
	if errors.Is(err, unix.ENOSYS) {
		return -1, unix.Statx_t{}, ErrNotSupported
	}
	if err != nil {
		return -1, unix.Statx_t{}, &os.PathError{Op: "open", Path: j.Dir, Err: err}
	}
	st, err := stat(fd)
	if err == nil && j.Inode != 0 && j.Inode != st.Ino {
		err = fmt.Errorf("%w: %s is another directory than the one that was planned for", ErrRefused, j.Dir)
	}
	if err != nil {
		unix.Close(fd)
		return -1, unix.Statx_t{}, err
	}
	return fd, st, nil
}

func stat(fd int) (unix.Statx_t, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return st, err
}

// scan counts what is in the tree, and looks who uses it.
func (j Job) scan(ctx context.Context) (Job, error) {
	root, st, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	j.Inode = st.Ino
	w := newWalker(ctx, j)
	w.dry = true
	if err := w.all(root, st); err != nil {
		return j, err
	}
	j.Report = w.report
	j.Report.Busy, err = busy(ctx, j.Dir)
	return j, err
}

// rounds bounds how often the tree is walked again because files were added.
const rounds = 3

// move moves the owners in the direction of the job's state.
func (j Job) move(ctx context.Context, tell func(Progress)) (Job, error) {
	root, _, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	old, err := load(j.stateDir(), j.Dir)
	begun := err == nil && old.State == j.State
	if !begun {
		if err := os.MkdirAll(j.stateDir(), 0o700); err != nil {
			return j, err
		}
	}
	list, err := j.openRecords(!begun)
	if err != nil {
		return j, err
	}
	defer list.file.Close()
	if err := j.save(); err != nil {
		return j, err
	}
	w := newWalker(ctx, j)
	w.lift, w.records, w.total, w.tell = j.Options.LiftImmutable, list, j.Report.Files, tell
	if j.State == StateUndoing && !j.Ended.IsZero() {
		w.ended = j.Ended.Unix()
	}
	if begun {
		if err := j.eachRecord(func(rec record) error { return w.repair(root, rec) }); err != nil {
			return j, err
		}
	}
	for range rounds {
		w.report = Report{}
		st, err := stat(root)
		if err == nil {
			err = w.all(root, st)
		}
		if err != nil {
			return j, err
		}
		if j.Report.Files == 0 || w.report.Files > j.Report.Files {
			j.Report.Files = w.report.Files
		}
		j.Report.New, j.Report.Vanished = w.report.New, w.report.Vanished
		// What is left was added behind the walker's back.
		left := newWalker(ctx, j)
		left.dry, left.check = true, true
		if st, err = stat(root); err == nil {
			err = left.all(root, st)
		}
		if err != nil {
			return j, err
		}
		j.Report.Todo, j.Report.Done, j.Report.Outside = left.report.Todo, left.report.Done, left.report.Outside
		if left.report.Todo == 0 {
			return j.finish(root)
		}
	}
	return j, fmt.Errorf("%w: %d are left in %s", ErrMissed, j.Report.Todo, j.Dir)
}

// finish puts all on the disk, and then says so in the journal.
func (j Job) finish(root int) (Job, error) {
	dir, err := unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return j, err
	}
	defer unix.Close(dir)
	if err := unix.Syncfs(dir); err != nil {
		return j, fmt.Errorf("syncfs %s: %w", j.Dir, err)
	}
	if j.State == StateUndoing {
		j.State = StateUndone
	} else {
		j.State, j.Ended = StateDone, time.Now()
	}
	return j, j.save()
}

func newWalker(ctx context.Context, j Job) *walker {
	return &walker{translation: j.translation(), ctx: ctx, buf: make([]byte, 64<<10)}
}

// all does the root and all below it.
func (w *walker) all(root int, st unix.Statx_t) error {
	w.base = ""
	err := w.one(root, st, "")
	if err == nil {
		err = w.dir(root, "")
	}
	if err == nil {
		err = w.flush()
	}
	for _, s := range w.pending {
		unix.Close(s.fd)
	}
	w.pending = nil
	return err
}

// dir does what is in a directory, which is open as a path.
func (w *walker) dir(at int, path string) error {
	fd, err := unix.Openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = unix.Openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return w.failed("open", path, err)
	}
	list := os.NewFile(uintptr(fd), path)
	defer list.Close()
	for {
		names, end := list.Readdirnames(atOnce)
		for _, name := range names {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			if err := w.name(fd, name, filepath.Join(path, name)); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return w.failed("read", path, end)
		}
	}
}

func (w *walker) name(dir int, name, path string) error {
	if w.check {
		var st unix.Statx_t
		err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st)
		if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
			return w.one(-1, st, path)
		}
	}
	fd, err := beneath(dir, name, unix.O_PATH)
	switch {
	case err == nil:
	case errors.Is(err, unix.EXDEV):
		w.report.Mounts++
		return nil
	case errors.Is(err, unix.ENOENT):
		w.report.Vanished++
		return nil
	default:
		return w.failed("open", path, err)
	}
	defer unix.Close(fd)
	st, err := stat(fd)
	if err != nil {
		return w.failed("stat", path, err)
	}
	w.dirFD, w.base = dir, name
	if err := w.one(fd, st, path); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return w.dir(fd, path)
	}
	return nil
}

func (w *walker) failed(op, path string, err error) error {
	if path == "" {
		path = "."
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// one does one inode, which is open as a path.
func (w *walker) one(fd int, st unix.Statx_t, path string) error {
	w.count(st)
	uid, u := w.uid(st.Uid)
	gid, g := w.gid(st.Gid)
	todo := u == inOld || g == inOld
	kind := st.Mode & unix.S_IFMT
	switch {
	case todo:
		w.report.Todo++
	case u == inNew || g == inNew:
		w.report.Done++
	}
	if u == outside || g == outside {
		w.report.Outside++
	}
	if w.check {
		return nil
	}
	var attrs attributes
	if kind == unix.S_IFREG || kind == unix.S_IFDIR {
		var err error
		if attrs, err = w.attributes(fd); err != nil {
			return w.failed("read attributes of", path, err)
		}
	}
	if attrs.moveACL {
		w.report.ACLs++
	}
	isSpecial := kind == unix.S_IFREG && (st.Mode&setIDs != 0 || attrs.capability != nil)
	if isSpecial {
		w.report.Special++
	}
	moveCap := attrs.capability != nil && string(attrs.moved) != string(attrs.capability)
	if w.dry || !todo && !attrs.moveACL && !moveCap {
		return nil
	}
	if held := uint32(st.Attributes&immutable) & flagsImmutable; held != 0 || todo && isSpecial {
		if held != 0 && !w.lift {
			return w.failed("move", path, unix.EPERM)
		}
		return w.later(fd, record{Path: []byte(path), Inode: st.Ino, UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode & perms), Cap: attrs.capability, Flags: held})
	}
	if attrs.moveACL {
		if err := w.moveACLs(fd); err != nil {
			return w.failed("move the access control list of", path, err)
		}
	}
	if moveCap { // the owner stays, so nothing is lost in between
		if err := unix.Setxattr(procPath(fd), capName, attrs.moved, 0); err != nil {
			return w.failed("set capabilities of", path, err)
		}
	}
	if !todo {
		return nil
	}
	if err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return w.failed("chown", path, err)
	}
	return nil
}

func (w *walker) count(st unix.Statx_t) {
	w.report.Files++
	if w.tell != nil && w.report.Files%tellEvery == 0 {
		w.tell(Progress{w.report.Files, w.total})
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		if st.Nlink > 1 {
			w.report.HardLinks++
		}
		if st.Blocks*512 < st.Size {
			w.report.Sparse++
		}
	}
	if st.Attributes&immutable != 0 {
		w.report.Immutable++
	}
	if w.ended != 0 && st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > w.ended {
		w.report.New++
	}
}

const (
	capName = "security.capability"
	aclName = "system.posix_acl_"
)

// procPath is a path to an open inode for calls that take no descriptor opened
// with O_PATH. It does not follow a symbolic link that the inode itself is.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// attributes are what a file has beside its owner that names IDs.
type attributes struct {
	moveACL           bool
	capability, moved []byte // security.capability, and translated; nil: it has none
}

func (w *walker) attributes(fd int) (attributes, error) {
	var a attributes
	path := procPath(fd)
	n, err := w.list(path)
	if errors.Is(err, unix.ENOTSUP) {
		return a, nil
	}
	if err != nil || n == 0 {
		return a, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(w.buf[:n]), "\x00"), "\x00") {
		switch {
		case name == capName:
			if a.capability, err = w.xattr(path, name); err == nil && a.capability != nil {
				a.moved, err = w.translation.capability(a.capability)
			}
		case strings.HasPrefix(name, aclName):
			var value []byte
			if value, err = w.xattr(path, name); err == nil && value != nil {
				var moves bool
				_, moves, err = w.acl(value)
				a.moveACL = a.moveACL || moves
			}
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// list lists the attributes of the inode at hand. To ask by its name takes a
// quarter of the time, where the kernel has a call for it (Linux 6.13). It is only
// a hint if the name is given to another file at that moment, which is then an
// attack on nobody else's file: values are read and written by the descriptor.
func (w *walker) list(path string) (int, error) {
	if w.base != "" {
		name, err := unix.BytePtrFromString(w.base)
		if err != nil {
			return 0, err
		}
		n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(w.dirFD), uintptr(unsafe.Pointer(name)), unix.AT_SYMLINK_NOFOLLOW,
			uintptr(unsafe.Pointer(&w.buf[0])), uintptr(len(w.buf)), 0)
		if errno == 0 {
			return int(n), nil
		}
	}
	return unix.Listxattr(path, w.buf)
}

// xattr reads an attribute; nil if there is none.
func (w *walker) xattr(path, name string) ([]byte, error) {
	n, err := unix.Getxattr(path, name, w.buf)
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(w.buf[:n]), nil
}

// moveACLs translates the access control lists of a file. This comes before the
// owner, which says that the file is done.
func (w *walker) moveACLs(fd int) error {
	path := procPath(fd)
	for _, name := range []string{aclName + "access", aclName + "default"} {
		value, err := w.xattr(path, name)
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		translated, changed, err := w.acl(value)
		if err == nil && changed {
			err = unix.Setxattr(path, name, translated, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// later keeps a special file open until the journal has it.
func (w *walker) later(fd int, rec record) error {
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return w.failed("keep open", string(rec.Path), err)
	}
	w.pending = append(w.pending, special{kept, rec})
	if len(w.pending) < batch {
		return nil
	}
	return w.flush()
}

// flush records the special files that are kept, and changes them.
func (w *walker) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	list := make([]record, len(w.pending))
	for i, s := range w.pending {
		list[i] = s.rec
	}
	if err := w.records.add(list); err != nil {
		return err
	}
	for len(w.pending) > 0 {
		s := w.pending[0]
		w.pending = w.pending[1:]
		err := w.apply(s.fd, s.rec)
		unix.Close(s.fd)
		if err != nil {
			return w.failed("move", string(s.rec.Path), err)
		}
	}
	return nil
}

// apply moves a special file and gives it back what that takes. It may be done
// again at any time: it only mends what a change of owner breaks.
func (w *walker) apply(fd int, rec record) (err error) {
	path := procPath(fd)
	if rec.Flags != 0 {
		if err := setFlags(path, 0, flagsImmutable); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = setFlags(path, rec.Flags, 0)
			}
		}()
	}
	if err := w.moveACLs(fd); err != nil {
		return err
	}
	st, err := stat(fd)
	if err != nil {
		return err
	}
	uid, u := w.uid(st.Uid)
	gid, g := w.gid(st.Gid)
	if u == inOld || g == inOld {
		if err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if rec.Cap != nil {
		have, err := w.xattr(path, capName)
		if err != nil {
			return err
		}
		moved, err := w.translation.capability(rec.Cap)
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
	// Take back only what the change took: with nothing else changed since.
	if mode := uint32(st.Mode & perms); mode != rec.Mode && mode|rec.Mode&setIDs == rec.Mode {
		return unix.Fchmodat(unix.AT_FDCWD, path, rec.Mode, 0)
	}
	return nil
}

// setFlags changes the flags of FS_IOC_GETFLAGS.
func setFlags(path string, set, drop uint32) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOATIME, 0)
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

// repair does again what a kill may have left half done to a special file.
func (w *walker) repair(root int, rec record) error {
	fd, err := unix.Openat(root, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { unix.Close(fd) }()
	if len(rec.Path) > 0 {
		for name := range strings.SplitSeq(string(rec.Path), "/") {
			next, err := beneath(fd, name, unix.O_PATH)
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EXDEV) {
				return nil // it is not there any more
			}
			if err != nil {
				return w.failed("open", string(rec.Path), err)
			}
			unix.Close(fd)
			fd = next
		}
	}
	st, err := stat(fd)
	if err != nil {
		return w.failed("stat", string(rec.Path), err)
	}
	if st.Ino != rec.Inode {
		return nil // another file has its name
	}
	if err := w.apply(fd, rec); err != nil {
		return w.failed("mend", string(rec.Path), err)
	}
	return nil
}
