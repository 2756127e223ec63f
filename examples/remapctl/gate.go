package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/usernskit/usernskit/verify"
)

// A gate says which findings make a program fail. The zero gate lets warnings
// pass and nothing else: every failure counts from low on.
type gate struct {
	warnings bool            // warnings count as failures do
	least    verify.Severity // less severe findings do not count; info ones never do
	partial  bool            // a finding that is unknown does not count
}

// parseGate reads the word of a flag: "fail" for any failure, "warn" for
// warnings too, or a severity, "high", for failures and warnings at least that
// severe.
func parseGate(word string) (gate, error) {
	switch word {
	case "", "fail":
		return gate{}, nil
	case "warn":
		return gate{warnings: true}, nil
	}
	var s verify.Severity
	if err := s.UnmarshalText([]byte(word)); err != nil || s == verify.Info {
		return gate{}, fmt.Errorf("%q: want fail, warn, low, medium, high or critical", word)
	}
	return gate{warnings: true, least: s}, nil
}

// judge returns the exit code for the report, if it is not 0. A finding outweighs
// what could not be seen: 1 is certain, 3 is not.
func (g gate) judge(r verify.Report) (code error) {
	for _, f := range r.Findings {
		switch {
		case f.Verdict == verify.Unknown:
			if !g.partial {
				code = incomplete
			}
		case f.Severity == verify.Info || f.Severity < g.least:
		case f.Verdict == verify.Fail, f.Verdict == verify.Warn && g.warnings:
			return findings
		}
	}
	return code
}

// option begins a part of an allowance. A comma in its text belongs to the text
// unless one of these follows.
var option = regexp.MustCompile(",(reason|until)=")

// parseAllowance reads the argument of a flag:
//
//	userns-host=NAME[,reason=TEXT][,until=YYYY-MM-DD]
//
// For NAME and the alternatives to userns-host see [verify.Allowance].
func parseAllowance(text string) (verify.Allowance, error) {
	options := append(option.FindAllStringSubmatchIndex(text, -1), []int{len(text)})
	what, subject, _ := strings.Cut(text[:options[0][0]], "=")
	if what == "" || subject == "" {
		return verify.Allowance{}, fmt.Errorf("%q: want userns-host=NAME[,reason=TEXT][,until=YYYY-MM-DD]", text)
	}
	a := verify.Allowance{What: what, Subject: subject}
	if what != verify.UsernsHost {
		c, err := verify.Explain(what)
		if err != nil {
			return verify.Allowance{}, err
		}
		a.What = c.ID
	}
	for i, at := range options[:len(options)-1] {
		value := text[at[1]:options[i+1][0]]
		if text[at[2]:at[3]] == "reason" {
			a.Reason = value
			continue
		}
		var err error
		if a.Until, err = time.Parse(time.DateOnly, value); err != nil {
			return verify.Allowance{}, fmt.Errorf("%q: until: want YYYY-MM-DD", text)
		}
	}
	return a, nil
}

// worded fills in the command for what remapctl itself can put right.
func (e *env) worded(r verify.Report) verify.Report {
	for i := range r.Findings {
		fix := &r.Findings[i].Remedy
		switch fix.Fix {
		case verify.FixEnable:
			fix.Command = e.self("enable", "--yes")
		case verify.FixBootArg:
			fix.Command = e.self("bootargs", "set", fix.Arg)
		case verify.FixFindRange:
			fix.Command = e.self("subid", "find")
		case verify.FixShift:
			fix.Command = e.self("shift", fix.Arg, "--from", fix.From, "--to", fix.To)
		case verify.FixMigrate:
			fix.Command = e.self("migrate", "--from", fix.Arg)
		}
	}
	return r
}
