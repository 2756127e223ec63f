package subid

import (
	"errors"
	"fmt"
	"strings"
)

// What can stand in the way of a request. All come in a [*ConflictError], but
// for ErrExhausted, which comes in an [*ExhaustedError].
var (
	// ErrExhausted: no hole between the policy's limits is large enough.
	ErrExhausted = errors.New("no free range")
	// ErrOverlap: some of the IDs belong to someone else, or twice to the owner.
	ErrOverlap = errors.New("overlaps")
	// ErrReserved: some of the IDs have a meaning that no range may have; see
	// [ReservedRanges].
	ErrReserved = errors.New("reserved")
	// ErrUnsafeLine: readers differ about a line of the owner. Whoever builds
	// on it does not know which IDs it gets. Correct the line by hand.
	ErrUnsafeLine = errors.New("readers differ")
	// ErrSmallRange: fewer than 65536 IDs, without Request.AllowSmall.
	ErrSmallRange = errors.New("fewer than 65536 IDs")
	// ErrHasRange: the owner already has another range than the one asked for.
	ErrHasRange = errors.New("already has a range")
	// ErrOwner: a name that cannot stand in the file.
	ErrOwner = errors.New("not an owner")
	// ErrRange: no IDs, misaligned ones, or some past 4294967294.
	ErrRange = errors.New("not a range")
)

// A ConflictError says what stands in the way, and where.
type ConflictError struct {
	Err    error  // one of the errors above
	File   string // "/etc/subuid"; "" where no file is to blame
	Line   int    // from 1; 0 where no line is
	Want   Range  // what was asked for, if anything
	Owner  string // who asked
	Have   Range  // what stands there
	Holder string // whom that belongs to
	Why    string // the whole of it in words
}

// Error returns "/etc/subuid:2: dockremap:100000:65536 overlaps alice:110000:1000".
func (e *ConflictError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Why)
	return b.String()
}

// Unwrap returns Err, for [errors.Is].
func (e *ConflictError) Unwrap() error { return e.Err }

// An ExhaustedError says how much would have been free.
type ExhaustedError struct {
	Min, Max uint32 // the window that was searched, both included
	Count    uint32 // what was asked for
	Align    uint32 // at multiples of this
	Largest  Range  // the largest hole there is; empty where there is none
}

func (e *ExhaustedError) Error() string {
	at := ""
	if e.Align > 1 {
		at = fmt.Sprintf(" at a multiple of %d", e.Align)
	}
	text := fmt.Sprintf("no %d free IDs%s in both files between %d and %d", e.Count, at, e.Min, e.Max)
	if e.Largest.Count == 0 {
		return text + ", where nothing is free"
	}
	return fmt.Sprintf("%s; the largest hole is %v", text, e.Largest)
}

// Unwrap returns [ErrExhausted].
func (e *ExhaustedError) Unwrap() error { return ErrExhausted }

// named returns owner and range as a line of the files.
func named(owner string, r Range) string {
	if owner == "" {
		return r.String()
	}
	return owner + ":" + r.String()
}

func overlapError(file string, line int, owner string, want Range, holder string, have Range) error {
	return &ConflictError{Err: ErrOverlap, File: file, Line: line, Owner: owner, Want: want, Holder: holder, Have: have,
		Why: named(owner, want) + " overlaps " + named(holder, have)}
}

// checkOwner tells whether name can be written so that all readers read it.
func checkOwner(name string) error {
	why := ""
	switch {
	case name == "":
		why = "no owner given"
	case strings.ContainsAny(name, ":\n\x00"):
		why = "holds a colon, a newline or a NUL"
	case len(name) > maxLine-len(":4294967294:4294967294"):
		why = "is longer than shadow-utils reads a line"
	case !plainOwner(name):
		why = `starts or ends with a blank, or starts with "#", "+" or "-", which some readers take for something else`
	default:
		return nil
	}
	if name != "" {
		why = fmt.Sprintf("owner %q %s", name, why)
	}
	return &ConflictError{Err: ErrOwner, Owner: name, Why: why}
}

// checkRange tells whether the kernel takes r.
func checkRange(owner string, r Range) error {
	if why := r.check(); why != "" {
		return &ConflictError{Err: ErrRange, Owner: owner, Want: r, Why: named(owner, r) + ": " + why}
	}
	return nil
}
