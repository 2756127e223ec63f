package usernskit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/internal/members"
)

// Undo takes back what a receipt's plan did. An empty ID means the interrupted
// run, if there is one, else the last applied one.
//
// A file that nobody wrote to since gets its old bytes; a new file is removed. In
// a file that others wrote to, Undo reverts exactly the members of a JSON object
// or the lines that the plan changed, and keeps everything else. If it does not
// find them as they were written, it returns [ErrChanged], which names them, and
// changes nothing. A path in force gets its old content whatever it holds now;
// if that was too large to keep (64 KiB), what can be found of the plan is
// removed. Owner, mode and extended attributes stay as they are now: Apply kept
// them. A file that was removed gets its old ones back.
//
// If a later run put back a file that this one had changed, as disable does
// after enable, undoing this one first is an error: the later undo would bring
// half of it back.
//
// Undo stops when ctx ends, until it begins to write. If it is killed while
// writing, call it again.
func (h Host) Undo(ctx context.Context, id string, force []string) error {
	a := &applier{host: h}
	return a.undo(ctx, id, force)
}

// PlanUndo returns what Undo would do, as a plan to show. Its actions are those
// of the receipt that must run again. It takes no lock and changes nothing.
func (h Host) PlanUndo(id string, force []string) (Plan, error) {
	r, _, err := h.undoable(id, force)
	if err != nil {
		return Plan{}, err
	}
	a := &applier{host: h}
	todo, err := a.reversal(r, force)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Title: "undo " + r.Title}
	made := map[string]bool{}
	for _, u := range todo {
		made[u.path] = u.file.Before == ""
		if u.done {
			continue
		}
		if !u.file.Backup {
			p.Changes = append(p.Changes, Change{Path: u.path, Before: u.before, After: u.after, Mode: u.meta.Mode.Perm()})
		}
		if u.others {
			p.Warnings = append(p.Warnings, Warning{ID: WarnEditedSince, Pos: Pos{File: u.path},
				Text: "it was edited since: only what receipt " + r.ID + " wrote is taken out"})
		}
	}
	for _, act := range r.Actions {
		if !slices.ContainsFunc(act.Argv, func(arg string) bool { return made[arg] }) {
			p.Actions = append(p.Actions, act)
		}
	}
	return p, nil
}

