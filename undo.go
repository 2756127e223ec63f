package usernskit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// ErrNoReceipt is returned by Undo where there is nothing to take back.
var ErrNoReceipt = errors.New("nothing to undo")

// A ChangedError is an [ErrChanged] with the file and both contents.
type ChangedError struct {
	Path string
	Want []byte // what the plan or the receipt expects; nil: no file
	Now  []byte // what the file holds; nil: there is none, or it cannot be read
}

func (e *ChangedError) Error() string { return e.Path + ": " + ErrChanged.Error() }

// Is reports whether target is [ErrChanged].
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// ChangedFiles finds every [*ChangedError] in err, as Undo may return several.
func ChangedFiles(err error) []*ChangedError {
	var list []*ChangedError
	switch e := err.(type) {
	case *ChangedError:
		list = append(list, e)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, ChangedFiles(inner)...)
		}
	case interface{ Unwrap() error }:
		list = ChangedFiles(e.Unwrap())
	}
	return list
}

// Undo brings back every file of a receipt as it was before: bytes, owner,
// mode, extended attributes; files that were made are removed. An empty ID
// stands for the run that was interrupted, if there is one, and else for the
// last run that is still applied.
//
// A file that holds neither what the plan wrote nor what was there before was
// edited since: Undo returns a [*ChangedError] for each of them and changes
// nothing, unless the file's path is among force, which brings the old content
// back over whatever it holds.
//
// Where a later run that still stands put back a file that this one had
// changed, as disable does after enable, undoing this one first would leave
// half of it to come back with the other: that is an error, too.
//
// Undo can be interrupted like Apply can; calling it again ends it.
func (h Host) Undo(ctx context.Context, id string, force ...string) error {
	a := &applier{host: h}
	return a.undo(ctx, id, force)
}

func (a *applier) undo(ctx context.Context, id string, force []string) (err error) {
	unlock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := a.host.choose(id)
	if err != nil {
		return err
	}
	for _, name := range force {
		if !slices.ContainsFunc(r.Files, func(f fileRecord) bool { return f.Path == name }) {
			return fmt.Errorf("%s: not a file of receipt %s", name, r.ID)
		}
	}
	var changes []Change
	for _, f := range r.Files {
		changes = append(changes, Change{Path: f.Path, Lock: f.Lock})
	}
	shadow, err := a.lockFiles(ctx, changes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shadow.Unlock()) }()
	if err := a.undoable(r, force); err != nil {
		return err
	}
	if r.State.sealed() {
		if err := a.host.last(r); err != nil {
			return err
		}
		// Nothing of ours is left lying about: what looks like it by now is
		// someone else's.
		for i := range r.Files {
			if r.Files[i].Litter, err = a.litter(r.Files[i].Path); err != nil {
				return err
			}
		}
	}
	r.State = StateUndoing
	if err := a.keep(r); err != nil {
		return err
	}
	if err := a.restore(r, force); err != nil {
		return err
	}
	r.State = StateUndone
	if err := a.keep(r); err != nil {
		return fmt.Errorf("every file is as it was, but the receipt does not say so: %w", err)
	}
	return nil
}

// choose finds the record to take back.
func (h Host) choose(id string) (record, error) {
	heads, err := h.heads()
	if err != nil {
		return record{}, err
	}
	var found record
	for _, r := range heads {
		switch {
		case id != "":
			if r.ID == id {
				found = r
			}
		case r.State == StateApplied && (found.ID == "" || found.State.sealed()), !r.State.sealed():
			found = r // the last that stands, but one that was cut off before all
		}
	}
	switch {
	case found.ID == "" && id == "":
		return record{}, ErrNoReceipt
	case found.ID == "":
		return record{}, fmt.Errorf("no receipt %q: %w", id, ErrNoReceipt)
	case found.State == StateUndone:
		return record{}, fmt.Errorf("receipt %s is undone already: %w", id, ErrNoReceipt)
	}
	return h.record(found.ID)
}

// last returns an error where undoing a later run would bring back what r wrote.
func (h Host) last(r record) error {
	heads, err := h.heads()
	if err != nil {
		return err
	}
	for _, head := range heads {
		if head.State != StateApplied || number(head.ID) <= number(r.ID) {
			continue
		}
		later, err := h.record(head.ID)
		if err != nil {
			return err
		}
		for _, f := range later.Files {
			if !f.Backup && h.holds(f) == HoldsAfter && slices.ContainsFunc(r.Files, func(old fileRecord) bool {
				return old.Path == f.Path && h.holds(old) == HoldsBefore
			}) {
				return fmt.Errorf("%s: receipt %s has put it back already; undo that one first, or its undo would bring back what receipt %s wrote", f.Path, later.ID, r.ID)
			}
		}
	}
	return nil
}

// undoable looks at every file before the first is written.
func (a *applier) undoable(r record, force []string) error {
	var errs []error
	for _, f := range r.Files {
		now, holds := a.host.now(f)
		if holds == HoldsBefore || f.Backup {
			continue
		}
		if holds == HoldsOther && !slices.Contains(force, f.Path) {
			errs = append(errs, &ChangedError{Path: f.Path, Want: f.After.bytes(), Now: now})
			continue
		}
		if holds == HoldsOther || holds == HoldsUnknown { // restoring reads it again
			if _, err := a.host.ReadFile(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
				continue
			}
		}
		if err := a.writer("").Check(f.Path); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// restore brings the files back, the last written first. Files that already
// hold the old content are left alone, so it may run any number of times.
func (a *applier) restore(r record, force []string) error {
	var errs []error
	for _, f := range slices.Backward(r.Files) {
		errs = append(errs, a.restoreFile(f, slices.Contains(force, f.Path)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, dir := range slices.Backward(r.Dirs) {
		// A directory that others use by now is not empty, and stays. So does one
		// that a symbolic link leads to: no link led to those that were made.
		real, err := a.host.Path(dir)
		if err == nil && real == filepath.Join(hostfs.Root(a.host.Root).Dir(), dir) {
			_ = os.Remove(real)
		}
	}
	return nil
}

func (a *applier) restoreFile(f fileRecord, force bool) error {
	w := a.writer("restore " + f.Path + ": ")
	if err := a.sweep(w, f); err != nil {
		return err
	}
	now, holds := a.host.now(f)
	switch {
	case holds == HoldsBefore:
		return nil
	case holds == HoldsAfter:
		return a.putBack(w, f, f.After.bytes())
	case f.Backup:
		return nil // useradd has written its own since: that one is the newer
	case holds == HoldsOther && force:
		now, err := a.host.ReadFile(f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return a.putBack(w, f, now)
	}
	return &ChangedError{Path: f.Path, Want: f.After.bytes(), Now: now}
}

// putBack restores a file that holds now. Its directory may be gone with it.
func (a *applier) putBack(w hostfs.Writer, f fileRecord, now []byte) error {
	if f.Before != nil {
		if _, err := w.MkdirAll(f.Path); err != nil {
			return err
		}
	}
	return a.put(w, f.Path, now, f.Before.bytes(), f.Meta)
}

// sweep removes the temporary file that an interrupted replacement left.
func (a *applier) sweep(w hostfs.Writer, f fileRecord) error {
	litter, err := w.Litter(f.Path)
	if err != nil {
		return err
	}
	for _, temp := range litter {
		if slices.Contains(f.Litter, filepath.Base(temp)) {
			continue // it was there before us
		}
		if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
