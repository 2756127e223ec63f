package userns

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalidMap is matched by the errors of a map that the kernel would
	// refuse, [*ExtentError] among them.
	ErrInvalidMap = errors.New("not a valid ID map")

	// ErrUnmapped is matched when an ID has no counterpart: by [Map.Split] for
	// one that the parent namespace lacks, and by [ParseMap] for a map whose
	// first host ID reads 4294967295, because the process that read it has no
	// number for that ID in its own namespace.
	ErrUnmapped = errors.New("ID is not mapped")

	// ErrNotSupported: this system or this kernel has no user namespaces, or
	// cannot answer the question.
	ErrNotSupported = errors.New("user namespaces are not supported here")
)

// An ExtentError says which extent of a map the kernel would refuse, and why.
type ExtentError struct {
	Index  int // of the extent, from 0
	Extent Extent
	Why    string
}

func (e *ExtentError) Error() string {
	return fmt.Sprintf("extent %d (%v) %s", e.Index+1, e.Extent, e.Why)
}

// Is matches [ErrInvalidMap].
func (e *ExtentError) Is(target error) bool { return target == ErrInvalidMap }
