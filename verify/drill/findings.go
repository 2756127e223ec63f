package drill

import (
	"cmp"

	"github.com/usernskit/usernskit/verify"
)

// Findings returns the probes in the form of package verify, for the formats of
// verify/format: stopped is a pass, reached a failure, or a warning if
// remapping is not meant to stop the step, and not-testable is unknown.
func (r Report) Findings() []verify.Finding {
	var list []verify.Finding
	for _, p := range r.Probes {
		f := verify.Finding{
			Check: p.ID, Name: p.Title, Verdict: verify.Unknown, Severity: verify.High,
			Subject: cmp.Or(p.Target, "host"), Text: p.Result.String() + ": " + p.Reason, Refs: p.Refs,
		}
		switch {
		case p.Result == Stopped:
			f.Verdict = verify.Pass
		case p.Failed():
			f.Verdict = verify.Fail
		case p.Result == Reached:
			f.Verdict, f.Severity = verify.Warn, verify.Info
		}
		if p.Errno != "" {
			f.Evidence = []verify.Evidence{{Source: cmp.Or(p.Target, p.ID), Got: p.Errno}}
		}
		list = append(list, f)
	}
	return list
}
