// Package hostfs reads, replaces and locks files below a directory that is
// taken for "/".
//
// Paths mean what they would mean after chroot(2): an absolute symbolic link
// resolves inside the root. The root and the directories on the way must belong
// to root: a user who can rename directories there during a call can redirect
// it.
package hostfs

import (
	"context"
	"errors"
)

// MaxFileSize is the size in bytes of the largest file that is read.
const MaxFileSize = 16 << 20

// See the package usernskit, which exports them, for what each one means.
var (
	ErrChanged     = errors.New("changed since")
	ErrBadRoot     = errors.New("the root is not usable")
	ErrTooLarge    = errors.New("file too large")
	ErrNotRegular  = errors.New("not a regular file")
	ErrImmutable   = errors.New("immutable file (see chattr(1), lsattr(1))")
	ErrBindMounted = errors.New("mount point of its own, cannot be replaced")
	ErrHardLinked  = errors.New("the file has other hard links")
)

// errLocked: another program held a lock for the whole wait.
var errLocked error = lockedError{}

type lockedError struct{}

func (lockedError) Error() string { return "locked" }

// Is reports that the wait is over.
func (lockedError) Is(target error) bool { return target == context.DeadlineExceeded }
