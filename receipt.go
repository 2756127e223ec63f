package usernskit

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// A State says how far a plan has come.
type State string

const (
	StateApplying State = "applying" // begun, and not ended: a crash, or it runs right now
	StateApplied  State = "applied"
	StateUndoing  State = "undoing" // taking back was begun, and not ended
	StateUndone   State = "undone"
)

// A Receipt tells what a plan did.
type Receipt struct {
	ID      string // for [Host.Undo]; empty where there was nothing to do
	Time    time.Time
	Title   string
	State   State
	Files   []FileState
	Actions []Action // those of the plan; Undo wants most of them run again
}

// A FileState is a file of a receipt and what it holds now.
type FileState struct {
	Path   string
	Holds  Holds
	Before []byte // nil: there was no file
	After  []byte // nil: the file was removed
	Now    []byte // nil: there is no file, or it cannot be read
}

// Holds says what a file of a receipt holds now.
type Holds string

const (
	HoldsAfter   Holds = "after"   // what the plan wrote
	HoldsBefore  Holds = "before"  // what was there before the plan
	HoldsOther   Holds = "other"   // something else: it was edited since
	HoldsUnknown Holds = "unknown" // it cannot be read
)

// Receipts lists what was applied to the host, the newest last, and what each
// file holds now. It takes no lock and changes nothing.
func (h Host) Receipts() ([]Receipt, error) {
	ids, err := h.journal()
	if err != nil {
		return nil, err
	}
	var list []Receipt
	for _, id := range ids {
		r, err := h.record(id)
		if err != nil {
			return nil, err
		}
		list = append(list, h.receipt(r))
	}
	return list, nil
}

// Receipt returns the receipt that [Host.Undo] takes back for this ID; an empty
// ID stands for the one that Undo would choose. Without one it returns
// [ErrNoReceipt].
func (h Host) Receipt(id string) (Receipt, error) {
	r, err := h.choose(id)
	if err != nil {
		return Receipt{}, err
	}
	return h.receipt(r), nil
}

// Reverse returns what Undo would change now, as a plan to look at: the files
// that hold what the receipt's plan wrote, and those named in force whatever
// they hold.
func (r Receipt) Reverse(force ...string) Plan {
	p := Plan{Title: "undo " + r.Title}
	for _, f := range slices.Backward(r.Files) {
		if f.Holds == HoldsAfter || slices.Contains(force, f.Path) {
			p.Changes = append(p.Changes, Change{Path: f.Path, Before: f.Now, After: f.Before})
		}
	}
	return p
}

// UndoActions returns the actions of the receipt's plan that are to be run
// again once it is undone: not those that name a file that undoing removes.
func (r Receipt) UndoActions() []Action {
	return slices.DeleteFunc(slices.Clone(r.Actions), func(a Action) bool {
		return slices.ContainsFunc(r.Files, func(f FileState) bool {
			return f.Before == nil && slices.Contains(a.Argv, f.Path)
		})
	})
}

func (h Host) receipt(r record) Receipt {
	out := Receipt{ID: r.ID, Time: r.Time, Title: r.Title, State: r.State, Actions: r.Actions}
	for _, f := range r.Files {
		if !f.Backup {
			now, holds := h.now(f)
			out.Files = append(out.Files, FileState{
				Path: f.Path, Holds: holds,
				Before: f.Before.bytes(), After: f.After.bytes(), Now: now,
			})
		}
	}
	return out
}

func (h Host) holds(f fileRecord) Holds {
	_, holds := h.now(f)
	return holds
}

// now reads a file of a record, nil where it cannot be, and compares.
func (h Host) now(f fileRecord) ([]byte, Holds) {
	now, err := h.ReadFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotRegular) && !errors.Is(err, ErrTooLarge) {
		return nil, HoldsUnknown
	}
	gone := errors.Is(err, fs.ErrNotExist)
	is := func(c *content) bool {
		if gone || c == nil {
			return gone && c == nil
		}
		return err == nil && bytes.Equal(now, c.data)
	}
	switch {
	case is(f.After):
		return now, HoldsAfter
	case is(f.Before):
		return now, HoldsBefore
	}
	return now, HoldsOther
}
