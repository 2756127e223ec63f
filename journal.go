package usernskit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/internal/members"
)

// The journal has a record for each applied plan, with what Undo needs. It may
// hold credentials (proxies in daemon.json), so only its owner may read it.
//
// "ID.json" is a plan that is applied, or under way; "ID.undone" one that was
// taken back, without the contents; "ID.gone" keeps the last ID from being
// given twice after Forget. The names answer most questions, so a run opens few
// of the files.
const (
	stateDir   = "/var/lib/usernskit"
	journalDir = stateDir + "/journal"
	lockPath   = stateDir + "/lock"
	// undoingPath holds the ID of a record that is being undone and is not the
	// last. Only that one, or the last, can be unfinished.
	undoingPath = journalDir + "/undoing"
)

// A State is the state of a plan, or of one of its files. A plan that is neither
// applied nor undone is under way ("applying", "undoing") or was interrupted.
type State string

const (
	StateApplied State = "applied" // the file holds what the plan wrote
	StateUndone  State = "undone"  // the file holds what was there before the plan
	StateEdited  State = "edited"  // the file holds something else
	StateUnknown State = "unknown" // the file cannot be read

	stateApplying State = "applying" // begun, and not ended: a crash, or it runs right now
	stateUndoing  State = "undoing"  // an undo was begun and not finished
)

// sealed reports whether nothing is under way.
func (s State) sealed() bool { return s == StateApplied || s == StateUndone }

// A Receipt records what a plan did, who applied it, and its state.
type Receipt struct {
	ID      string    `json:"id"`   // for [Host.Undo]; empty where there was nothing to do
	Time    time.Time `json:"time"` // in the time zone of the program that applied it
	Title   string    `json:"title"`
	User    string    `json:"user"`    // who ran the program; with sudo(8), who called it
	Build   string    `json:"build"`   // the program's module and version
	Command []string  `json:"command"` // the program and its arguments
	State   State     `json:"state"`
	// Changes have no contents, as if they came from JSON, and once undone no
	// diff either.
	Changes []Change `json:"changes"`
	// Files says what each file of Changes holds now.
	Files   map[string]State `json:"files"`
	Actions []Action         `json:"actions"`
}

// Receipts lists what was applied to the host, the newest last, and what each
// file holds now. It takes no lock and changes nothing. The error names each
// record that cannot be read, as when a newer version wrote it; the list has the
// others.
func (h Host) Receipts() ([]Receipt, error) {
	journal, err := h.journal()
	if err != nil {
		return nil, err
	}
	state := h.states()
	var list []Receipt
	var errs []error
	for _, id := range journal.ids {
		r, err := h.record(id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, r.receipt(state))
	}
	return list, errors.Join(errs...)
}

// Receipt returns the receipt that [Host.Undo] would take back for this ID; an
// empty ID means the one that Undo would choose. If there is none, the error
// matches [ErrNoReceipt].
func (h Host) Receipt(id string) (Receipt, error) {
	r, _, err := h.choose(id)
	if err != nil {
		return Receipt{}, err
	}
	return r.receipt(h.states()), nil
}

