package remap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/shift"
)

// PlanUndo is [usernskit.Host.PlanUndo], with a warning for each volume and each
// directory that the undo takes back.
func PlanUndo(ctx context.Context, h usernskit.Host, id string, force []string) (usernskit.Plan, error) {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return back, err
	}
	steps, err := leaving(ctx, h, back, id)
	for _, s := range steps {
		back.Warnings = append(back.Warnings, s.warnings...)
	}
	return back, err
}

// Undo is [usernskit.Host.Undo], but takes back data before files. A copy of a
// volume is removed if it is still the same as the old volume; if not, it is moved
// out of the store's volumes and kept. The owners of a shift are moved back. Risks
// that [PlanUndo] warns of have to be accepted, or nothing is done. After an error
// that matches [shift.ErrUnfinished], some data is taken back and some is not, and
// the same undo continues.
func Undo(ctx context.Context, h usernskit.Host, id string, force, accept []string, progress func(shift.Progress)) error {
	back, err := h.PlanUndo(id, force)
	if err != nil {
		return err
	}
	steps, err := leaving(ctx, h, back, id)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := refused(s.warnings, accept); err != nil {
			return err
		}
	}
	begun := false
	for _, s := range steps {
		if s.do == nil {
			continue
		}
		if err := s.do(ctx, progress); err != nil {
			return partly(begun, fmt.Errorf("%s: %w", s.what, err))
		}
		begun = true
	}
	return partly(begun, h.Undo(ctx, id, force))
}

// partly returns err, as one that matches [shift.ErrUnfinished] if data was moved
// before it.
func partly(begun bool, err error) error {
	if err == nil || !begun {
		return err
	}
	return unfinishedError{err}
}

type unfinishedError struct{ error }

func (e unfinishedError) Unwrap() []error { return []error{e.error, shift.ErrUnfinished} }

// refused returns an error for the first risk that is not accepted.
func refused(list []usernskit.Warning, accept []string) error {
	for _, w := range list {
		if w.Risk && !slices.Contains(accept, w.ID) {
			return fmt.Errorf("%w: %s", shift.ErrRefused, w.Text)
		}
	}
	return nil
}

// A step takes back one entry of the list at movedPath.
type step struct {
	what     string
	warnings []usernskit.Warning
	do       func(ctx context.Context, progress func(shift.Progress)) error // nil: nothing can be done
}

