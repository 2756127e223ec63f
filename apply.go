package usernskit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// Apply makes the changes of the plan, in its order, and returns a receipt for
// [Host.Undo]. Actions are left to the caller.
//
// It takes the locks of the files, waiting as long as ctx allows, or 15 s if ctx
// has no deadline; checks that every file still holds what the plan was made
// from, else [ErrChanged]; writes a journal; replaces the files. If a step
// fails or ctx ends, it rolls back and returns that error: nothing has changed
// then. If the rollback fails too, the error also matches [ErrUnfinished] and
// Undo can try again.
//
// A plan that changes nothing writes nothing, and its receipt has no ID.
func (h Host) Apply(ctx context.Context, p Plan) (Receipt, error) {
	a := &applier{host: h}
	if todo, err := p.todo(); !todo {
		return Receipt{}, err
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
// again, now with all other runs locked out. If another program changed a file
// after plan had read it, Update plans again under the locks of the files, so
// that programs which write them all the time do not keep it waiting. If plan
// fails, Update returns its error and nothing has changed. After 50 plans that
// no longer fit the files it returns [ErrChanged]: plan should read them again.
func (h Host) Update(ctx context.Context, plan func() (Plan, error)) (Receipt, error) {
	a := &applier{host: h}
	before, unseen := h.runs()
	alone := func() bool {
		now, err := h.runs()
		return unseen == nil && err == nil && now == before
	}
	p, todo, err := newPlan(plan)
	// Beside another run, plan may have read half of what that run writes.
	if !todo && (alone() || errors.Is(unseen, fs.ErrPermission)) {
		return Receipt{}, err
	}
	unlock, locked := a.lock(ctx)
	if locked != nil {
		return Receipt{}, cmp.Or(err, locked)
	}
	defer unlock()
	if !alone() {
		if p, todo, err = newPlan(plan); !todo {
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
		if p, todo, err = newPlan(plan); !todo {
			return Receipt{}, err
		}
	}
}

// maxPlans is how often Update plans at most. A plan under the locks still fits
// the files unless a writer ignores the locks.
const maxPlans = 50

// newPlan makes a plan, and reports whether there is something to do.
func newPlan(plan func() (Plan, error)) (p Plan, todo bool, err error) {
	if p, err = plan(); err == nil {
		todo, err = p.todo()
	}
	return p, todo, err
}

// An applier runs the steps of Apply and Undo.
type applier struct {
	host  Host
	fault func(step string) error // set in tests: fails, or kills, before a step
	held  *hostfs.ShadowLock      // of files, nil for none
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

// apply applies a plan under the lock of the module. If a file has changed, the
// locks of the files stay held, so that the next plan is made under them.
func (a *applier) apply(ctx context.Context, p Plan) (_ Receipt, err error) {
	journal, err := a.host.journal()
	if err != nil {
		return Receipt{}, err
	}
	if err := a.host.allEnded(journal.ids); err != nil {
		return Receipt{}, err
	}
	if err := a.lockFiles(ctx, p.Changes); err != nil {
		return Receipt{}, err
	}
	defer func() {
		if !errors.Is(err, ErrChanged) {
			err = errors.Join(err, a.unlockFiles())
		}
	}()

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
			last := r.Files[begun-1]
			if a.host.look(last.Path).state(last) == StateEdited {
				r.Files = r.Files[:begun-1] // nor was this one
			}
		}
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	r.State = StateApplied
	if err := a.keep(r); err != nil {
		return Receipt{}, errors.Join(err, a.rollBack(r))
	}
	return r.receipt(func(fileRecord) State { return StateApplied }), nil
}

// lockFiles takes the locks of the files, unless they are held.
func (a *applier) lockFiles(ctx context.Context, changes []Change) error {
	var files []string
	for _, c := range changes {
		if !c.Shadow {
			continue
		}
		// A directory without room for a lock file has none for a new file
		// either; Check says why.
		if err := a.writer("").Check(c.Path); err != nil {
			return err
		}
		files = append(files, c.Path)
	}
	if a.held.Covers(files) {
		return nil
	}
	err := a.unlockFiles()
	if err == nil {
		a.held, err = a.writer("").LockShadow(ctx, files...)
	}
	return err
}

func (a *applier) unlockFiles() error {
	held := a.held
	a.held = nil
	return held.Unlock()
}

// A job is one file to write.
type job struct {
	path          string
	before, after []byte // nil: no file
	meta          hostfs.Meta
}

// fill reads every file before the first is written, and records what Undo will
// need.
func (a *applier) fill(r *record, changes []Change) (todo []job, err error) {
	places := map[string]string{}
	add := func(c Change, f fileRecord) {
		r.Files = append(r.Files, f)
		todo = append(todo, job{c.Path, c.Before, c.After, f.Meta})
	}
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
		now, err := a.read(c.Path)
		if err != nil {
			return nil, err
		}
		if c, err = c.resolve(now); err != nil {
			return nil, err
		}
		if len(c.After) > hostfs.MaxFileSize {
			return nil, &fs.PathError{Op: "replace", Path: c.Path, Err: fmt.Errorf("%w: it would have more than %d bytes", ErrTooLarge, hostfs.MaxFileSize)}
		}
		f, err := a.fileRecord(c, hostfs.NewMeta(c.mode()))
		if err != nil {
			return nil, err
		}
		if c.Shadow && c.Before != nil && c.After != nil {
			// The old content gets the name "FILE-", as shadow-utils do it.
			old := Change{Path: c.Path + "-", After: c.Before}
			if old.Before, err = a.read(old.Path); err != nil {
				return nil, err
			}
			if !old.none() {
				backup, err := a.fileRecord(old, f.Meta)
				if err != nil {
					return nil, err
				}
				backup.Backup, backup.Old, backup.Members = true, nil, nil
				add(old, backup)
			}
		}
		add(c, f)
		missing, err := a.writer("").Missing(c.Path)
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

// read returns what a file to write holds now, nil for no file.
func (a *applier) read(path string) ([]byte, error) {
	if err := a.writer("").Check(path); err != nil {
		return nil, err
	}
	return a.host.content(path)
}

// fileRecord returns what Undo needs of a change; meta is for a new file.
func (a *applier) fileRecord(c Change, meta hostfs.Meta) (f fileRecord, err error) {
	f = newFileRecord(c)
	f.Meta = meta
	if c.Before != nil {
		f.Meta, err = a.meta(c.Path)
	}
	return f, err
}

// inside returns a path of this machine as it is on the host.
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

// recordable refuses a name that Undo would not find again: a record is JSON,
// which holds UTF-8 only.
func recordable(name string) error {
	if utf8.ValidString(name) {
		return nil
	}
	return fmt.Errorf("%q: the name is not UTF-8, and the journal cannot hold it", name)
}

// meta reads what a file has besides its content.
func (a *applier) meta(name string) (hostfs.Meta, error) {
	meta, err := hostfs.Root(a.host.Root).Meta(name)
	if errors.Is(err, fs.ErrNotExist) {
		return hostfs.Meta{}, changed(name, "it was removed")
	}
	for attribute := range meta.Xattrs {
		if err := recordable(attribute); err != nil {
			return hostfs.Meta{}, fmt.Errorf("%s: extended attribute %w", name, err)
		}
	}
	return meta, err
}

// write writes the files in order until ctx ends, and returns how many it
// began.
func (a *applier) write(ctx context.Context, todo []job) (begun int, err error) {
	for i, j := range todo {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		w := a.writer("write " + j.path + ": ")
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
	if err := w.MkdirAll(j.path, 0o755); err != nil {
		return err
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
		return fmt.Errorf("%w: rollback failed: %w", ErrUnfinished, err)
	}
	if err := a.drop(r.ID); err != nil {
		return fmt.Errorf("every file is as it was, but its journal cannot be removed: %w", err)
	}
	return nil
}
