package hostfs

import "errors"

// See the package usernskit, which exports them, for what each one means.
var (
	ErrChanged     = errors.New("changed meanwhile")
	ErrLocked      = errors.New("locked")
	ErrTooLarge    = errors.New("file too large")
	ErrNotRegular  = errors.New("not a regular file")
	ErrReadOnly    = errors.New("read-only file system")
	ErrImmutable   = errors.New("immutable file (see chattr(1), lsattr(1))")
	ErrBindMounted = errors.New("mount point of its own, cannot be replaced")
	ErrHardLinked  = errors.New("has another hard link, which replacing would cut off")
)
