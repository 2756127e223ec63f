package verify

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// A Verdict is the answer of one check about one subject.
type Verdict int

// The zero Verdict is Unknown, so that nothing passes by being forgotten.
const (
	// Unknown: it could not be looked at. The finding's text says why.
	Unknown Verdict = iota
	// Pass: it was looked at, and it is as it should be.
	Pass
	// Fail: it was looked at, and it is not.
	Fail
	// Warn: it works, in a way that a person should know of.
	Warn
	// Skip: the question does not arise here. The finding's text says why.
	Skip
)

var verdictNames = [...]string{"unknown", "pass", "fail", "warn", "skip"}

// String returns the word that reports use: "pass".
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("Verdict(%d)", int(v))
	}
	return verdictNames[v]
}

// MarshalText returns [Verdict.String].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	i, err := indexOf(verdictNames[:], string(text), "verdict")
	*v = Verdict(i)
	return err
}

// A Severity says how much a failed check matters.
type Severity int

const (
	Info     Severity = iota // worth knowing; never makes a report fail
	Low                      // surprising
	Medium                   // something will not work
	High                     // protection is lost for some, or soon
	Critical                 // a container's root is, or may be, somebody on the host
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

// String returns the word that reports use: "high".
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severityNames[s]
}

// MarshalText returns [Severity.String].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(text []byte) error {
	i, err := indexOf(severityNames[:], string(text), "severity")
	*s = Severity(i)
	return err
}

func indexOf(names []string, name, what string) (int, error) {
	for i, n := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is no %s: want one of %s", name, what, strings.Join(names, ", "))
}

const containerSubject = "container/"

// subjectOf names the container in findings.
func subjectOf(c fmt.Stringer) string {
	if b, ok := c.(facts.Container); ok && b.Plugin != nil {
		return "plugin/" + b.Plugin.Name
	}
	return containerSubject + c.String()
}

// containerOf returns the container that a finding's subject names, or nil.
func containerOf(e *engine.Engine, subject string) *engine.Container {
	name, ok := strings.CutPrefix(subject, containerSubject)
	if !ok {
		return nil
	}
	return e.Container(name)
}
