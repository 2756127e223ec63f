package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/usernskit/usernskit"
)

// The JSON of plans, as the contract has it.
type jsonChange struct {
	Path   string  `json:"path"`
	Before *string `json:"before"` // "sha256:..." or null where there is no file
	After  *string `json:"after"`
	Diff   string  `json:"diff"`
}

type jsonAction struct {
	Why  string   `json:"why"`
	Argv []string `json:"argv"`
	When string   `json:"when"`
}

type jsonWarning struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Risk bool   `json:"risk,omitempty"`
}

type jsonPlan struct {
	Changes  []jsonChange  `json:"changes"`
	Actions  []jsonAction  `json:"actions"`
	Warnings []jsonWarning `json:"warnings"`
}

func planJSON(p usernskit.Plan) jsonPlan {
	out := jsonPlan{Changes: []jsonChange{}, Actions: []jsonAction{}, Warnings: []jsonWarning{}}
	for _, c := range p.Changes {
		out.Changes = append(out.Changes, jsonChange{c.Path, digest(c.Before), digest(c.After), c.Diff()})
	}
	for _, a := range p.Actions {
		out.Actions = append(out.Actions, jsonAction{a.Why, a.Argv, a.When.String()})
	}
	for _, w := range p.Warnings {
		out.Warnings = append(out.Warnings, jsonWarning{w.ID, w.String(), w.Risk})
	}
	return out
}

func digest(data []byte) *string {
	if data == nil {
		return nil
	}
	s := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	return &s
}

// jsonWrite is what a command that writes prints with --json.
type jsonWrite struct {
	Schema  int    `json:"schema"`
	DryRun  bool   `json:"dry_run"`
	Receipt string `json:"receipt"` // empty where nothing was written
	jsonPlan
}

// report prints the outcome of a command that writes, with --json.
func (e *env) report(p usernskit.Plan, r usernskit.Receipt, dry bool) error {
	if !e.json {
		return nil
	}
	return e.printJSON(jsonWrite{Schema: 1, DryRun: dry, Receipt: r.ID, jsonPlan: planJSON(p)})
}
