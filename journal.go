package usernskit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// The journal is one file for each applied plan, with all that Undo needs. It
// may hold credentials (proxies in daemon.json), so nobody else may read it.
const (
	stateDir   = "/var/lib/usernskit"
	journalDir = stateDir + "/journal"
	lockPath   = stateDir + "/lock"
)

// sealed reports whether the journal entry is whole: nothing is under way.
func (s State) sealed() bool { return s == Applied || s == Undone }

// record is a journal file. Its JSON form is read by later versions: fields
// may be added, and keep their meaning.
type record struct {
	Schema  int
	ID      string
	Time    time.Time
	Title   string
	State   State
	Files   []fileRecord
	Dirs    []string // directories made, on the host, the outermost first
	Actions []Action
}

// fileRecord is what happened to one file, in the order of writing.
type fileRecord struct {
	Path          string
	Before, After *[]byte // nil: no file; JSON keeps an empty file apart
	Meta          hostfs.Meta
	Lock          Lock
	Backup        bool     // the copy that shadow-utils keep, not asked for by the plan
	Litter        []string // names that look like our temporary files and were there before
}

func content(data []byte) *[]byte {
	if data == nil {
		return nil
	}
	return &data
}

func bytesOf(data *[]byte) []byte {
	switch {
	case data == nil:
		return nil
	case *data == nil:
		return []byte{}
	}
	return *data
}

// heads reads the journal, the oldest first, but for what the plans did to
// their files: State is what Apply has to know of all that came before it.
func (h Host) heads() ([]record, error) {
	names, err := h.journal()
	if err != nil {
		return nil, err
	}
	var list []record
	for _, name := range names {
		r, err := h.head(name)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// journal lists the paths of all records, the oldest first.
func (h Host) journal() ([]string, error) {
	entries, err := h.ReadDir(journalDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".json") {
			names = append(names, path.Join(journalDir, e.Name()))
		}
	}
	slices.SortFunc(names, func(a, b string) int { return number(idOf(a)) - number(idOf(b)) })
	return names, nil
}

func recordPath(id string) string { return path.Join(journalDir, id+".json") }

func idOf(name string) string { return strings.TrimSuffix(path.Base(name), ".json") }

// headSize is more than the fields before Files take.
const headSize = 64 << 10

// head reads the fields of a record that stand before Files.
func (h Host) head(name string) (record, error) {
	data, err := hostfs.Root(h.Root).ReadHead(name, headSize)
	if err != nil {
		return record{}, err
	}
	if i := bytes.Index(data, []byte(`,"Files":[`)); i >= 0 {
		data = append(data[:i:i], '}')
	}
	return decode(name, data)
}

// record reads one whole record.
func (h Host) record(name string) (record, error) {
	data, err := hostfs.Root(h.Root).ReadFile(name, maxJournal)
	if err != nil {
		return record{}, err
	}
	return decode(name, data)
}

func decode(name string, data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return r, &FileError{File: name, Err: fmt.Errorf("not a journal of this program: %w", err)}
	}
	if r.Schema != 1 || r.ID != idOf(name) {
		return r, &FileError{File: name, Err: errors.New("written by a newer usernskit, or renamed: use the version that wrote it")}
	}
	return r, nil
}

// maxJournal bounds a journal file: before and after of a few files of
// [MaxFileSize], in base64.
const maxJournal = 16 * MaxFileSize

func number(id string) int {
	n, _ := strconv.Atoi(id) // other names sort first
	return n
}

// keep writes the record, whole and on the disk, over the one that was there.
func (a *applier) keep(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("BUG: journal: %w", err)
	}
	name := recordPath(r.ID)
	before, err := hostfs.Root(a.host.Root).ReadFile(name, maxJournal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return a.writer("journal: ").Replace(name, before, data, hostfs.NewMeta(0o600))
}

// drop removes the record of a plan that was rolled back.
func (a *applier) drop(r record) error {
	name := recordPath(r.ID)
	before, err := hostfs.Root(a.host.Root).ReadFile(name, maxJournal)
	if err != nil {
		return err
	}
	return a.writer("journal: ").Remove(name, before)
}

// lock keeps other runs of this module away from the host until unlock.
func (a *applier) lock(ctx context.Context) (unlock func(), err error) {
	if err := a.step("lock"); err != nil {
		return nil, err
	}
	root := hostfs.Root(a.host.Root)
	// The way there is for all to pass, the journal itself is not.
	if _, err := a.writer("journal: ").MkdirAll(stateDir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	real, err := root.Resolve(journalDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(real, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", hostfs.PathError("mkdir", journalDir, err))
	}
	f, err := root.Flock(ctx, lockPath)
	if err != nil {
		return nil, err
	}
	unlock = func() { f.Close() }
	entries, err := root.ReadDir(journalDir)
	if err != nil {
		unlock()
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		// The temporary file of a run that was cut off: nobody else is here.
		if real, err := root.Resolve(path.Join(journalDir, e.Name())); err == nil {
			_ = os.Remove(real)
		}
	}
	return unlock, nil
}
