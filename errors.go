package usernskit

import (
	"errors"
	"fmt"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// The decisions that a caller may have to make. Errors about a file of the host
// come wrapped in one that names the file. A Change that cannot be applied
// matches [fs.ErrInvalid], a read-only file system [syscall.EROFS], and a lock
// that another program held for the whole wait [context.DeadlineExceeded]; that
// error names the lock file and the process.
var (
	// ErrChanged: a file no longer holds what the plan was made from, or what
	// Undo is to take back. Read again and plan again. Each such file is a
	// [*FileError]; several are joined.
	ErrChanged = hostfs.ErrChanged
	// ErrNoReceipt: there is nothing to take back.
	ErrNoReceipt = errors.New("nothing to undo")
	// ErrUnfinished: an earlier run was interrupted between its first and its last
	// file, or this one failed and could not put its files back. [Host.Undo]
	// without an ID takes that run back.
	ErrUnfinished = errors.New("a run was not finished; undo it first")
	// ErrNotLive: [Host.Command] cannot run a program of a tree of files.
	ErrNotLive = errors.New("not the running host")
	// ErrTooLarge: the file is larger than 16 MiB, or a change would make it so.
	ErrTooLarge = hostfs.ErrTooLarge
	// ErrNotRegular: a directory, FIFO, socket or device where a file should be.
	ErrNotRegular = hostfs.ErrNotRegular
	// ErrImmutable: the file or its directory has the immutable or append-only
	// attribute of chattr(1).
	ErrImmutable = hostfs.ErrImmutable
	// ErrBindMounted: the file is a mount point of its own and cannot be
	// replaced, as in a container with the file bind-mounted into it.
	ErrBindMounted = hostfs.ErrBindMounted
	// ErrHardLinked: the file has another name, which would keep the old content.
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
	return fmt.Sprintf("%v: %v", Pos{e.File, e.Line, e.Col}, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// changed returns an [ErrChanged] of a file that says why.
func changed(path, why string) error {
	return &FileError{File: path, Err: fmt.Errorf("%w: %s", ErrChanged, why)}
}
