package remap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/userns"
)

// movedPath is the list of what was moved: the copies of volumes, and the
// directories whose owners were moved in place, each by its path. The receipt of a
// migration or a shift is for the change of this file, which is written before data
// is touched. An undo takes back the entries that it removes from the list.
const movedPath = "/var/lib/usernskit/moved.json"

// A moved is an entry of that list.
type moved struct {
	Source string         `json:"source,omitempty"` // the old volume of a copy
	From   userns.Mapping `json:"from"`
	To     userns.Mapping `json:"to"`
}

func readMoved(h usernskit.Host) (data []byte, list map[string]moved, err error) {
	data, err = h.ReadFile(movedPath)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		list, err = parseMoved(data)
	}
	return data, list, err
}

func parseMoved(data []byte) (map[string]moved, error) {
	list := map[string]moved{}
	if data == nil {
		return list, nil
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", movedPath, err)
	}
	return list, nil
}

// writeMoved plans the change of the list.
func writeMoved(before []byte, list map[string]moved) ([]usernskit.Change, error) {
	after, err := json.MarshalIndent(list, "", "  ")
	if err != nil || len(list) == 0 || string(after)+"\n" == string(before) {
		return nil, err
	}
	return []usernskit.Change{{Path: movedPath, Before: before, After: append(after, '\n'), Mode: 0o600}}, nil
}

// planJob is [shift.Plan] for a directory of a host, with the journal of that host.
func planJob(ctx context.Context, h usernskit.Host, dir, into string, from, to userns.Mapping, accept ...string) (shift.Job, error) {
	opt := shift.Options{Accept: accept}
	var err error
	if !h.Live() && dir != "" { // on the running host dir may lead through /proc, which Plan checks
		dir, err = h.Path(dir)
	}
	if err == nil && into != "" {
		opt.Into, err = h.Path(into)
	}
	if err == nil {
		opt.State, err = h.Path(shift.DefaultState)
	}
	if err != nil {
		return shift.Job{}, err
	}
	return shift.Plan(ctx, dir, from, to, opt)
}

// A Shift is a plan to move the owners of a directory in place. Making it writes
// nothing.
type Shift struct {
	Job shift.Job
	// Plan has the change of the list that [Undo] reads, and the risks.
	Plan usernskit.Plan
	host usernskit.Host
}

// PlanShift plans a job of the package shift, for which [Shift.Run] writes a receipt
// that [Undo] takes. Without ranges it plans the last job of the directory again,
// which has a receipt already.
func PlanShift(ctx context.Context, h usernskit.Host, dir string, from, to userns.Mapping, accept []string) (s Shift, err error) {
	s.host = h
	if s.Job, err = planJob(ctx, h, dir, "", from, to, accept...); err != nil {
		return s, err
	}
	root, err := h.Path("/")
	if err == nil {
		root, err = filepath.EvalSymlinks(root) // as in Job.Dir
	}
	if err != nil {
		return s, err
	}
	rel, err := filepath.Rel(root, s.Job.Dir)
	if err != nil {
		return s, err
	}
	name := filepath.Join("/", rel)
	if !h.Live() && dirs.IsSystem(name) { // shift judges the directories of this machine
		s.Job.Report.Busy = append(s.Job.Report.Busy, "the system in "+root)
	}
	s.Plan = usernskit.Plan{Title: fmt.Sprintf("move the owners in %s from %s to %s", name, hostIDs(s.Job.From), hostIDs(s.Job.To)), Warnings: s.Job.Risks()}
	if s.Job.State == shift.StateDone || from.IsZero() {
		return s, nil
	}
	before, list, err := readMoved(h)
	if err != nil {
		return s, err
	}
	if !utf8.ValidString(name) { // which JSON cannot hold
		name = strconv.Quote(name)
	}
	list[name] = moved{From: s.Job.From, To: s.Job.To}
	s.Plan.Changes, err = writeMoved(before, list)
	return s, err
}

// Run writes the receipt and moves the owners. After an error that matches
// [shift.ErrUnfinished], plan again to continue.
func (s Shift) Run(ctx context.Context, progress func(shift.Progress)) (job shift.Job, receipt usernskit.Receipt, err error) {
	if err := refused(s.Plan.Warnings, s.Job.Options.Accept); err != nil {
		return s.Job, receipt, err
	}
	if len(s.Plan.Changes) > 0 {
		if receipt, err = s.host.Apply(ctx, usernskit.Plan{Title: s.Plan.Title, Changes: s.Plan.Changes}); err != nil {
			return s.Job, receipt, err
		}
	}
	job, err = shift.Run(ctx, s.Job, progress)
	if err != nil && job.State == shift.StatePlanned && receipt.ID != "" { // nothing was begun
		err = errors.Join(err, s.host.Undo(context.WithoutCancel(ctx), receipt.ID, nil))
		receipt = usernskit.Receipt{}
	}
	return job, receipt, err
}

// hostIDs returns a mapping's host IDs as text.
func hostIDs(m userns.Mapping) string {
	spans := func(m userns.Map) string {
		return text.Spans(m.Extents(), func(e userns.Extent) (uint32, uint32) { return e.HostID, e.Count })
	}
	if m.UID.Equal(m.GID) {
		return spans(m.UID)
	}
	return spans(m.UID) + " (groups " + spans(m.GID) + ")"
}