// leaving returns a step for each entry that an undo removes from the list or
// changes.
func leaving(ctx context.Context, h usernskit.Host, back usernskit.Plan, id string) (steps []step, err error) {
	i := slices.IndexFunc(back.Changes, func(c usernskit.Change) bool { return c.Path == movedPath })
	if i < 0 {
		return lost(h, id)
	}
	now, err := parseMoved(back.Changes[i].Before)
	if err != nil {
		return nil, err
	}
	after, err := parseMoved(back.Changes[i].After)
	if err != nil {
		return nil, err
	}
	for _, target := range slices.Sorted(maps.Keys(now)) {
		m, was := now[target], after[target]
		if m.Source == was.Source && m.From.Equal(was.From) && m.To.Equal(was.To) {
			continue
		}
		s := step{what: target}
		if m.Source == "" {
			if name, err := strconv.Unquote(target); err == nil {
				s.what = name
			}
			err = m.back(ctx, h, &s)
		} else {
			c := copied{Migration{host: h, To: path.Dir(path.Dir(path.Dir(target))), from: m.From, to: m.To}, target, m.Source}
			s.what = "volume " + c.name()
			err = c.back(ctx, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// lost returns a step with a warning if the receipt changed the list, which has
// been removed or restored since by something else than an undo.
func lost(h usernskit.Host, id string) ([]step, error) {
	r, err := h.Receipt(id)
	if err != nil || r.State != usernskit.StateApplied || r.Files[movedPath] != usernskit.StateUndone {
		return nil, err
	}
	return []step{{movedPath, []usernskit.Warning{{ID: WarnTakenBack, Risk: true, Text: fmt.Sprintf(
		"%s has been removed or restored by something else, so it is not known what was moved: no data is taken back", movedPath)}}, nil}}, nil
}

// back plans to move the owners of a directory back.
func (m moved) back(ctx context.Context, h usernskit.Host, s *step) error {
	job, err := planJob(ctx, h, s.what, "", m.To, m.From, shift.RiskInUse, shift.RiskMixed, shift.RiskImmutable)
	s.do = func(ctx context.Context, progress func(shift.Progress)) error {
		_, err := shift.Run(ctx, job, progress)
		return err
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && job.State == shift.StateDone {
		job.State = shift.StateDone
		s.warnings = []usernskit.Warning{{ID: WarnTakenBack, Text: fmt.Sprintf("%s is not there, or has no owners to move back: nothing is done in it", s.what)}}
		return nil
	}
	if err != nil {
		return err
	}
	said := fmt.Sprintf("the owners of %s in %s are moved back, from %s to %s", text.Count(job.Report.Todo, "file", "files"), s.what, hostIDs(m.To), hostIDs(m.From))
	if job.Report.New > 0 {
		said += fmt.Sprintf("; %d were made since", job.Report.New)
	}
	risks := slices.DeleteFunc(job.Risks(), func(w usernskit.Warning) bool { return w.ID == shift.RiskMixed })
	s.warnings = append([]usernskit.Warning{{ID: WarnTakenBack, Text: said}}, risks...)
	return nil
}

// A copied is a copy of a volume that the undo of a receipt takes back.
type copied struct {
	Migration
	target, source string
}

func (c copied) name() string { return path.Base(path.Dir(c.target)) }

// back compares a copy with the old volume, and plans to remove the copy, or to move
// it out of the store's volumes. A copy that is in use is an error.
func (c copied) back(ctx context.Context, s *step) error {
	var take func(ctx context.Context) error
	s.do = func(ctx context.Context, _ func(shift.Progress)) error {
		if take != nil {
			if err := take(ctx); err != nil {
				return err
			}
		}
		return c.removeLeft(ctx)
	}
	if _, err := c.host.Lstat(c.target); errors.Is(err, fs.ErrNotExist) {
		s.warnings = []usernskit.Warning{{ID: WarnTakenBack, Text: fmt.Sprintf("volume %s is not in %s, so nothing is removed there", c.name(), c.To)}}
		return nil
	}
	// The plan is only a look: the way back to a smaller range could not be planned.
	there, err := c.planJob(ctx, c.target, c.target+"-new")
	if err != nil && !errors.Is(err, shift.ErrNoSpace) {
		return err
	}
	if busy := there.Report.Busy; len(busy) > 0 {
		return fmt.Errorf("it is in use by %s", strings.Join(busy, ", "))
	}
	if running, err := runsOn(c.host, c.To); err != nil || running {
		return cmp.Or(err, fmt.Errorf("a dockerd runs on %s: stop it, or let it use another store", c.To))
	}
	job, err := c.planJob(ctx, c.source, c.target)
	if err == nil {
		err = shift.Compare(ctx, job)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		take = func(ctx context.Context) error {
			return c.discard(c.To, c.target, func(data string) error { return unchanged(ctx, job.Dir, data, job) })
		}
		s.warnings = []usernskit.Warning{{ID: WarnTakenBack, Text: fmt.Sprintf("volume %s is removed from %s; the old one is the same", c.name(), c.To)}}
		return nil
	}
	take = func(context.Context) error { _, err := c.aside(c.To, c.target); return err }
	why := fmt.Sprintf("cannot be compared with the old one (%v)", err)
	if at := (*fs.PathError)(nil); errors.As(err, &at) && errors.Is(err, shift.ErrDiffers) {
		why = fmt.Sprintf("was written to since it was copied (%s: %s)", at.Path, strings.TrimPrefix(at.Err.Error(), shift.ErrDiffers.Error()+": "))
	}
	s.warnings = []usernskit.Warning{{ID: RiskVolumeChanged, Risk: true, Text: fmt.Sprintf(
		"volume %s %s: what it holds now is moved to %s and kept", c.name(), why, path.Join(c.To, undoneDir))}}
	return nil
}

// removeLeft removes what a kill left of a copy: one that was not in its place yet,
// which no container has seen, and one that was already moved aside, whether or not
// it was compared again.
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
			if err := retire(filepath.Dir(job.Options.Into)); err != nil {
				return err
			}
		}
	}
	stage, err := c.host.Path(c.staged(c.name()))
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(stage), c.sweep(), c.removeDiscarded(c.To))
}
