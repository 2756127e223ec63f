package main

import (
	"fmt"
	"time"

	"github.com/usernskit/usernskit"
)

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
		if usernskit.State(state) == usernskit.Undone {
			return "changed since it was undone"
		}
		return "edited since"
	}
	return "cannot be read"
}
