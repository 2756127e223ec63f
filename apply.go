package usernskit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// ErrUnfinished is returned by Apply where an earlier run was cut off between
// its first and its last file, or where this one failed and could not put its
// files back. [Host.Undo] with no ID takes that run back.
var ErrUnfinished = errors.New("an earlier run was interrupted; undo it first")

// An unfinishedError is why a run that failed could not put its files back.
type unfinishedError struct{ err error }

func (e *unfinishedError) Error() string {
	return "putting the files back failed too, undo will try again: " + e.err.Error()
}
func (e *unfinishedError) Unwrap() error        { return e.err }
func (e *unfinishedError) Is(target error) bool { return target == ErrUnfinished }

// Apply makes the changes of the plan, in its order, and returns a receipt for
// [Host.Undo]. Actions are left to the caller.
//
// It takes the locks that the changes name, waiting as long as ctx allows and
// 15 s without a deadline; looks whether every file still holds what the plan
// was made from, else [ErrChanged]; writes a journal; replaces the files. When
// a step fails it puts back what it had replaced and returns the error of that
// step: nothing has changed then. Where even that fails, the error matches
// [ErrUnfinished] too and the journal stays open for Undo.
//
// A plan that changes nothing writes nothing, and its receipt has no ID.
func (h Host) Apply(ctx context.Context, p Plan) (Receipt, error) {
	a := &applier{host: h}
	if err := p.check(); err != nil {
		return Receipt{}, err
	}
	if !a.changes(p) {
		return Receipt{}, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer unlock()
	return a.apply(ctx, p)
}

// Update calls plan and applies what it returns, with no other run of this
// module in between. Where another program changed a file after plan had read
// it, Update plans again. An error of plan ends it with nothing changed.
func (h Host) Update(ctx context.Context, plan func() (Plan, error)) (Receipt, error) {
	a := &applier{host: h}
	unlock, err := a.lock(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer unlock()
	for {
		p, err := plan()
		if err != nil {
			return Receipt{}, err
		}
		if err := p.check(); err != nil {
			return Receipt{}, err
		}
		if !a.changes(p) {
			return Receipt{}, nil
		}
		r, err := a.apply(ctx, p)
		if !errors.Is(err, ErrChanged) || errors.Is(err, ErrUnfinished) || ctx.Err() != nil {
			return r, err
		}
	}
}

// An applier runs the steps of Apply and Undo.
type applier struct {
	host  Host
	fault func(step string) error // set in tests: fails, or kills, before a step
}

func (a *applier) step(name string) error {
	if a.fault == nil {
		return nil
	}
	return a.fault(name)
}

// writer names its steps after what it writes: "write /etc/subuid: rename".
func (a *applier) writer(what string) hostfs.Writer {
	w := hostfs.Writer{Root: hostfs.Root(a.host.Root)}
	if a.fault != nil {
		w.Fault = func(step string) error { return a.fault(what + step) }
	}
	return w
}

func (a *applier) changes(p Plan) bool {
	for _, c := range p.Changes {
		if !c.none() {
			return true
		}
	}
	return false
}

func (a *applier) apply(ctx context.Context, p Plan) (_ Receipt, err error) {
	records, err := a.host.heads()
	if err != nil {
		return Receipt{}, err
	}
	id := 1
	for _, r := range records {
		if !r.State.sealed() {
			return Receipt{}, fmt.Errorf("%w (run %s of %s, %s)", ErrUnfinished, r.ID, r.Time.Format(time.DateTime), r.Title)
		}
		id = number(r.ID) + 1
	}
	shadow, err := a.lockFiles(ctx, p.Changes)
	if err != nil {
		return Receipt{}, err
	}
	defer func() { err = errors.Join(err, shadow.Unlock()) }()

	r := record{Schema: schema, ID: strconv.Itoa(id), Time: time.Now().UTC().Truncate(time.Second), Title: p.Title, State: StateApplying, Actions: p.Actions}
	if err := a.step("check"); err != nil {
		return Receipt{}, err
	}
	if err := a.fill(&r, p.Changes); err != nil {
		return Receipt{}, err
	}
	if err := a.begin(&r); err != nil {
		return Receipt{}, errors.Join(err, a.rollBack(record{ID: r.ID})) // no file is touched yet
	}
	if begun, err := a.write(r); err != nil {
		// What comes after is as it was, whoever may have edited it by now.
		r.Files = r.Files[:begun]
		if last := &r.Files[begun-1]; errors.Is(err, ErrChanged) && a.host.holds(*last) == HoldsOther {
			r.Files = r.Files[:begun-1] // and so is this one: not ours to put back
		}
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	r.State = StateApplied
	if err := a.keep(r); err != nil {
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	return a.host.receipt(r), nil
}

func (a *applier) lockFiles(ctx context.Context, changes []Change) (*hostfs.ShadowLock, error) {
	var files []string
	for _, c := range changes {
		if c.Lock != LockShadow {
			continue
		}
		// A directory that takes no lock file takes no new file either, and
		// this says why.
		if err := a.writer("").Check(c.Path); err != nil {
			return nil, err
		}
		files = append(files, c.Path)
	}
	if files == nil {
		return &hostfs.ShadowLock{}, nil
	}
	return a.writer("").LockShadow(ctx, files...)
}

// fill looks at every file before the first is written and records what Undo
// will need. Nothing is written here.
func (a *applier) fill(r *record, changes []Change) error {
	real := map[string]string{}
	w := a.writer("")
	for _, c := range changes {
		if c.none() {
			continue
		}
		place, err := a.host.Path(c.Path)
		if err != nil {
			return err
		}
		if other, ok := real[place]; ok {
			return fmt.Errorf("%s and %s are the same file (a symbolic link), and the plan changes both", other, c.Path)
		}
		real[place] = c.Path
		if len(c.After) > MaxFileSize {
			return &fs.PathError{Op: "replace", Path: c.Path, Err: fmt.Errorf("%w: it would have more than %d bytes", ErrTooLarge, MaxFileSize)}
		}
		if err := w.Check(c.Path); err != nil {
			return err
		}
		f := fileRecord{Path: c.Path, Before: contentOf(c.Before), After: contentOf(c.After), Lock: c.Lock}
		if f.Meta, err = a.meta(c); err != nil {
			return err
		}
		if now, holds := a.host.now(f); holds != HoldsBefore {
			return &ChangedError{Path: c.Path, Want: c.Before, Now: now}
		}
		if f.Litter, err = a.litter(c.Path); err != nil {
			return err
		}
		if backup, ok, err := a.backup(f); err != nil {
			return err
		} else if ok {
			r.Files = append(r.Files, backup)
		}
		r.Files = append(r.Files, f)
		missing, err := w.Missing(c.Path)
		if err != nil {
			return err
		}
		for _, dir := range missing {
			rel, err := filepath.Rel(hostfs.Root(a.host.Root).Dir(), dir)
			if err != nil {
				return err
			}
			if err := recordable("/" + rel); err != nil {
				return err
			}
			r.Dirs = append(r.Dirs, "/"+rel)
		}
	}
	return nil
}

// litter names the files that look like temporary ones of ours before we have
// made any: after a crash all others are ours to remove.
func (a *applier) litter(name string) ([]string, error) {
	list, err := a.writer("").Litter(name)
	for i := range list {
		list[i] = filepath.Base(list[i])
		if err := recordable(list[i]); err != nil {
			return nil, err
		}
	}
	return list, err
}

// recordable returns an error for a name that Undo would not find again: JSON,
// which a record is, has no bytes but UTF-8.
func recordable(name string) error {
	if utf8.ValidString(name) {
		return nil
	}
	return fmt.Errorf("%q: the name is not UTF-8, and the journal cannot hold it", name)
}

// meta is what the file keeps, or gets where it is new.
func (a *applier) meta(c Change) (hostfs.Meta, error) {
	if c.Before == nil {
		return hostfs.NewMeta(c.mode()), nil
	}
	meta, err := a.metaOf(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return meta, &ChangedError{Path: c.Path, Want: c.Before}
	}
	return meta, err
}

// metaOf reads what a file that exists has besides its content.
func (a *applier) metaOf(name string) (hostfs.Meta, error) {
	meta, err := hostfs.Root(a.host.Root).Meta(name)
	if err != nil {
		return hostfs.Meta{}, err
	}
	for attribute := range meta.Xattrs {
		if err := recordable(attribute); err != nil {
			return hostfs.Meta{}, fmt.Errorf("%s: extended attribute %w", name, err)
		}
	}
	return meta, nil
}

// backup is the old content under the name "FILE-", which shadow-utils keep
// whenever they write FILE.
func (a *applier) backup(f fileRecord) (fileRecord, bool, error) {
	if f.Lock != LockShadow || f.Before == nil || f.After == nil {
		return fileRecord{}, false, nil
	}
	b := fileRecord{Path: f.Path + "-", After: f.Before, Meta: f.Meta, Backup: true}
	if err := a.writer("").Check(b.Path); err != nil {
		return b, false, err
	}
	old, err := a.host.ReadFile(b.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return b, false, err
	default:
		b.Before = contentOf(old)
		if b.Meta, err = a.metaOf(b.Path); err != nil {
			return b, false, err
		}
	}
	if b.Litter, err = a.litter(b.Path); err != nil {
		return b, false, err
	}
	same := b.Before != nil && bytes.Equal(b.Before.data, b.After.data)
	return b, !same, nil
}

// write writes the files in order, and returns how many it has begun with.
func (a *applier) write(r record) (begun int, err error) {
	for i, f := range r.Files {
		w := a.writer("write " + f.Path + ": ")
		if _, err := w.MkdirAll(f.Path); err != nil {
			return i + 1, err
		}
		if err := a.put(w, f.Path, f.Before.bytes(), f.After.bytes(), f.Meta); err != nil {
			return i + 1, err
		}
	}
	return len(r.Files), nil
}

// put makes path hold data instead of before; nil stands for no file.
func (a *applier) put(w hostfs.Writer, name string, before, data []byte, meta hostfs.Meta) error {
	if data == nil {
		return w.Remove(name, before)
	}
	return w.Replace(name, before, data, meta)
}

// rollBack puts every file back that already has its new content and takes the
// record out of the journal. If it cannot, it leaves the record for Undo.
func (a *applier) rollBack(r record) error {
	if err := a.restore(r, nil); err != nil {
		return &unfinishedError{err}
	}
	if err := a.drop(r); err != nil {
		return fmt.Errorf("every file is as it was, but its journal cannot be removed: %w", err)
	}
	return nil
}
