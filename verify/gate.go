package verify

import "fmt"

// A Gate says which findings make a program fail. The zero Gate lets warnings
// pass and nothing else: every failure counts from [Low] on.
type Gate struct {
	Warnings bool     // warnings count as failures do
	Least    Severity // less severe findings do not count; Info ones never do
	Partial  bool     // a finding that is unknown does not count
}

// ParseGate reads the word of a flag: "fail" for any failure, "warn" for
// warnings too, or a severity, "high", for failures and warnings at least that
// severe.
func ParseGate(word string) (Gate, error) {
	switch word {
	case "", "fail":
		return Gate{}, nil
	case "warn":
		return Gate{Warnings: true}, nil
	}
	var s Severity
	if err := s.UnmarshalText([]byte(word)); err != nil || s == Info {
		return Gate{}, fmt.Errorf("%q: want fail, warn, low, medium, high or critical", word)
	}
	return Gate{Warnings: true, Least: s}, nil
}

// Exit codes of a program that reports.
const (
	ExitOK         = 0 // all as wanted
	ExitFindings   = 1 // something is not
	ExitIncomplete = 3 // nothing found, but not everything could be seen
)

// Exit returns the exit code for the report. A finding outweighs what could not
// be seen: ExitFindings is certain, ExitIncomplete is not.
func (r Report) Exit(g Gate) int {
	code := ExitOK
	for _, f := range r.Findings {
		switch {
		case f.Verdict == Unknown:
			if !g.Partial {
				code = ExitIncomplete
			}
		case f.Severity == Info || f.Severity < g.Least:
		case f.Verdict == Fail, f.Verdict == Warn && g.Warnings:
			return ExitFindings
		}
	}
	return code
}
