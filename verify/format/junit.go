package format

import (
	"encoding/xml"
	"io"
	"strings"

	"github.com/usernskit/usernskit/verify"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string    `xml:"classname,attr"`
	Name    string    `xml:"name,attr"`
	Failure *junitTag `xml:"failure,omitempty"`
	Skipped *junitTag `xml:"skipped,omitempty"`
	Out     string    `xml:"system-out,omitempty"`
}

type junitTag struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as a JUnit test suite: a test case for each
// finding, named by check and subject. What is unknown or skipped is skipped
// with the reason; a warning passes and says so in its output.
func JUnit(w io.Writer, r verify.Report) error {
	suite := junitSuite{Name: "usernskit verify", Tests: len(r.Findings)}
	for _, f := range r.Findings {
		c := junitCase{Class: "usernskit." + f.Check + "." + f.Name, Name: xmlText(f.Subject)}
		switch f.Verdict {
		case verify.Fail:
			suite.Failures++
			c.Failure = &junitTag{Message: xmlText(f.Text), Type: f.Severity.String(), Text: xmlText(strings.Join(details(f), "\n"))}
		case verify.Unknown, verify.Skip:
			suite.Skipped++
			c.Skipped = &junitTag{Message: xmlText(f.Verdict.String() + ": " + f.Text)}
		case verify.Warn:
			c.Out = xmlText(strings.Join(append([]string{"warning: " + f.Text}, details(f)...), "\n"))
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// details is the evidence and the remedy, a line each.
func details(f verify.Finding) (lines []string) {
	for _, e := range f.Evidence {
		line := e.Source + ": " + e.Got
		if e.Want != "" {
			line += " (want " + e.Want + ")"
		}
		lines = append(lines, line)
	}
	if f.Remedy.Text != "" {
		lines = append(lines, "remedy: "+f.Remedy.Text)
	}
	if f.Remedy.Command != "" {
		lines = append(lines, "# "+f.Remedy.Command)
	}
	return lines
}

// xmlText replaces control characters and what else XML 1.0 cannot hold by
// U+FFFD.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, s)
}
