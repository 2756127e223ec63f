package verify

import (
	"fmt"
	"strings"
)

// A Check is an entry of the catalogue.
type Check struct {
	ID       string   `json:"id"`       // "C01"; the letter is its group: kernel, ids, daemon, containers
	Name     string   `json:"name"`     // "process-host-ids"
	Title    string   `json:"title"`    // what is true when it passes
	Severity Severity `json:"severity"` // of a failure; a finding may be less severe
	Why      string   `json:"why"`      // what it is for, and what goes wrong without
	Reads    string   `json:"reads"`    // what it looks at, and when it cannot say
	Remedy   string   `json:"remedy,omitempty"`
	Refs     []string `json:"refs,omitempty"`
}

// The same demands in other catalogues. The numbers differ between editions,
// so both are given.
func refDaemon() []string { return []string{"CIS Docker 1.11.0: 2.8", "CIS Docker 1.6.0: 2.9"} }
func refContainer() []string {
	return []string{"CIS Docker 1.3.1: 5.30", "CIS Docker 1.6.0: 5.31", "DISA STIG V-235817"}
}

// check is an entry with the function that judges it.
type check struct {
	Check
	judge func(*facts, *verdicts)
}

func catalogue() []check {
	var all []check
	for _, group := range [][]check{kernelChecks(), idChecks(), daemonChecks(), containerChecks()} {
		all = append(all, group...)
	}
	return all
}

// Checks returns the catalogue in its order: kernel, IDs, daemon, containers.
func Checks() []Check {
	var all []Check
	for _, c := range catalogue() {
		all = append(all, c.Check)
	}
	return all
}

// Explain returns the check of that ID or name: "C01", "c01" or
// "process-host-ids".
func Explain(id string) (Check, error) {
	for _, c := range Checks() {
		if strings.EqualFold(id, c.ID) || id == c.Name {
			return c, nil
		}
	}
	return Check{}, fmt.Errorf("%q is no check: IDs run from K01 to C14", id)
}

// String returns what a person wants to know about the check, in a few lines.
func (c Check) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s)\n%s.\n\n%s\n\nReads: %s\n", c.ID, c.Name, c.Severity, c.Title, c.Why, c.Reads)
	if c.Remedy != "" {
		fmt.Fprintf(&b, "Remedy: %s\n", c.Remedy)
	}
	if len(c.Refs) > 0 {
		fmt.Fprintf(&b, "See also: %s\n", strings.Join(c.Refs, "; "))
	}
	return b.String()
}

// verdicts collects the findings of one check.
type verdicts struct {
	check Check
	list  []Finding
}

// add adds a finding about the subject, as severe as the check is.
func (v *verdicts) add(verdict Verdict, subject, format string, args ...any) *Finding {
	v.list = append(v.list, Finding{
		Check: v.check.ID, Name: v.check.Name, Verdict: verdict, Severity: v.check.Severity,
		Subject: subject, Text: fmt.Sprintf(format, args...), Refs: v.check.Refs,
	})
	f := &v.list[len(v.list)-1]
	if verdict == Fail || verdict == Warn {
		f.Remedy.Text = v.check.Remedy
	}
	return f
}

func (v *verdicts) pass(subject, format string, args ...any) *Finding {
	return v.add(Pass, subject, format, args...)
}
func (v *verdicts) fail(subject, format string, args ...any) *Finding {
	return v.add(Fail, subject, format, args...)
}
func (v *verdicts) warn(subject, format string, args ...any) *Finding {
	return v.add(Warn, subject, format, args...)
}
func (v *verdicts) skip(subject, format string, args ...any) *Finding {
	return v.add(Skip, subject, format, args...)
}
func (v *verdicts) unknown(subject, format string, args ...any) *Finding {
	return v.add(Unknown, subject, format, args...)
}

// troubled reports whether a finding was added that is no pass and no skip.
func (v *verdicts) troubled() bool {
	for _, f := range v.list {
		if f.Verdict != Pass && f.Verdict != Skip {
			return true
		}
	}
	return false
}

// saw adds evidence to a finding.
func (f *Finding) saw(source, got, want string) *Finding {
	f.Evidence = append(f.Evidence, Evidence{Source: source, Got: got, Want: want})
	return f
}

// run sets the command that puts it right.
func (f *Finding) run(command string) *Finding {
	f.Remedy.Command = command
	return f
}

// fix names the repair that puts it right.
func (f *Finding) fix(id FixID, arg string) *Finding {
	f.Remedy.Fix, f.Remedy.Arg = id, arg
	return f
}

// as lowers or raises the severity of this one finding.
func (f *Finding) as(s Severity) *Finding {
	f.Severity = s
	return f
}
