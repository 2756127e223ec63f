package subid

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/subid/reader"
)

// Why a request is refused. All come in a [*ConflictError].
var (
	// ErrExhausted: no hole between the policy's limits is large enough. Have
	// is the largest one.
	ErrExhausted = errors.New("no free range")
	// ErrOverlap: some of the IDs belong to another owner, or twice to this one.
	ErrOverlap = errors.New("overlaps")
	// ErrReserved: some of the IDs are in [ReservedRanges].
	ErrReserved = errors.New("reserved")
	// ErrUnsafeLine: readers differ about a line of the owner. Programs would
	// get different IDs from it. Correct the line by hand.
	ErrUnsafeLine = errors.New("readers differ")
	// ErrSmallRange: fewer than 65536 IDs, without Request.AllowSmall.
	ErrSmallRange = errors.New("fewer than 65536 IDs")
	// ErrHasRange: the owner already has another range than the one asked for.
	ErrHasRange = errors.New("already has a range")
	// ErrOwner: a name that the file cannot hold, or that was requested twice.
	ErrOwner = errors.New("not an owner")
	// ErrRange: no IDs, misaligned ones, or some past 4294967294.
	ErrRange = errors.New("not a range")
)

// A ConflictError is why a request is refused, and the place.
type ConflictError struct {
	Err    error  // one of the errors above
	File   string // "/etc/subuid"; "" without a file
	Line   int    // from 1; 0 without a line
	Want   Range  // what was asked for, if anything
	Owner  string // who asked
	Have   Range  // what exists
	Holder string // the owner of Have
	Why    string // the whole in words
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

// checkOwner checks that all programs can read name.
func checkOwner(name string) error {
	why := ""
	switch {
	case name == "":
		why = "no owner given"
	case strings.ContainsAny(name, ":\n\x00"):
		why = "holds a colon, a newline or a NUL"
	case len(name) > reader.MaxLine-len(":4294967294:4294967294"):
		why = "is longer than shadow-utils reads a line"
	case !plainOwner(name):
		why = `starts or ends with a blank, starts with "#", "+" or "-", or is a number with leading zeros: readers differ about these`
	default:
		return nil
	}
	if name != "" {
		why = fmt.Sprintf("owner %q %s", name, why)
	}
	return &ConflictError{Err: ErrOwner, Owner: name, Why: why}
}

// checkRange checks that the kernel accepts r.
func checkRange(owner string, r Range) error {
	if why := r.check(); why != "" {
		return &ConflictError{Err: ErrRange, Owner: owner, Want: r, Why: named(owner, r) + " " + why}
	}
	return nil
}