// Forget removes the matching receipts from the journal and returns their IDs.
// They can no longer be undone. An interrupted run is not forgotten: undo it
// first. Nor is a record that cannot be read.
func (h Host) Forget(ctx context.Context, match func(Receipt) bool) ([]string, error) {
	a := &applier{host: h}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	journal, err := h.journal()
	if err != nil {
		return nil, err
	}
	receipts, _ := h.Receipts()
	var ids []string
	for _, r := range receipts {
		if err := ctx.Err(); err != nil {
			return ids, err
		}
		if !r.State.sealed() || !match(r) {
			continue
		}
		if number(r.ID) == journal.last {
			if err := a.put(gonePath(r.ID), []byte{}); err != nil {
				return ids, err
			}
		}
		if err := a.drop(r.ID); err != nil {
			return ids, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// A record is the journal's entry for one plan. Later versions read its JSON:
// fields may be added and keep their meaning.
type record struct {
	Schema  int
	ID      string
	Time    time.Time
	Title   string
	User    string
	Build   string
	Command []string
	State   State
	Files   []fileRecord
	Dirs    []string // directories made, on the host, the outermost first
	Actions []Action
}

// A fileRecord is what happened to one file.
type fileRecord struct {
	Path string
	patch
	Members *members.Diff `json:",omitempty"` // what the patch does, if both are JSON objects
	Repeats bool          `json:",omitempty"` // a line that was written is in the file more than once
	Old     *line         `json:",omitempty"` // the old content, if it has at most maxOld bytes
	Meta    hostfs.Meta
	Shadow  bool    `json:",omitempty"`
	Backup  bool    `json:",omitempty"` // the copy that shadow-utils keep, not asked for by the plan
	Target  *digest `json:",omitempty"` // of what an undo that has begun is to write
}

const (
	schema = 4
	// maxOld is the size in bytes of the largest file whose whole old content the
	// journal keeps, for an undo by force. Of larger ones it keeps what changed.
	maxOld = 64 << 10
	// maxRecord bounds the bytes of a record, which has the whole content of a file
	// that the plan makes or removes.
	maxRecord = 16 * hostfs.MaxFileSize
)

func recordPath(id string) string { return path.Join(journalDir, id+".json") }
func undonePath(id string) string { return path.Join(journalDir, id+".undone") }
func gonePath(id string) string   { return path.Join(journalDir, id+".gone") }

// newFileRecord returns what Undo needs of a change.
func newFileRecord(c Change) fileRecord {
	f := fileRecord{Path: c.Path, patch: newPatch(c.Before, c.After), Shadow: c.Shadow}
	f.Repeats = f.patch.repeats(c.After)
	if c.After != nil {
		if d, ok := members.Compare(c.Before, c.After); ok {
			f.Members = d
		}
	}
	if c.Before != nil && len(c.Before) <= maxOld {
		old := line(c.Before)
		f.Old = &old
	}
	return f
}

// forget drops from a record what is not needed once it is undone.
func (r *record) forget() {
	for i, f := range r.Files {
		r.Files[i] = fileRecord{Path: f.Path, patch: patch{Before: f.Before, After: f.After}, Shadow: f.Shadow, Backup: f.Backup}
	}
	r.Dirs = nil
	r.Command = r.Command[:min(len(r.Command), 1)] // arguments may be contents
}

// sign records who applies: see [Receipt].
func (r *record) sign() {
	r.Time = time.Now().Truncate(time.Second)
	r.Command = os.Args
	r.User = cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("LOGNAME"), os.Getenv("USER"), "#"+strconv.Itoa(os.Getuid()))
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	r.Build = strings.TrimSpace(info.Main.Path + " " + info.Main.Version) // with the revision
	for _, dep := range info.Deps {
		if dep.Path == "github.com/usernskit/usernskit" {
			r.Build += " with usernskit " + dep.Version
		}
	}
}

func (r record) receipt(state func(fileRecord) State) Receipt {
	out := Receipt{
		ID: r.ID, Time: r.Time, Title: r.Title, User: r.User, Build: r.Build, Command: r.Command, State: r.State,
		Changes: []Change{}, Files: map[string]State{}, Actions: append([]Action{}, r.Actions...),
	}
	for _, f := range r.Files {
		if !f.Backup {
			p := f.patch
			out.Changes = append(out.Changes, Change{Path: f.Path, Shadow: f.Shadow, stored: &p})
			out.Files[f.Path] = state(f)
		}
	}
	return out
}

// A looked is what a look at a file found.
type looked struct {
	data   []byte // nil: no file
	digest digest
	err    error
}

// content returns what a file holds, nil for no file.
func (h Host) content(path string) ([]byte, error) {
	data, err := h.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (h Host) look(path string) looked {
	data, err := h.content(path)
	return looked{data, digestOf(data), err}
}

// states returns a function that returns the state of a record's file, and reads
// each file once.
func (h Host) states() func(fileRecord) State {
	seen := map[string]looked{}
	return func(f fileRecord) State {
		now, ok := seen[f.Path]
		if !ok {
			now = h.look(f.Path)
			seen[f.Path] = looked{digest: now.digest, err: now.err}
		}
		return now.state(f)
	}
}

// state returns the state of the file of a record.
func (l looked) state(f fileRecord) State {
	switch {
	case errors.Is(l.err, ErrNotRegular), errors.Is(l.err, ErrTooLarge):
		return StateEdited
	case l.err != nil:
		return StateUnknown
	case l.digest == f.After:
		return StateApplied
	case l.digest == f.Before:
		return StateUndone
	}
	return StateEdited
}

// An index is what the names of the journal's files show.
type index struct {
	files  []fs.DirEntry
	ids    []string // of all records, the oldest first
	undone map[string]bool
	last   int // the highest ID that was ever given
}

func (h Host) journal() (index, error) {
	entries, err := h.ReadDir(journalDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return index{}, err
	}
	all := index{files: entries, undone: map[string]bool{}}
	for _, e := range entries {
		ext := path.Ext(e.Name())
		id := strings.TrimSuffix(e.Name(), ext)
		if number(id) == 0 {
			continue // a temporary file, or not ours
		}
		switch ext {
		case ".json":
			all.ids = append(all.ids, id)
		case ".undone":
			all.ids = append(all.ids, id)
			all.undone[id] = true
		case ".gone":
		default:
			continue
		}
		all.last = max(all.last, number(id))
	}
	slices.SortFunc(all.ids, func(a, b string) int { return number(a) - number(b) })
	all.ids = slices.Compact(all.ids)
	return all, nil
}

// runs returns a text that is different after every run: each run writes to the
// journal, and one that rolls back and removes its record changes the directory's
// mtime. While a run is under way or interrupted, it returns [ErrUnfinished].
func (h Host) runs() (string, error) {
	journal, err := h.journal()
	if err != nil || journal.last == 0 {
		return "", err
	}
	if err := h.allEnded(journal.ids); err != nil {
		return "", err
	}
	info, err := h.Stat(journalDir)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(journal.ids, len(journal.undone), journal.last, info.ModTime().UnixNano()), nil
}

// number returns 0 for a name that is not an ID.
func number(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || strconv.Itoa(n) != id {
		return 0
	}
	return n
}

// record reads one record.
func (h Host) record(id string) (record, error) {
	name := undonePath(id)
	data, err := hostfs.Root(h.Root).ReadFile(name, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		name = recordPath(id)
		data, err = hostfs.Root(h.Root).ReadFile(name, maxRecord)
	}
	if err != nil {
		return record{}, err
	}
	var r record
	err = json.Unmarshal(data, &r) // it reads on after a member of the wrong type
	if json.Valid(data) && (r.Schema != schema || r.ID != id) {
		return record{}, &FileError{File: name, Err: errors.New("written by another version of usernskit, or renamed: use the version that wrote it")}
	}
	for i := 0; err == nil && i < len(r.Files); i++ {
		err = r.Files[i].check()
	}
	if err != nil {
		return record{}, &FileError{File: name, Err: fmt.Errorf("not a journal of this program: %w", err)}
	}
	return r, nil
}

// unfinished returns the run that was interrupted, if there is one.
func (h Host) unfinished(ids []string) (record, bool, error) {
	var open []string
	data, err := h.ReadFile(undoingPath)
	switch {
	case err == nil && slices.Contains(ids, string(data)):
		open = append(open, string(data))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return record{}, false, err
	}
	if len(ids) > 0 {
		open = append(open, ids[len(ids)-1])
	}
	for _, id := range open {
		r, err := h.record(id)
		if err != nil || !r.State.sealed() {
			return r, err == nil, err
		}
	}
	return record{}, false, nil
}

// allEnded returns [ErrUnfinished] if a run was interrupted.
func (h Host) allEnded(ids []string) error {
	r, open, err := h.unfinished(ids)
	if open {
		err = fmt.Errorf("%w (run %s of %s, %s)", ErrUnfinished, r.ID, r.Time.Format(time.DateTime), r.Title)
	}
	return err
}

// choose finds the record to undo. It returns the IDs of all records too.
func (h Host) choose(id string) (r record, ids []string, err error) {
	journal, err := h.journal()
	if err != nil {
		return record{}, nil, err
	}
	if id != "" {
		if !slices.Contains(journal.ids, id) {
			return record{}, nil, fmt.Errorf("no receipt %q: %w", id, ErrNoReceipt)
		}
		r, err := h.record(id)
		if err == nil && r.State == StateUndone {
			err = fmt.Errorf("receipt %s is undone already: %w", id, ErrNoReceipt)
		}
		return r, journal.ids, err
	}
	if r, ok, err := h.unfinished(journal.ids); ok || err != nil {
		return r, journal.ids, err
	}
	for _, id := range slices.Backward(journal.ids) {
		if journal.undone[id] {
			continue
		}
		r, err := h.record(id)
		if err != nil || r.State == StateApplied {
			return r, journal.ids, err
		}
	}
	return record{}, nil, ErrNoReceipt
}

// lock excludes other runs of this module until unlock, which gives back the
// locks of files too.
func (a *applier) lock(ctx context.Context) (unlock func(), err error) {
	if err := a.step("lock"); err != nil {
		return nil, err
	}
	root := hostfs.Root(a.host.Root)
	w := a.writer("journal: ")
	// Everybody may read the directory above, but not the journal itself.
	err = w.MkdirAll(stateDir, 0o755)
	if err == nil {
		err = w.MkdirAll(undoingPath, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	dir, err := root.Resolve(journalDir)
	if err != nil {
		return nil, err
	}
	f, err := root.Flock(ctx, lockPath)
	if err != nil {
		return nil, err
	}
	unlock = func() {
		_ = a.unlockFiles()
		f.Close()
	}
	if err := a.sweepJournal(dir); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// sweepJournal removes what interrupted runs left: temporary files, and the
// record of a plan whose undo was complete. The caller holds the lock, so they
// are not in use.
func (a *applier) sweepJournal(dir string) error {
	journal, err := a.host.journal()
	if err != nil {
		return err
	}
	for _, e := range journal.files {
		id := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		undone := e.Name() == id+".json" && journal.undone[id]
		gone := e.Name() == id+".gone" && 0 < number(id) && number(id) < journal.last
		if !e.IsDir() && (strings.HasPrefix(e.Name(), ".") || undone || gone) {
			// A symbolic link is removed itself, not its target. A file that stays does
			// no harm: a run that needs the name reports it.
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// keep writes the record to the disk.
func (a *applier) keep(r record) error {
	name := recordPath(r.ID)
	if r.State == StateUndone {
		name = undonePath(r.ID)
		r.forget()
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("BUG: journal: %w", err)
	}
	if len(data) > maxRecord {
		return fmt.Errorf("journal: %s: %w: it would have more than %d bytes", name, ErrTooLarge, maxRecord)
	}
	if err := a.put(name, data); err != nil || r.State != StateUndone {
		return err
	}
	// It is undone. A file that cannot be removed does no harm: the new record counts,
	// the next run removes the old one, and undoingPath may name an undone record.
	_ = a.put(recordPath(r.ID), nil)
	_ = a.put(undoingPath, nil)
	return nil
}

// put writes a file of the journal, whatever it holds. Nil removes it.
func (a *applier) put(name string, data []byte) error {
	before, err := hostfs.Root(a.host.Root).ReadFile(name, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = nil, nil
	}
	if err == nil && !same(before, data) {
		err = job{name, before, data, hostfs.NewMeta(0o600)}.write(a.writer("journal: "))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrChanged): // which would make [Host.Update] plan forever
		return fmt.Errorf("journal: %v", err)
	}
	return fmt.Errorf("journal: %w", err)
}

// drop removes a plan from the journal. The record that it is undone goes last: an
// older one alone would say that the undo is not finished.
func (a *applier) drop(id string) error {
	if err := a.put(recordPath(id), nil); err != nil {
		return err
	}
	return a.put(undonePath(id), nil)
}
