package remap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/shift"
)

// PlanUndo is [usernskit.Host.PlanUndo], with a warning for each volume and each
// directory that the undo takes back.
func PlanUndo(ctx context.Context, h usernskit.Host, id string, force []string) (usernskit.Plan, error) {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return back, err
	}
	shifted, copies, err := leaving(ctx, h, back)
	if err != nil {
		return back, err
	}
	for _, dir := range slices.Sorted(maps.Keys(shifted)) {
		list, err := shifted[dir].back(ctx, h, dir)
		if err != nil {
			return back, err
		}
		back.Warnings = append(back.Warnings, list...)
	}
	for _, c := range copies {
		switch {
		case c.gone:
		case c.changed == nil:
			back.Warnings = append(back.Warnings, usernskit.Warning{ID: WarnTakenBack, Text: fmt.Sprintf(
				"volume %s is removed from %s; the old one is the same", c.name(), c.To)})
		default:
			back.Warnings = append(back.Warnings, usernskit.Warning{ID: RiskVolumeChanged, Risk: true, Text: fmt.Sprintf(
				"volume %s was written to since it was copied (%s): what it holds now is moved to %s and kept; the old volume is as it was",
				c.name(), difference(c.changed), path.Join(c.To, undoneDir))})
		}
	}
	return back, nil
}

// difference is what is not the same, without the words around it.
func difference(err error) string {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && errors.Is(err, shift.ErrDiffers) {
		return at.Path + ": " + strings.TrimPrefix(at.Err.Error(), shift.ErrDiffers.Error()+": ")
	}
	return err.Error()
}

// Undo is [usernskit.Host.Undo]. Of a migration it first takes back the volumes:
// one that is the same as the old one is removed, and one that is not is moved out
// of the store's volumes and kept. Of a shift it first moves the owners back. Risks
// that [PlanUndo] warns of have to be accepted, or nothing is done. An error that
// matches [shift.ErrUnfinished] leaves some owners moved back and some not, and the
// same undo goes on.
func Undo(ctx context.Context, h usernskit.Host, id string, force, accept []string, progress func(shift.Progress)) error {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return err
	}
	shifted, copies, err := leaving(ctx, h, back)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if c.changed != nil && !slices.Contains(accept, RiskVolumeChanged) {
			return fmt.Errorf("volume %s is not as it was copied: %w", c.name(), c.changed)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(shifted)) {
		job, err := planJob(ctx, h, dir, "", shifted[dir].To, shifted[dir].From, append(accept, shift.RiskMixed)...)
		if err == nil {
			_, err = shift.Run(ctx, job, progress)
		}
		if err != nil {
			return err
		}
	}
	for _, c := range copies {
		switch {
		case c.gone:
		case c.changed != nil:
			_, err = c.aside(c.To, c.target, undoneDir)
		default:
			err = c.discard(c.To, c.target, func(data string) error { return unchanged(ctx, c.job.Dir, data, c.job) })
		}
		if err == nil {
			err = c.removeLeft(ctx)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", c.name(), err)
		}
	}
	return h.Undo(ctx, id, force)
}

// removeLeft removes what a kill left of a copy that was out of its place already:
// before it was looked at once more, and after.
func (c copied) removeLeft(ctx context.Context) error {
	dir := path.Join(c.To, undoneDir)
	entries, err := c.host.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != c.name() && !strings.HasPrefix(e.Name(), c.name()+"-") {
			continue
		}
		job, err := c.planJob(ctx, c.source, path.Join(dir, e.Name(), "_data"))
		if err == nil && job.State == shift.StateDone && shift.Compare(ctx, job) == nil {
			if err := c.remove(c.To, filepath.Dir(job.Options.Into)); err != nil {
				return err
			}
		}
	}
	return c.removeDiscarded(c.To)
}

// A copied is a volume that the undo of a receipt takes back.
type copied struct {
	Migration
	target  string
	source  string
	gone    bool
	job     shift.Job // from the old volume to the copy
	changed error     // it is not the same as the old one
}

func (c copied) name() string { return path.Base(path.Dir(c.target)) }

// leaving finds what leaves the list by an undo: the directories whose owners move
// back, and the copies, which it compares with the old volumes.
func leaving(ctx context.Context, h usernskit.Host, back usernskit.Plan) (shifted map[string]moved, copies []copied, err error) {
	i := slices.IndexFunc(back.Changes, func(c usernskit.Change) bool { return c.Path == movedPath })
	if i < 0 {
		return nil, nil, nil
	}
	now, err := parseMoved(back.Changes[i].Before)
	if err != nil {
		return nil, nil, err
	}
	after, err := parseMoved(back.Changes[i].After)
	if err != nil {
		return nil, nil, err
	}
	shifted = map[string]moved{}
	for _, target := range slices.Sorted(maps.Keys(now)) {
		entry, was := now[target], after[target]
		if entry.Source == was.Source && entry.From.Equal(was.From) && entry.To.Equal(was.To) {
			continue
		}
		if entry.Source == "" {
			if _, err := h.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
				shifted[target] = entry
			}
			continue
		}
		c := copied{Migration: Migration{host: h, To: path.Dir(path.Dir(path.Dir(target))), from: entry.From, to: entry.To}, target: target, source: entry.Source}
		if _, err := h.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			c.gone = true
			copies = append(copies, c)
			continue
		} else if err != nil {
			return nil, nil, err
		}
		running, err := runsOn(h, c.To)
		if err == nil {
			c.changed, err = c.compare(ctx)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("volume %s: %w", c.name(), err)
		}
		if running {
			return nil, nil, fmt.Errorf("a dockerd runs on %s: to take back volume %s, stop it, or let it use another store", c.To, c.name())
		}
		copies = append(copies, c)
	}
	return shifted, copies, nil
}

// compare returns why a copy is not the same as the old volume, in every byte. One
// that is in use is an error.
func (c *copied) compare(ctx context.Context) (changed, err error) {
	there, err := (&Migration{host: c.host, from: c.to, to: c.from}).planJob(ctx, c.target, "")
	if err != nil {
		return nil, err
	}
	if len(there.Report.Busy) > 0 {
		return nil, fmt.Errorf("it is in use by %s", strings.Join(there.Report.Busy, ", "))
	}
	if c.job, changed = c.planJob(ctx, c.source, c.target); changed == nil {
		changed = shift.Compare(ctx, c.job)
	}
	return changed, ctx.Err()
}
