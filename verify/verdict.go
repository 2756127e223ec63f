package verify

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// A Verdict is the answer of one check about one subject.
type Verdict = enum.Of[verdictNames]

// The zero Verdict is Unknown, so that nothing passes by being forgotten.
const (
	Unknown Verdict = iota // it could not be checked; the finding's text says why
	Pass                   // checked, and right
	Fail                   // checked, and wrong
	Warn                   // it works, but deserves attention
	Skip                   // it does not apply here; the finding's text says why
)

type verdictNames struct{}

func (verdictNames) Names() (string, []string) {
	return "Verdict", []string{"unknown", "pass", "fail", "warn", "skip"}
}

// A Severity is how much a failed check matters.
type Severity = enum.Of[severityNames]

const (
	Info     Severity = iota // worth knowing; never makes a report fail
	Low                      // surprising
	Medium                   // something will not work
	High                     // protection is lost for some, or soon
	Critical                 // a container's root is, or may be, somebody on the host
)

type severityNames struct{}

func (severityNames) Names() (string, []string) {
	return "Severity", []string{"info", "low", "medium", "high", "critical"}
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
