package usernskit

import (
	"fmt"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// What can stand in the way of reading or writing a file of the host. All of
// them come wrapped in an error that names the file.
var (
	// ErrChanged: a file no longer holds what the plan was made from, or what
	// Undo is to take back. Read again and plan again.
	ErrChanged = hostfs.ErrChanged
	// ErrLocked: another program held a lock for as long as we may wait. The
	// error names the lock file and the process in it.
	ErrLocked = hostfs.ErrLocked
	// ErrTooLarge: the file is larger than [MaxFileSize].
	ErrTooLarge = hostfs.ErrTooLarge
	// ErrNotRegular: a directory, FIFO, socket or device where a file should be.
	ErrNotRegular = hostfs.ErrNotRegular
	// ErrReadOnly: the file system is mounted read-only.
	ErrReadOnly = hostfs.ErrReadOnly
	// ErrImmutable: the file or its directory has the immutable or append-only
	// attribute of chattr(1).
	ErrImmutable = hostfs.ErrImmutable
	// ErrBindMounted: the file is a mount point of its own and cannot be
	// replaced, as in a container with the file bind-mounted into it.
	ErrBindMounted = hostfs.ErrBindMounted
	// ErrHardLinked: the file has another name, which replacing would cut off.
	ErrHardLinked = hostfs.ErrHardLinked
)

// A FileError is an error at a place in a file, printed as
// "file:line:col: what". Line and Col count from 1; 0 is left out.
type FileError struct {
	File      string
	Line, Col int // Col counts bytes
	Err       error
}

func (e *FileError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	case e.Col == 0:
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Col, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }
