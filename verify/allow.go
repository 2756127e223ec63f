package verify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// An Allowance lets one known exception pass. It turns a failure or a warning
// into a [Skip] that carries the reason, so that the exception stays visible
// and [Summary.Remapped] stays honest.
type Allowance struct {
	// What is [UsernsHost] for a container that runs with --userns=host, or the ID of a check.
	What string `json:"what"`
	// Subject names the container: "web", "image:REPO:TAG" or
	// "label:KEY=VALUE". For a check of another kind it is the finding's
	// subject.
	Subject string `json:"subject"`
	Reason  string `json:"reason,omitempty"`
	// Until is the last day of the allowance; zero means no end.
	Until time.Time `json:"until,omitzero"`
}

// UsernsHost is the [Allowance.What] of containers that run with --userns=host.
const UsernsHost = "userns-host"

// usernsHostChecks are the checks that fail for a container only because it runs
// in the host's user namespace.
var usernsHostChecks = [...]string{"C01", "C02", "C04"}

// expired reports whether the allowance's last day is over.
func (a Allowance) expired(now time.Time) bool {
	return !a.Until.IsZero() && !now.Before(a.Until.AddDate(0, 0, 1))
}

// covers reports whether a applies to the finding. c is the container that the
// finding's subject names, or nil.
func (a Allowance) covers(f Finding, c *engine.Container) bool {
	if a.What == UsernsHost {
		// Only the option is allowed: root for another reason still fails.
		if c == nil || c.Userns != "host" || !slices.Contains(usernsHostChecks[:], f.Check) {
			return false
		}
	} else if a.What != f.Check {
		return false
	}
	if a.Subject == f.Subject || c == nil {
		return a.Subject == f.Subject
	}
	if image, ok := strings.CutPrefix(a.Subject, "image:"); ok {
		return image == c.Image
	}
	if label, ok := strings.CutPrefix(a.Subject, "label:"); ok {
		key, want, _ := strings.Cut(label, "=")
		got, has := c.Labels[key]
		return has && got == want
	}
	return a.Subject == c.Name
}

// exempt turns the findings about the container of this process into skips: an
// auditor has to be in the host's user namespace.
func exempt(findings []Finding, f *facts.Facts) {
	if f.Self == "" {
		return
	}
	for i := range findings {
		if fi := &findings[i]; fi.Subject == selfSubject(f) && fi.Verdict != Pass && fi.Verdict != Skip {
			fi.Verdict, fi.Remedy = Skip, Remedy{}
			fi.Text = "this audit runs in it, which needs that: " + fi.Text
		}
	}
}

func selfSubject(f *facts.Facts) string {
	if c := f.Engine.Container(f.Self); c != nil {
		return subjectOf(c)
	}
	return subjectOf(facts.Container{ID: f.Self})
}

// allow applies the allowances to the findings.
func allow(findings []Finding, list []Allowance, e *engine.Engine, now time.Time) {
	for i := range findings {
		f := &findings[i]
		if f.Verdict != Fail && f.Verdict != Warn {
			continue
		}
		for _, a := range list {
			if !a.covers(*f, containerOf(e, f.Subject)) {
				continue
			}
			if a.expired(now) {
				f.Text += "; the allowance ended on " + a.Until.Format(time.DateOnly)
				continue
			}
			f.Verdict, f.Allowed = Skip, cmp.Or(a.Reason, "no reason given")
			f.Text += "; allowed: " + f.Allowed
			break
		}
	}
}
