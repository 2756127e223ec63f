package userns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
)

// maxProcFile bounds every file read below /proc. The longest in practice is
// the status of a process in 65536 groups.
const maxProcFile = 1 << 20

// A procDir is an open /proc/PID. It stays with the process it was opened for:
// when that has ended, every access fails with ESRCH or ENOENT, and another
// process with the same PID is never reached.
type procDir struct {
	fd   int
	name string // for errors
}

func (f FS) root() string {
	if f.Root == "" {
		return "/proc"
	}
	return f.Root
}

func (f FS) open(name string) (procDir, error) {
	d := procDir{name: f.root() + "/" + name}
	var err error
	d.fd, err = unix.Open(d.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procDir{}, &fs.PathError{Op: "open", Path: d.name, Err: err}
	}
	return d, nil
}

// dir opens a directory below.
func (d procDir) dir(name string) (procDir, error) {
	below := procDir{name: d.name + "/" + name}
	var err error
	below.fd, err = unix.Openat(d.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procDir{}, &fs.PathError{Op: "open", Path: below.name, Err: err}
	}
	return below, nil
}

func (d procDir) close() { unix.Close(d.fd) }

// A procFile is a file of a process, open for reading. It is no [os.File], for
// which the runtime makes two more system calls to learn that it cannot be
// polled. Nor does anything close it but close.
type procFile struct {
	fd   int
	name string // for errors
}

func (f *procFile) close() { unix.Close(f.fd) }

// file opens a file of the process for reading.
func (d procDir) file(name string) (*procFile, error) {
	path := d.name + "/" + name
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		// uid_map and gid_map of a process that is being reaped give EINVAL
		// (proc_id_map_open in the kernel's fs/proc/base.c).
		if err == unix.EINVAL && !d.alive() {
			err = unix.ESRCH
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &procFile{fd, path}, nil
}

// names lists a directory of the process.
func (d procDir) names(name string) ([]string, error) {
	f, err := d.file(name)
	if err != nil {
		return nil, err
	}
	list := os.NewFile(uintptr(f.fd), f.name)
	defer list.Close()
	return list.Readdirnames(-1)
}

// read reads a file of the process. A file that is missing although the
// process is there, as when the kernel was built without it, is empty.
func (d procDir) read(name string, buf []byte) ([]byte, error) {
	f, err := d.file(name)
	if err != nil {
		if errors.Is(err, unix.ENOENT) && name != "status" && d.alive() {
			return nil, nil
		}
		return nil, err
	}
	defer f.close()
	return f.read(buf)
}

// read reads f from its beginning, into buf as far as that goes.
func (f *procFile) read(buf []byte) ([]byte, error) {
	buf = buf[:cap(buf)]
	if len(buf) == 0 {
		buf = make([]byte, 4096)
	}
	n := 0
	for {
		if n == len(buf) {
			if n >= maxProcFile {
				return nil, &fs.PathError{Op: "read", Path: f.name, Err: usernskit.ErrTooLarge}
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
		// At an offset, so that a file kept open can be read again.
		m, err := unix.Pread(f.fd, buf[n:], int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: f.name, Err: err}
		case m == 0:
			return buf[:n], nil
		default:
			n += m
		}
	}
}

// alive reports whether the process of d has not been reaped.
func (d procDir) alive() bool {
	var st unix.Stat_t
	return unix.Fstatat(d.fd, "status", &st, 0) == nil
}

// readlink returns what a link says, in buf.
func (d procDir) readlink(name string, buf []byte) ([]byte, error) {
	n, err := unix.Readlinkat(d.fd, name, buf)
	return buf[:max(n, 0)], err
}

// namespace returns the inode of a namespace link, as in "user:[4026531837]".
func (d procDir) namespace(kind string) (uint64, error) {
	var buf [64]byte
	link, err := d.readlink("ns/"+kind, buf[:])
	if err != nil {
		return 0, &fs.PathError{Op: "readlink", Path: d.name + "/ns/" + kind, Err: err}
	}
	return parseNamespace(kind, string(link))
}

func parseNamespace(kind, link string) (uint64, error) {
	inode, ok := strings.CutPrefix(link, kind+":[")
	if ok {
		inode, ok = strings.CutSuffix(inode, "]")
	}
	n, err := strconv.ParseUint(inode, 10, 64)
	if !ok || err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a link to a %s namespace", link, kind)
	}
	return n, nil
}

// isGone reports whether err says that the process has ended.
func isGone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// isDenied reports whether err says that we may not look.
func isDenied(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }
