package drill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/internal/text"
)

// A Result is the outcome of a probe.
type Result = enum.Of[resultNames]

const (
	NotTestable Result = iota // the step could not be tried on this host; never a pass
	Stopped                   // the kernel refused the step (EACCES, EPERM)
	Reached                   // nothing stopped the step
)

type resultNames struct{}

func (resultNames) Names() (string, []string) {
	return "Result", []string{"not-testable", "stopped", "reached"}
}

// A Probe is one step and its outcome.
type Probe struct {
	ID    string `json:"id"`    // "core-pattern"
	Title string `json:"title"` // what an attacker gains by the step

	Result Result `json:"result"`
	Target string `json:"target,omitempty"` // the path or process that was tried
	Errno  string `json:"errno,omitempty"`  // as in errno(3): "EACCES"
	Reason string `json:"reason"`           // the result in words

	// Unmapped is the result for the host's root, and so for a container
	// without remapping. It is from permissions, and was not tried.
	Unmapped Result `json:"unmapped"`

	// Shared: remapping is not meant to stop this step, since all containers of
	// a daemon have the same mapping.
	Shared bool     `json:"shared,omitempty"`
	Refs   []string `json:"refs"` // "CVE-2019-5736"
}

// Failed reports whether remapping should have stopped the step and did not.
func (p Probe) Failed() bool { return p.Result == Reached && !p.Shared }

// A Report is what a drill found.
type Report struct {
	Probes []Probe `json:"probes"`
	// Changed names what the probes opened and was different afterwards:
	// another program changed it, or the drill has a bug.
	Changed []string `json:"changed"`
}

// Failed reports whether any probe failed.
func (r Report) Failed() bool {
	for _, p := range r.Probes {
		if p.Failed() {
			return true
		}
	}
	return false
}

// MarshalJSON writes the report as one object that begins with its schema.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	if r.Changed == nil {
		r.Changed = []string{}
	}
	return json.Marshal(struct {
		Schema int `json:"schema"`
		plain
	}{1, plain(r)})
}

// WriteText writes a line for each probe, for people. With unmapped it shows what a
// container without remapping would reach, too.
func (r Report) WriteText(w io.Writer, unmapped bool) error {
	b := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range r.Probes {
		fmt.Fprintf(b, "%v\t", p.Result)
		if unmapped {
			fmt.Fprintf(b, "without remap: %v\t", p.Unmapped)
		}
		fmt.Fprintf(b, "%s\t%s", p.ID, p.Title)
		if p.Result != Stopped {
			fmt.Fprintf(b, ": %s", text.Visible(p.Reason))
		}
		fmt.Fprintln(b)
	}
	return b.Flush()
}

// judge turns an attempt's result into a probe's.
func judge(a attempt.Attempt, r attempt.Result) (result Result, errno, reason string) {
	if r.Untried != "" {
		return NotTestable, "", r.Untried
	}
	name := unix.ErrnoName(r.Errno)
	switch {
	case r.Errno == 0:
		return Reached, "", "the kernel allowed it"
	case r.Errno == unix.ETXTBSY && a.Op == attempt.OpenWrite:
		return Reached, name, "allowed by permission; the file is being executed right now"
	case r.Errno == unix.EACCES || r.Errno == unix.EPERM:
		return Stopped, name, "the kernel refused it"
	case r.Errno == unix.EROFS:
		return NotTestable, name, "on a read-only file system, which stops the host's root too"
	case errors.Is(r.Errno, syscall.ENOENT):
		return NotTestable, name, "not there"
	}
	return NotTestable, name, "the step failed for another reason: " + r.Errno.Error()
}
