package userns

import (
	"context"
	"fmt"
)

// Probe starts a process in a user namespace with this very mapping, looks at it
// from outside, and ends it: nil means that the kernel gives out exactly these
// IDs. The process never gets to run, so any program may call Probe, and none
// but itself is needed. It takes a few milliseconds and root; other users can
// probe the mapping of one ID that stands for themselves.
//
// The error is a [*ProbeError] where the kernel refused or did something else,
// [ErrNotSupported] where there is no Linux.
func Probe(ctx context.Context, m Mapping) error { return probe(ctx, m) }

// A ProbeError says at which step a probe came to an end and why.
type ProbeError struct {
	Step   string // "create the namespace", "write uid_map", ...
	Err    error  // a [syscall.Errno] where the kernel refused
	Cause  string // what that means here; empty if not known
	Remedy string // what to do about it; empty if nothing is known
}

func (e *ProbeError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Step, e.Err)
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

func (e *ProbeError) Unwrap() error { return e.Err }
