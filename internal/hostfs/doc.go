// Package hostfs reads, replaces and locks files below a directory that is
// taken for "/".
//
// Paths mean what they would mean after chroot(2): an absolute symbolic link
// resolves inside the root. The root and the directories on the way must belong
// to root: a user who can rename directories there during a call can redirect
// it.
package hostfs

import "errors"

// See the package usernskit, which exports them, for what each one means.
var (
	ErrChanged     = errors.New("changed since")
	ErrBadRoot     = errors.New("the root is not usable")
	ErrLocked      = errors.New("locked")
	ErrTooLarge    = errors.New("file too large")
	ErrNotRegular  = errors.New("not a regular file")
	ErrReadOnly    = errors.New("read-only file system")
	ErrImmutable   = errors.New("immutable file (see chattr(1), lsattr(1))")
	ErrBindMounted = errors.New("mount point of its own, cannot be replaced")
	ErrHardLinked  = errors.New("the file has other hard links")
)