func (a *applier) undo(ctx context.Context, id string, force []string) (err error) {
	unlock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, last, err := a.host.undoable(id, force)
	if err != nil {
		return err
	}
	var changes []Change
	for _, f := range r.Files {
		changes = append(changes, Change{Path: f.Path, Shadow: f.Shadow})
	}
	if err := a.lockFiles(ctx, changes); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.unlockFiles()) }()
	todo, err := a.reversal(r, force)
	if err != nil {
		return err
	}
	if r.State.sealed() && !last {
		if err := a.put(undoingPath, []byte(r.ID)); err != nil {
			return err
		}
	}
	for _, u := range todo {
		if !u.done {
			target := digestOf(u.after)
			u.file.Target = &target
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.State = stateUndoing
	if err := a.keep(r); err != nil {
		return err
	}
	if err := a.restore(r, todo); err != nil {
		return err
	}
	r.State = StateUndone
	if err := a.keep(r); err != nil {
		return fmt.Errorf("every file is undone, but the receipt does not say so: %w", err)
	}
	return nil
}

// undoable returns the record to undo, and whether it is that of the last run. A
// sealed one is refused beside an interrupted run, and before a later one that
// depends on it.
func (h Host) undoable(id string, force []string) (r record, last bool, err error) {
	r, ids, err := h.choose(id)
	if err != nil {
		return record{}, false, err
	}
	for _, name := range force {
		if !slices.ContainsFunc(r.Files, func(f fileRecord) bool { return f.Path == name }) {
			return record{}, false, fmt.Errorf("%s: not a file of receipt %s", name, r.ID)
		}
	}
	if r.State.sealed() {
		if err = h.allEnded(ids); err == nil {
			err = h.putBack(r, ids)
		}
	}
	return r, r.ID == ids[len(ids)-1], err
}

// putBack returns an error if undoing a later run would bring back what r wrote.
func (h Host) putBack(r record, ids []string) error {
	state := h.states()
	back := map[string]bool{}
	for _, f := range r.Files {
		if !f.Backup && state(f) == StateUndone {
			back[f.Path] = true
		}
	}
	if len(back) == 0 {
		return nil
	}
	for _, id := range ids {
		if number(id) <= number(r.ID) {
			continue
		}
		later, err := h.record(id)
		if err != nil {
			return err
		}
		for _, f := range later.Files {
			if later.State == StateApplied && back[f.Path] && !f.Backup && state(f) == StateApplied {
				return fmt.Errorf("%s: receipt %s has put it back already; undo that one first, or its undo would bring back what receipt %s wrote", f.Path, later.ID, r.ID)
			}
		}
	}
	return nil
}

// An undoJob is what an undo does to one file of a record.
type undoJob struct {
	job
	file   *fileRecord
	done   bool // there is nothing to write
	others bool // others have written to the file
}

// reversal returns what to write to undo a record, the last file first.
func (a *applier) reversal(r record, force []string) ([]undoJob, error) {
	var todo []undoJob
	var errs []error
	for i := range slices.Backward(r.Files) {
		f := &r.Files[i]
		u := undoJob{job: job{path: f.Path, meta: f.Meta}, file: f}
		err := a.reverse(&u, r, slices.Contains(force, f.Path))
		todo, errs = append(todo, u), append(errs, err)
	}
	slices.Reverse(errs)
	return todo, errors.Join(errs...)
}

// reverse fills in what to write.
func (a *applier) reverse(u *undoJob, r record, force bool) error {
	f, now := u.file, a.host.look(u.path)
	u.before = now.data
	state := now.state(*f)
	written := now.err == nil && !r.State.sealed() && f.Target != nil && now.digest == *f.Target
	if u.done = written || state == StateUndone || f.Backup && state != StateApplied; u.done {
		return nil // useradd may have written a newer backup since
	}
	switch {
	case now.err != nil:
		return now.err
	case state == StateApplied:
		after, err := f.reversed().apply(now.data)
		if err != nil {
			return &FileError{File: recordPath(r.ID), Err: fmt.Errorf("damaged: what it has of %s does not fit: %v", f.Path, err)}
		}
		u.after = after
	default:
		after, why := f.takeOut(now.data, force)
		if why != "" {
			return changed(f.Path, why)
		}
		u.after, u.others = after, !force
	}
	if now.data != nil {
		meta, err := hostfs.Root(a.host.Root).Meta(f.Path)
		if err != nil {
			return err
		}
		u.meta = meta
	}
	return a.writer("").Check(f.Path)
}

// takeOut reverts the plan in a file that others have edited, or returns why it
// cannot.
func (f fileRecord) takeOut(now []byte, force bool) (data []byte, why string) {
	switch {
	case force && f.Before == "":
		return nil, ""
	case force && f.Old != nil:
		return append([]byte{}, *f.Old...), ""
	case now == nil:
		return nil, "it was removed"
	case f.After == "":
		return nil, "it was removed by the plan, and made again"
	}
	data, lost := f.patch.takeOut(now, f.Repeats)
	if f.Members != nil {
		parts, gone, err := f.Members.Revert(now)
		switch {
		case err != nil && !force:
			return nil, err.Error()
		case len(gone) > 0 && !force:
			return nil, "not as it was written: " + strings.Join(gone, ", ")
		case err == nil && (len(lost) > 0 || !members.Equal(data, parts)):
			data, lost = parts, nil // lines hold more than one member, or its comma
		}
		if f.Before == "" && members.Empty(data) {
			return nil, ""
		}
	}
	if len(lost) > 0 && !force {
		return nil, "not as it was written: " + strings.Join(lost, ", ")
	}
	if f.Before == "" && len(data) == 0 {
		return nil, ""
	}
	return data, ""
}

// A place is a run of lines that a patch replaced, and the lines around it.
type place struct {
	line       int // of the first line, in the file as it was written
	before     []string
	old, wrote []string
	after      []string
}

// places returns the places of a patch in order.
func (p patch) places() []place {
	var list []place
	for _, h := range p.Hunks {
		at := h.To
		for i, first := 0, true; i < len(h.Lines); first = false {
			var here place
			for ; i < len(h.Lines) && h.Lines[i][0] == ' '; i++ {
				here.before = append(here.before, string(h.Lines[i][1:]))
				at++
			}
			if !first {
				list[len(list)-1].after = here.before
			}
			if i == len(h.Lines) {
				break
			}
			here.line = at
			for ; i < len(h.Lines) && h.Lines[i][0] != ' '; i++ {
				if h.Lines[i][0] == '-' {
					here.old = append(here.old, string(h.Lines[i][1:]))
				} else {
					here.wrote = append(here.wrote, string(h.Lines[i][1:]))
					at++
				}
			}
			list = append(list, here)
		}
	}
	return list
}

// bare is a line without its newline, which the last line of a file may not
// have.
func bare(line string) string { return strings.TrimSuffix(line, "\n") }

// repeats reports whether a line that the patch wrote is in after more than
// once.
func (p patch) repeats(after []byte) bool {
	wrote := map[string]int{}
	for _, place := range p.places() {
		for _, l := range place.wrote {
			wrote[bare(l)] = 0
		}
	}
	for l := range bytes.Lines(after) {
		l = bytes.TrimSuffix(l, []byte("\n"))
		if n, ok := wrote[string(l)]; ok {
			if n > 0 {
				return true
			}
			wrote[string(l)] = 1
		}
	}
	return false
}

// takeOut reverts the patch in a file that others have edited, line by line.
// Places that are not found, or not only once, are left alone and returned in
// lost.
func (p patch) takeOut(now []byte, repeats bool) (data []byte, lost []string) {
	lines := splitLines(now)
	gone := make([]bool, len(lines))
	insert := make([][]string, len(lines)+1)
	for _, place := range p.places() {
		at, ok := place.find(lines, repeats)
		if !ok || len(place.wrote) > 0 && slices.ContainsFunc(at, func(i int) bool { return gone[i] }) {
			lost = append(lost, place.String())
			continue
		}
		insert[at[0]] = append(insert[at[0]], place.old...)
		if len(place.wrote) > 0 {
			for _, i := range at {
				gone[i] = true
			}
		}
	}
	eol := "\n"
	if len(lines) > 0 && strings.HasSuffix(lines[0], "\r\n") {
		eol = "\r\n"
	}
	var out []string
	for i, old := range insert {
		out = append(out, old...)
		if i < len(lines) && !gone[i] {
			out = append(out, lines[i])
		}
	}
	for i, l := range out {
		if i < len(out)-1 && !strings.HasSuffix(l, "\n") {
			out[i] += eol
		}
	}
	return []byte(strings.Join(out, "")), lost
}

// String names the lines.
func (p place) String() string {
	if len(p.wrote) == 0 {
		return fmt.Sprintf("the place of %q, before line %d", bare(p.old[0]), p.line)
	}
	text := fmt.Sprintf("line %d, %q", p.line, bare(p.wrote[0]))
	if more := len(p.wrote) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// find returns the indexes of the lines that the place wrote or, if it only
// removed some, of the line before which they were.
func (p place) find(lines []string, repeats bool) ([]int, bool) {
	if len(p.wrote) == 0 {
		return p.gap(lines)
	}
	if !repeats {
		// Each line was there once, so each is ours if it is there once.
		var at []int
		for _, l := range p.wrote {
			i, ok := only(len(lines), func(i int) bool { return bare(lines[i]) == bare(l) })
			if !ok {
				return nil, false
			}
			at = append(at, i)
		}
		for i := range at {
			if len(p.old) > 0 && at[i] != at[0]+i { // replaced lines have one place
				return nil, false
			}
		}
		return at, true
	}
	i, ok := only(len(lines), func(i int) bool {
		return matches(lines, i, p.wrote) && p.startsAt(lines, i) && p.endsAt(lines, i+len(p.wrote))
	})
	var at []int
	for n := range p.wrote {
		at = append(at, i+n)
	}
	return at, ok
}

// gap finds where lines were removed: between the neighbours, or at one of them
// if something was inserted there.
func (p place) gap(lines []string) ([]int, bool) {
	for _, fits := range []func(i int) bool{
		func(i int) bool { return p.startsAt(lines, i) && p.endsAt(lines, i) },
		func(i int) bool { return len(p.before) > 0 && matches(lines, i-len(p.before), p.before) },
		func(i int) bool { return len(p.after) > 0 && matches(lines, i, p.after) },
	} {
		if i, ok := only(len(lines)+1, fits); ok { // also the end
			return []int{i}, true
		}
	}
	return nil, false
}

// startsAt reports whether line i is where the place was: after the same line,
// or the first.
func (p place) startsAt(lines []string, i int) bool {
	if len(p.before) == 0 {
		return i == 0
	}
	return matches(lines, i-1, p.before[len(p.before)-1:])
}

func (p place) endsAt(lines []string, i int) bool {
	if len(p.after) == 0 {
		return i == len(lines)
	}
	return matches(lines, i, p.after[:1])
}

// matches reports whether the lines from index at on are those of want.
func matches(lines []string, at int, want []string) bool {
	return at >= 0 && at+len(want) <= len(lines) &&
		slices.EqualFunc(lines[at:at+len(want)], want, func(a, b string) bool { return bare(a) == bare(b) })
}

// only returns the index below n for which ok is true, if there is exactly one.
func only(n int, ok func(i int) bool) (int, bool) {
	found := -1
	for i := range n {
		if ok(i) {
			if found >= 0 {
				return 0, false
			}
			found = i
		}
	}
	return found, found >= 0
}

// restore writes the files, the last written first, and removes the directories
// that were made.
func (a *applier) restore(r record, todo []undoJob) error {
	var errs []error
	for _, u := range todo {
		w := a.writer("restore " + u.path + ": ")
		err := w.Sweep(u.path)
		if err == nil && !u.done {
			err = u.write(w) // with its directory, which may be gone
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	root, err := hostfs.Root(a.host.Root).Dir()
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(r.Dirs) {
		// A directory that is in use by now is not empty and stays. So does one
		// behind a symbolic link: it is not the one that was made.
		place, err := a.host.Path(dir)
		if err == nil && place == filepath.Join(root, dir) {
			_ = os.Remove(place)
		}
	}
	return nil
}
