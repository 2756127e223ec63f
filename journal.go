package usernskit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// The journal has a [record] for each applied plan, with all that Undo needs. It
// may hold credentials (proxies in daemon.json), so nobody else may read it.
const (
	stateDir   = "/var/lib/usernskit"
	journalDir = stateDir + "/journal"
	lockPath   = stateDir + "/lock"
)

// sealed reports whether the journal entry is whole: nothing is under way.
func (s State) sealed() bool { return s == StateApplied || s == StateUndone }

// heads reads the journal, the oldest first, but for what the plans did to
// their files: State is what Apply has to know of all that came before it.
func (h Host) heads() ([]record, error) {
	ids, err := h.journal()
	if err != nil {
		return nil, err
	}
	var list []record
	for _, id := range ids {
		r, err := h.head(id)
		if err != nil {
			return nil, err
		}
		r.Files = nil
		list = append(list, r)
	}
	return list, nil
}

// journal lists the IDs of all records, the oldest first.
func (h Host) journal() ([]string, error) {
	entries, err := h.ReadDir(journalDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return number(a) - number(b) })
	return ids, nil
}

func number(id string) int {
	n, _ := strconv.Atoi(id) // other names sort first
	return n
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
	if err := a.sweepJournal(); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// sweepJournal removes what runs left that were cut off: temporary files, and
// contents that no record tells of. Whoever calls it holds the lock, so nobody
// is about to need them.
func (a *applier) sweepJournal() error {
	dir, err := a.host.Path(journalDir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	records := map[string]bool{}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			records[id] = true
		}
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".data")
		orphan := ok && number(id) > 0 && !records[id]
		if e.IsDir() || !orphan && !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		// The name, and not what it may be a link to. One that stays is in nobody's
		// way, or whoever needs the place will say so.
		_ = os.Remove(filepath.Join(dir, e.Name()))
	}
	return nil
}
