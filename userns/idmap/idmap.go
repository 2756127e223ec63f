// Package idmap makes idmapped mounts, which show the same files with other
// owners than on the disk (mount_setattr(2)), and reads the map of any mount.
//
//	tree, err := idmap.Clone(ctx, "/srv/data", mapping)
//	if err != nil {
//		return err
//	}
//	defer tree.Close()
//	err = tree.Attach("/mnt/data")
//
// In the [userns.Mapping] of a mount, ID is the owner on the disk, and HostID
// the one that the mount shows. An owner that the mapping lacks shows as nobody
// and cannot own new files.
//
// # What it does not
//
// A mount's mapping cannot be changed: make another mount. Only the kernel
// decides whether a file system can be idmapped; if not, the error is
// [ErrFilesystem].
//
// # What others read
//
// /proc/PID/mountinfo has the word "idmapped" since Linux 5.12 and not the map,
// which statmount(2) has since Linux 6.15. findmnt(8) shows the word.
package idmap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/internal/fstype"
	"github.com/usernskit/usernskit/userns"
)

var (
	// ErrNotSupported: this system or this kernel has no idmapped mounts, or
	// does not show their maps.
	ErrNotSupported = errors.New("idmapped mounts are not supported here")

	// ErrFilesystem: the kernel has idmapped mounts, but not of this file system.
	ErrFilesystem = errors.New("mounts of this file system cannot be idmapped")
)

// An Error is a refusal by the kernel. It matches its errno, and
// [ErrNotSupported] or [ErrFilesystem] where that is why.
type Error struct {
	Op     string // "open_tree", "mount_setattr", "move_mount"
	Path   string
	FSType string // as in mountinfo; empty if not known
	Errno  syscall.Errno
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Errno)
	switch {
	case e.Is(ErrNotSupported):
		s += ": this kernel has no idmapped mounts, which are in Linux 5.12 and later"
	case e.Is(ErrFilesystem):
		s += ": mounts of " + e.FSType + " cannot be idmapped"
		if since, ok, err := fstype.Idmap(e.FSType).Get(); err == nil && ok {
			s += " before Linux " + since
		}
	}
	return s
}

func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotSupported:
		return e.Errno == syscall.ENOSYS
	case ErrFilesystem:
		return e.Op == opSetattr && e.Errno == syscall.EINVAL
	}
	return false
}

func (e *Error) Unwrap() error { return e.Errno }

const opSetattr = "mount_setattr"

// A Tree is an idmapped mount of a directory or file. Until Attach it is not in
// the file tree, and Close ends it.
type Tree struct{ file *os.File }

// Clone makes an idmapped mount of what is at path, without the mounts below it.
// It needs root.
func Clone(ctx context.Context, path string, m userns.Mapping) (*Tree, error) {
	return clone(ctx, path, m)
}

// Attach puts the mount on target, where it stays after Close.
func (t *Tree) Attach(target string) error { return t.attach(target) }

// File returns the open root of the mount. It is usable before Attach too, with
// openat(2) and as /proc/self/fd/N, and is closed by Close.
func (t *Tree) File() *os.File { return t.file }

// Close closes the mount. If it was not attached, it is gone.
func (t *Tree) Close() error { return t.file.Close() }

// A Mount is a mount of a process.
type Mount struct {
	ID     int    // as in mountinfo
	Point  string // where the process sees it
	FSType string
	// Mapping is the map of an idmapped mount, absent for one that is not
	// idmapped. It is unknown where the kernel does not show it.
	Mapping answer.Answer[userns.Mapping]
}

// Mounts returns the mounts of a process, of any mount namespace, in the order
// of mountinfo. The error matches [os.ErrNotExist] if the process does not
// exist.
func Mounts(proc userns.FS, pid int) ([]Mount, error) { return mounts(proc, pid) }
