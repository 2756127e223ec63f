package remap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/shift"
)

// PlanUndo is [usernskit.Host.PlanUndo], with a warning for each volume that the
// receipt has copied and that was written to since.
func PlanUndo(ctx context.Context, h usernskit.Host, id string, force []string) (usernskit.Plan, error) {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return back, err
	}
	copies, err := copiesOf(ctx, h, back)
	for _, c := range copies {
		if c.gone {
			continue
		}
		if c.changed == nil {
			back.Warnings = append(back.Warnings, usernskit.Warning{ID: WarnVolumeRemoved, Text: fmt.Sprintf(
				"volume %s is removed from %s; the old one is the same", c.name(), c.To)})
		} else {
			back.Warnings = append(back.Warnings, usernskit.Warning{ID: RiskVolumeChanged, Risk: true, Text: fmt.Sprintf(
				"volume %s is not as it was copied: %v; its data would be moved to %s and kept there", c.name(), c.changed, path.Join(c.To, undoneDir))})
		}
	}
	return back, err
}

// Undo is [usernskit.Host.Undo]. Of a migration it first takes back the volumes:
// one that is the same as the old one is removed. One that is not is moved out of
// the store's volumes and kept, and only if changed is set; otherwise it is an
// error, and nothing is done. No dockerd may run on the store.
func Undo(ctx context.Context, h usernskit.Host, id string, force []string, changed bool) error {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return err
	}
	copies, err := copiesOf(ctx, h, back)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if c.changed != nil && !changed {
			return fmt.Errorf("volume %s is not as it was copied: %w", c.name(), c.changed)
		}
	}
	for _, c := range copies {
		switch {
		case c.gone:
			err = c.removeDiscarded(c.To)
		case c.changed != nil:
			_, err = c.aside(c.To, c.target, undoneDir)
		default:
			err = c.discard(c.To, c.target, func(data string) error { return unchanged(ctx, c.job.Dir, data, c.job) })
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", c.name(), err)
		}
	}
	return h.Undo(ctx, id, force)
}

// A copied is a volume that the undo of a receipt takes back.
type copied struct {
	Migration
	target  string
	gone    bool
	job     shift.Job // from the old volume to the copy
	changed error     // it is not the same as the old one
}

func (c copied) name() string { return path.Base(path.Dir(c.target)) }

// copiesOf finds the volumes that leave the list by an undo, and compares them with
// the old ones.
func copiesOf(ctx context.Context, h usernskit.Host, back usernskit.Plan) ([]copied, error) {
	i := slices.IndexFunc(back.Changes, func(c usernskit.Change) bool { return c.Path == migratedPath })
	if i < 0 {
		return nil, nil
	}
	now, err := parseMigrated(back.Changes[i].Before)
	if err != nil {
		return nil, err
	}
	after, err := parseMigrated(back.Changes[i].After)
	if err != nil {
		return nil, err
	}
	var list []copied
	for _, target := range slices.Sorted(maps.Keys(now)) {
		if _, stays := after[target]; stays {
			continue
		}
		c := copied{Migration: Migration{host: h, To: path.Dir(path.Dir(path.Dir(target))), from: now[target].From, to: now[target].To}, target: target}
		if _, err := h.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			c.gone = true
			list = append(list, c)
			continue
		} else if err != nil {
			return nil, err
		}
		running, err := runsOn(h, c.To)
		if err == nil {
			c.changed, err = c.compare(ctx, now[target].Source)
		}
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", c.name(), err)
		}
		if running {
			return nil, fmt.Errorf("a dockerd runs on %s: to take back volume %s, stop it, or let it use another store", c.To, c.name())
		}
		list = append(list, c)
	}
	return list, nil
}

// compare returns why a copy is not the same as the old volume, in every byte. One
// that is in use is an error.
func (c *copied) compare(ctx context.Context, source string) (changed, err error) {
	there, err := (&Migration{host: c.host, from: c.to, to: c.from}).planJob(ctx, c.target, "")
	if err != nil {
		return nil, err
	}
	if len(there.Report.Busy) > 0 {
		return nil, fmt.Errorf("it is in use by %s", strings.Join(there.Report.Busy, ", "))
	}
	if c.job, changed = c.planJob(ctx, source, c.target); changed == nil {
		changed = shift.Compare(ctx, c.job)
	}
	return changed, ctx.Err()
}
