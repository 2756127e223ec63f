package subid

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
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
	// ErrInvalid: an owner that the file cannot hold or that was requested
	// twice, or a range that is empty, misaligned or runs past 4294967294.
	ErrInvalid = errors.New("not valid")
)

// A ConflictError is why a request is refused, and the place.
type ConflictError struct {
	Err   error  // one of the errors above
	Owner string // who asked
	Want  Range  // what was asked for, if anything
	Have  Claim  // what exists, and where; what is not known is zero
	Why   string // the message without the place
}

// Error returns "/etc/subuid:2: dockremap:100000:65536 overlaps alice:110000:1000".
func (e *ConflictError) Error() string {
	return usernskit.Warning{Pos: usernskit.Pos{File: e.Have.File, Line: e.Have.Line}, Text: e.Why}.String()
}

// Unwrap returns Err, for [errors.Is].
func (e *ConflictError) Unwrap() error { return e.Err }

func conflict(err error, owner string, want Range, have Claim, format string, args ...any) error {
	return &ConflictError{err, owner, want, have, fmt.Sprintf(format, args...)}
}

func overlapError(owner string, want Range, have Claim) error {
	return conflict(ErrOverlap, owner, want, have, "%s overlaps %s", named(owner, want), named(have.Owner, have.Range))
}

// unsafe returns the error for a line that programs read differently.
func (l line) unsafe() error {
	return conflict(ErrUnsafeLine, l.Owner, Range{}, l.Claim,
		"readers differ about %q: %s; write it in plain decimal, or remove it", l.text, reader.Explain(l.text))
}

// named returns owner and range as a line of the files.
func named(owner string, r Range) string {
	if owner == "" {
		return r.String()
	}
	return owner + ":" + r.String()
}

// checkOwner checks that all programs can read name.
func checkOwner(name string) error {
	why := ""
	switch {
	case name == "":
		return conflict(ErrInvalid, "", Range{}, Claim{}, "no owner given")
	case strings.ContainsAny(name, ":\n\x00"):
		why = "holds a colon, a newline or a NUL"
	case len(name) > reader.MaxLine-len(":4294967294:4294967294"):
		why = "is longer than shadow-utils reads a line"
	case !plainOwner(name):
		why = `starts or ends with a blank, starts with "#", "+" or "-", or is a number with leading zeros: readers differ about these`
	default:
		return nil
	}
	return conflict(ErrInvalid, name, Range{}, Claim{}, "owner %q %s", name, why)
}

// checkRange checks that the kernel accepts r.
func checkRange(owner string, r Range) error {
	if why := r.check(); why != "" {
		return conflict(ErrInvalid, owner, r, Claim{}, "%s %s", named(owner, r), why)
	}
	return nil
}
