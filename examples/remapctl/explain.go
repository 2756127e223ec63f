package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/verify"
)

//go:embed risks.txt
var riskTexts string

// A risk is something that a plan warns of, and that --accept-risk accepts.
type risk struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func risks() (list []risk) {
	for line := range strings.Lines(riskTexts) {
		id, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		list = append(list, risk{id, text})
	}
	return list
}

func (e *env) explainCommand(c *cobra.Command) action {
	c.Long += "\n"
	for _, find := range []struct {
		what string
		ids  lookup
	}{{"Checks:", e.checks}, {"Risks:", e.risks}} {
		for _, one := range find.ids(c, nil) {
			id, _, _ := strings.Cut(one, "\t")
			find.what += " " + id
		}
		c.Long += "\n" + fold(find.what, 2, 80)
	}
	return e.explain
}

func (e *env) explain(_ context.Context, args []string) error {
	checks, risks := verify.Checks(), risks()
	if len(args) == 1 {
		c, err := verify.Explain(args[0])
		risks = slices.DeleteFunc(risks, func(r risk) bool { return r.ID != args[0] })
		switch checks = list[verify.Check](nil); {
		case err == nil:
			e.text("%s", strings.TrimSuffix(fmt.Sprint(c), "\n"))
			return e.printed(nil, members{"checks": append(checks, c), "risks": risks})
		case len(risks) == 0:
			return fmt.Errorf("%q is neither a check nor a risk (the text of a warning is all there is to it); this lists them: %s", args[0], e.self("explain"))
		}
	}
	for _, c := range checks {
		e.text("%s  %-8s  %s", c.ID, c.Severity, c.Title)
	}
	for _, r := range risks {
		e.text("%-18s  risk: %s", r.ID, r.Text)
	}
	return e.printed(nil, members{"checks": checks, "risks": risks})
}
