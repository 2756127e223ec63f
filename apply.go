package usernskit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// Apply makes the changes of the plan, in its order, and returns a receipt for
// [Host.Undo]. Actions are left to the caller.
//
// It takes the locks that the changes name, waiting as long as ctx allows and
// 15 s without a deadline; checks that every file still holds what the plan was
// made from, else [ErrChanged]; writes a journal; replaces the files. If a step
// fails or ctx ends, it rolls back and returns that error: nothing has changed
// then. If the rollback fails too, the error also matches [ErrUnfinished] and
// Undo can try again.
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
// module in between: if there was one since plan began to read, Update plans
// again, now with all others kept away. Where another program changed a file
// after plan had read it, it plans again under the locks of the files, so that
// programs which write them all the time do not keep it waiting. An error of
// plan ends it with nothing changed, and so does [ErrChanged] after 50 plans,
// as where plan does not read the files again.
func (h Host) Update(ctx context.Context, plan func() (Plan, error)) (Receipt, error) {
	a := &applier{host: h}
	before, unseen := h.runs()
	alone := func() bool {
		now, err := h.runs()
		return unseen == nil && err == nil && now == before
	}
	p, todo, err := a.plan(plan)
	// Beside another run it may have read half of what that one writes.
	if !todo && (alone() || errors.Is(unseen, fs.ErrPermission)) {
		return Receipt{}, err
	}
	unlock, locked := a.lock(ctx)
	if locked != nil {
		return Receipt{}, cmp.Or(err, locked)
	}
	defer unlock()
	defer func() { a.unhold() }()
	if !alone() {
		if p, todo, err = a.plan(plan); !todo {
			return Receipt{}, err
		}
	}
	for try := 1; ; try++ {
		r, err := a.apply(ctx, p)
		if !errors.Is(err, ErrChanged) || errors.Is(err, ErrUnfinished) || ctx.Err() != nil {
			return r, err
		}
		if try == maxPlans {
			return Receipt{}, fmt.Errorf("planned %d times, and never from what the file holds: %w", try, err)
		}
		if a.held == nil {
			if err := a.hold(ctx, p.Changes); err != nil {
				return Receipt{}, err
			}
		}
		if p, todo, err = a.plan(plan); !todo {
			return Receipt{}, err
		}
	}
}

// plan makes a plan, and reports whether there is something to do.
func (a *applier) plan(plan func() (Plan, error)) (p Plan, todo bool, err error) {
	if p, err = plan(); err != nil {
		return Plan{}, false, err
	}
	if err = p.check(); err != nil {
		return Plan{}, false, err
	}
	return p, a.changes(p), nil
}

// maxPlans is how often Update plans. The second plan, under the locks, finds
// no change unless a writer ignores them.
const maxPlans = 50

// hold takes the files' locks for several applies.
func (a *applier) hold(ctx context.Context, changes []Change) error {
	held, err := a.lockFiles(ctx, changes)
	if err == nil {
		a.held, a.heldFor = held, changes
	}
	return err
}

// unhold releases the locks of hold.
func (a *applier) unhold() {
	if a.held != nil {
		a.held.Unlock()
		a.held = nil
	}
}

