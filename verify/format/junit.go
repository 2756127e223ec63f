package format

import (
	"encoding/xml"
	"fmt"
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
			c.Failure = &junitTag{Message: xmlText(f.Text), Type: f.Severity.String(), Text: xmlText(details(f))}
		case verify.Unknown, verify.Skip:
			suite.Skipped++
			c.Skipped = &junitTag{Message: xmlText(f.Verdict.String() + ": " + f.Text)}
		case verify.Warn:
			c.Out = xmlText("warning: " + f.Text + "\n" + details(f))
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
func details(f verify.Finding) string {
	var b strings.Builder
	for _, e := range f.Evidence {
		fmt.Fprintf(&b, "%s: %s", e.Source, e.Got)
		if e.Want != "" {
			fmt.Fprintf(&b, " (want %s)", e.Want)
		}
		b.WriteString("\n")
	}
	if f.Remedy.Text != "" {
		fmt.Fprintf(&b, "remedy: %s\n", f.Remedy.Text)
	}
	if f.Remedy.Command != "" {
		fmt.Fprintf(&b, "# %s\n", f.Remedy.Command)
	}
	return b.String()
}

// xmlText drops what XML 1.0 cannot hold in any form: control characters.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, s)
}
