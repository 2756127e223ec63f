package usernskit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// The decisions that a caller may have to make. Errors about a file of the host
// come wrapped in one that names the file.
var (
	// ErrChanged: a file no longer holds what the plan was made from, or what
	// Undo is to take back. Read again and plan again. See [ChangedError].
	ErrChanged = hostfs.ErrChanged
	// ErrNoReceipt: there is nothing to take back.
	ErrNoReceipt = errors.New("nothing to undo")
	// ErrUnfinished: an earlier run was interrupted between its first and its last
	// file, or this one failed and could not put its files back. [Host.Undo]
	// without an ID takes that run back.
	ErrUnfinished = errors.New("an earlier run was interrupted; undo it first")
	// ErrNotLive: [Host.Command] was asked for a program of a tree of files.
	ErrNotLive = errors.New("not the running host")
	// ErrLocked: another program held a lock for the whole wait. The error
	// names the lock file and the process in it.
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
	// ErrHardLinked: the file has another name, which would keep the old content.
	ErrHardLinked = hostfs.ErrHardLinked
)

// errBadChange: a path that is not absolute, clean and UTF-8, or a mode that is
// not that of a file.
var errBadChange = errors.New("bad change")

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

// A ConflictError is why [Merge] cannot join plans: two of them change a file.
type ConflictError struct {
	Path   string
	Titles [2]string // of the two plans; they may be empty
}

func (e *ConflictError) Error() string {
	text := e.Path + ": changed by two plans"
	if e.Titles[0] != "" && e.Titles[1] != "" {
		text += fmt.Sprintf(" (%s; %s)", e.Titles[0], e.Titles[1])
	}
	return text
}

// A ChangedError is an [ErrChanged] with what is not as expected in each file.
type ChangedError struct {
	Files map[string]string // the path, and what is wrong
}

func (e *ChangedError) Error() string {
	var list []string
	for path, why := range e.Files {
		list = append(list, path+": "+ErrChanged.Error()+": "+why)
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// Is reports whether target is [ErrChanged].
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// An unfinishedError is why a run that failed could not put its files back.
type unfinishedError struct{ err error }

func (e *unfinishedError) Error() string {
	return "rollback failed, undo has to try again: " + e.err.Error()
}
func (e *unfinishedError) Unwrap() error        { return e.err }
func (e *unfinishedError) Is(target error) bool { return target == ErrUnfinished }
