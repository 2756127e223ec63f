package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
)

// reportUnfinished says on stderr that a run was cut off, whatever the command:
// nobody asks for receipts before something is odd.
func (e *env) reportUnfinished(cmd *cli.Command) {
	if slices.Contains([]string{"undo", "demo", "explain", "edit"}, cmd.Name) { // it does itself, or looks at no host
		return
	}
	r, err := e.host.Receipt("") // the interrupted run, if there is one
	if err == nil && (r.State == usernskit.StateApplying || r.State == usernskit.StateUndoing) {
		e.note("interrupted, or under way: %s (receipt %s); remapctl undo takes it back", r.Title, r.ID)
	}
}

// listReceipts is undo --list.
func (e *env) listReceipts() error {
	receipts, err := e.host.Receipts()
	if err != nil {
		return err
	}
	type file struct {
		Path  string `json:"path"`
		Holds string `json:"holds"`
	}
	type entry struct {
		ID    string    `json:"id"`
		Time  time.Time `json:"time"`
		Title string    `json:"title"`
		State string    `json:"state"`
		Files []file    `json:"files"`
	}
	out := []entry{}
	for _, r := range receipts {
		item := entry{r.ID, r.Time, r.Title, string(r.State), []file{}}
		for _, f := range r.Files {
			item.Files = append(item.Files, file{f.Path, string(f.Holds)})
		}
		out = append(out, item)
	}
	if e.json {
		return e.printJSON(map[string]any{"schema": 1, "receipts": out})
	}
	for _, r := range out {
		fmt.Fprintf(e.out, "%s  %s  %-8s  %s\n", r.ID, r.Time.Local().Format(time.DateTime), r.State, r.Title)
		for _, f := range r.Files {
			fmt.Fprintf(e.out, "     %s: %s\n", f.Path, holdsText(f.Holds, r.State))
		}
	}
	return nil
}

func holdsText(holds, state string) string {
	switch usernskit.Holds(holds) {
	case usernskit.HoldsAfter:
		return "as written"
	case usernskit.HoldsBefore:
		return "as before"
	case usernskit.HoldsOther:
		if usernskit.State(state) == usernskit.StateUndone {
			return "changed since it was undone"
		}
		return "edited since"
	}
	return "cannot be read"
}
