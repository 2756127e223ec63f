package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
)

func (e *env) undoCommand(c *cobra.Command) action {
	e.writeFlags(c)
	list := c.Flags().Bool("list", false, "list the receipts and whether their files are still intact")
	force := c.Flags().StringArray("force-file", nil, "bring `PATH` back whatever it holds now; may be repeated")
	forget := c.Flags().String("forget", "", "drop receipt `ID`, or those older than AGE: 90d, 12h")
	c.MarkFlagsMutuallyExclusive("list", "forget")
	return func(ctx context.Context, ids []string) error {
		switch forgets := c.Flags().Changed("forget"); {
		case len(ids) > 0 && (*list || forgets): // it would not be looked at
			return usage(c, "unexpected argument %q", ids[0])
		case *list:
			return e.listReceipts()
		case forgets:
			return e.forget(ctx, *forget)
		}
		return e.undo(ctx, strings.Join(ids, ""), *force)
	}
}

func (e *env) undo(ctx context.Context, id string, force []string) error {
	r, err := e.host.Receipt(id)
	if errors.Is(err, usernskit.ErrNoReceipt) {
		return fmt.Errorf("%w; this shows the receipts: %s", err, e.self("undo", "--list"))
	}
	if err != nil {
		return err
	}
	back, err := remap.PlanUndo(ctx, e.host, r.ID, force)
	if err != nil {
		return e.showEdits(r, err)
	}
	if !e.yes || e.dryRun {
		e.show(back)
	}
	e.warn(back)
	if e.dryRun {
		return e.report(findings, back, r)
	}
	about := fmt.Sprintf("This takes back receipt %s, %s, of %s.", r.ID, r.Title, when(r.Time))
	if err := e.agreed(ctx, about, back, e.metered(func(at func(shift.Progress)) error {
		return remap.Undo(ctx, e.host, r.ID, force, e.accepted, at)
	})); err != nil {
		return e.showEdits(r, err)
	}
	e.done = fmt.Sprintf("receipt %s was undone", r.ID)
	for _, c := range back.Changes {
		if c.After == nil {
			e.say("removed %s", c.Path)
			continue
		}
		e.say("restored %s", c.Path)
	}
	e.next(back.Actions)
	return e.report(nil, back, r)
}

// forget is undo --forget.
func (e *env) forget(ctx context.Context, what string) error {
	match := func(r usernskit.Receipt) bool { return r.ID == what }
	if age, err := parseAge(what); err == nil && age > 0 { // "0" and "-5h" would match every receipt
		limit := time.Now().Add(-age)
		match = func(r usernskit.Receipt) bool { return r.Time.Before(limit) }
	} else if strings.Trim(what, "0123456789") != "" || what == "" {
		return fmt.Errorf("--forget %s: must be the ID of a receipt, or an age such as 90d or 12h", what)
	}
	all, unread, err := e.readReceipts()
	if err != nil {
		return err
	}
	ids := []string{}
	for _, r := range all {
		if match(r) {
			ids = append(ids, r.ID)
			e.say("%s  %s  %s", r.ID, when(r.Time), r.Title)
		}
	}
	if len(ids) > 0 && !e.dryRun {
		about := fmt.Sprintf("This drops %s, and the way back with it.", text.Count(len(ids), "receipt", "receipts"))
		if err := e.agreed(ctx, about, usernskit.Plan{}, func() error { ids, err = e.host.Forget(ctx, match); return err }); err != nil {
			return err
		}
	}
	var code error
	if len(ids) == 0 {
		e.say("nothing to do")
		code = unread
	} else if e.dryRun {
		code = findings
	}
	return e.printed(code, members{"dry_run": e.dryRun, "forgotten": ids})
}

// parseAge reads a duration that may be in days.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// showEdits prints, for each file that others have edited, what the receipt wrote
// there and what differs now.
func (e *env) showEdits(r usernskit.Receipt, err error) error {
	var list interface{ Unwrap() []error }
	if !errors.Is(err, usernskit.ErrChanged) || !errors.As(err, &list) {
		return err
	}
	changed := map[string]string{}
	for _, err := range list.Unwrap() {
		var at *usernskit.FileError
		if errors.As(err, &at) {
			changed[at.File] = at.Error()
		}
	}
	again := []string{"undo", r.ID}
	for _, c := range r.Changes {
		if why, ok := changed[c.Path]; ok {
			again = append(again, "--force-file", c.Path)
			diff := usernskit.Plan{Changes: []usernskit.Change{c}}.VisibleDiff()
			e.note("%s%s", diff, text.Visible(why))
		}
	}
	return fmt.Errorf("edited since receipt %s, as shown above, so nothing was changed; to lose these edits: %s", r.ID, e.self(again...))
}

// reportUnfinished reports on stderr that a run was cut off or is under way. Nearly
// every command does: nobody asks for receipts before something looks wrong.
func (e *env) reportUnfinished() {
	r, err := e.host.Receipt("") // the interrupted run, if there is one
	if err == nil && r.State != usernskit.StateApplied {
		e.note("interrupted, or under way: %s (receipt %s); to take it back: %s", r.Title, r.ID, e.self("undo"))
	}
}

// readReceipts returns the receipts. It names those that cannot be read, for which
// code is [incomplete], unless there is no other.
func (e *env) readReceipts() (list []usernskit.Receipt, code, err error) {
	list, err = e.host.Receipts()
	if err == nil || len(list) == 0 {
		return list, nil, err
	}
	e.note("%v", err)
	return list, incomplete, nil
}

// listReceipts is undo --list.
func (e *env) listReceipts() error {
	receipts, code, err := e.readReceipts()
	if err != nil {
		return err
	}
	out := []members{}
	for _, r := range receipts {
		e.text("%s  %s  %-8s  %s", r.ID, when(r.Time), r.State, r.Title)
		files := []members{}
		for _, c := range r.Changes {
			e.text("     %s: %s", c.Path, holdsText(r.Files[c.Path], r.State))
			files = append(files, members{"path": c.Path, "holds": r.Files[c.Path]})
		}
		out = append(out, members{"id": r.ID, "time": r.Time, "title": r.Title, "state": r.State, "files": files})
	}
	return e.printed(code, members{"receipts": out})
}

// when formats a time for people, in the local time zone.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

func holdsText(holds, state usernskit.State) string {
	switch {
	case holds == usernskit.StateEdited && state == usernskit.StateUndone:
		return "changed since it was undone"
	case holds == usernskit.StateUnknown:
		return "cannot be read"
	}
	return map[usernskit.State]string{usernskit.StateApplied: "as written", usernskit.StateUndone: "as before", usernskit.StateEdited: "edited since"}[holds]
}