// An applier runs the steps of Apply and Undo.
type applier struct {
	host  Host
	fault func(step string) error // set in tests: fails, or kills, before a step

	held    *hostfs.ShadowLock // the locks of heldFor, over several applies
	heldFor []Change
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
	journal, err := a.host.journal()
	if err != nil {
		return Receipt{}, err
	}
	if r, ok, err := a.host.unfinished(journal.ids); err != nil {
		return Receipt{}, err
	} else if ok {
		return Receipt{}, fmt.Errorf("%w (run %s of %s, %s)", ErrUnfinished, r.ID, r.Time.Format(time.DateTime), r.Title)
	}
	shadow, err := a.lockFiles(ctx, p.Changes)
	if err != nil {
		return Receipt{}, err
	}
	defer func() { err = errors.Join(err, shadow.Unlock()) }()

	r := record{Schema: schema, ID: strconv.Itoa(journal.last + 1), Title: p.Title, State: stateApplying, Actions: p.Actions}
	r.sign()
	if err := a.step("check"); err != nil {
		return Receipt{}, err
	}
	todo, err := a.fill(&r, p.Changes)
	if err != nil {
		return Receipt{}, err
	}
	if err := a.keep(r); err != nil {
		return Receipt{}, errors.Join(err, a.rollBack(record{ID: r.ID})) // no file was written yet
	}
	if begun, err := a.write(ctx, todo); err != nil {
		// The later files were not written, and edits of them are not ours.
		r.Files = r.Files[:begun]
		if begun > 0 && errors.Is(err, ErrChanged) {
			look := looker{host: a.host}
			if _, state := look.now(r.Files[begun-1]); state == StateEdited {
				r.Files = r.Files[:begun-1] // nor was this one
			}
		}
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	r.State = StateApplied
	if err := a.keep(r); err != nil {
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	look := looker{files: map[string]looked{}} // what was written need not be read
	for _, f := range r.Files {
		look.files[f.Path] = looked{digest: f.After}
	}
	return r.receipt(&look), nil
}

func (a *applier) lockFiles(ctx context.Context, changes []Change) (*hostfs.ShadowLock, error) {
	var files []string
	for _, c := range changes {
		if !c.Shadow {
			continue
		}
		// A directory without room for a lock file has none for a new file
		// either; Check says why.
		if err := a.writer("").Check(c.Path); err != nil {
			return nil, err
		}
		files = append(files, c.Path)
	}
	if files == nil {
		return &hostfs.ShadowLock{}, nil
	}
	if a.held != nil {
		if !slices.ContainsFunc(files, func(file string) bool {
			return !slices.ContainsFunc(a.heldFor, func(c Change) bool { return c.Path == file && c.Shadow })
		}) {
			return &hostfs.ShadowLock{}, nil
		}
		a.unhold() // another plan, of other files
	}
	return a.writer("").LockShadow(ctx, files...)
}

// A job is one file to write.
type job struct {
	path          string
	before, after []byte // nil: no file
	meta          hostfs.Meta
}

// fill reads every file before the first is written, and records what Undo will
// need.
func (a *applier) fill(r *record, changes []Change) ([]job, error) {
	var todo []job
	places := map[string]string{}
	look := looker{host: a.host}
	w := a.writer("")
	for _, c := range changes {
		if c.none() {
			continue
		}
		place, err := a.host.Path(c.Path)
		if err != nil {
			return nil, err
		}
		if other, ok := places[place]; ok {
			return nil, fmt.Errorf("%s and %s are the same file (a symbolic link), and the plan changes both", other, c.Path)
		}
		places[place] = c.Path
		if err := w.Check(c.Path); err != nil {
			return nil, err
		}
		now := look.read(c.Path)
		if now.state != "" || !c.fits(now) {
			return nil, changed(c.Path, "it no longer holds what the plan was made from")
		}
		if c, err = c.complete(now.data); err != nil {
			return nil, err
		}
		if len(c.After) > hostfs.MaxFileSize {
			return nil, &fs.PathError{Op: "replace", Path: c.Path, Err: fmt.Errorf("%w: it would have more than %d bytes", ErrTooLarge, hostfs.MaxFileSize)}
		}
		f := newFileRecord(c)
		if f.Meta, err = a.meta(c); err != nil {
			return nil, err
		}
		if f.Litter, err = a.litter(c.Path); err != nil {
			return nil, err
		}
		if c.Shadow && c.Before != nil && c.After != nil {
			backup, data, err := a.backup(c, f.Meta)
			if err != nil {
				return nil, err
			}
			if !backup.none() {
				r.Files = append(r.Files, backup)
				todo = append(todo, job{backup.Path, data, c.Before, backup.Meta})
			}
		}
		r.Files = append(r.Files, f)
		todo = append(todo, job{c.Path, c.Before, c.After, f.Meta})
		missing, err := w.Missing(c.Path)
		if err != nil {
			return nil, err
		}
		for _, dir := range missing {
			if dir, err = a.inside(dir); err != nil {
				return nil, err
			}
			r.Dirs = append(r.Dirs, dir)
		}
	}
	return todo, nil
}

// inside is a path of this machine as on the host.
func (a *applier) inside(dir string) (string, error) {
	root, err := hostfs.Root(a.host.Root).Dir()
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "", err
	}
	return "/" + rel, recordable("/" + rel)
}

// litter names the files that look like our temporary files before there are
// any: after a crash, Undo removes only the others.
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

// recordable refuses a name that Undo would not find again: a record is JSON,
// which holds UTF-8 only.
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
		return meta, changed(c.Path, "it was removed")
	}
	return meta, err
}

// metaOf reads a file's owner, mode and attributes.
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
// whenever they write FILE, and what that name holds now.
func (a *applier) backup(c Change, meta hostfs.Meta) (f fileRecord, now []byte, err error) {
	name := c.Path + "-"
	if err := a.writer("").Check(name); err != nil {
		return f, nil, err
	}
	old, err := a.host.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return f, nil, err
	default:
		if meta, err = a.metaOf(name); err != nil {
			return f, nil, err
		}
	}
	if old != nil && bytes.Equal(old, c.Before) {
		return f, nil, nil // it is there already
	}
	f = newFileRecord(Change{Path: name, Before: old, After: c.Before})
	f.Backup, f.Meta, f.Old, f.Members = true, meta, nil, nil
	f.Litter, err = a.litter(name)
	return f, old, err
}

// write writes the files in order until ctx ends, and returns how many it
// began.
func (a *applier) write(ctx context.Context, todo []job) (begun int, err error) {
	for i, j := range todo {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		w := a.writer("write " + j.path + ": ")
		if _, err := w.MkdirAll(j.path); err != nil {
			return i + 1, err
		}
		if err := j.write(w); err != nil {
			return i + 1, err
		}
	}
	return len(todo), ctx.Err()
}

// write makes the file hold after instead of before.
func (j job) write(w hostfs.Writer) error {
	if j.after == nil {
		return w.Remove(j.path, j.before)
	}
	return w.Replace(j.path, j.before, j.after, j.meta)
}

// rollBack restores every written file and removes the record from the journal.
// If it cannot, the record stays for Undo.
func (a *applier) rollBack(r record) error {
	todo, err := a.reversal(r, nil)
	if err == nil {
		err = a.restore(r, todo)
	}
	if err != nil {
		return &unfinishedError{err}
	}
	if err := a.drop(r.ID); err != nil {
		return fmt.Errorf("every file is as it was, but its journal cannot be removed: %w", err)
	}
	return nil
}
