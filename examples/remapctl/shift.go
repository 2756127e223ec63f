package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/userns"
)

// The risks of shift, see riskTexts.
const (
	riskInUse = "in-use"
	riskMixed = "mixed"
)

func (e *env) shiftCommand(c *cobra.Command) action {
	e.writeFlags(c)
	f := c.Flags()
	from := f.String("from", "", "the range `START:COUNT` of the owners (default: from 0)")
	to := f.String("to", "", "the range `START:COUNT` to move to (default: dockerd's)")
	back := f.Bool("back", false, "the reverse: from --to to --from")
	resume := f.Bool("resume", false, "go on with the job of DIR that was interrupted")
	undo := f.Bool("undo", false, "move the owners of the last job of DIR back")
	lift := f.Bool("lift-immutable", false, "lift immutable and append-only for the change")
	state := f.String("state", "", "keep the journal in `DIR`, not "+shift.DefaultState)
	e.daemonFlags(c)
	for _, other := range []string{"from", "to", "back"} {
		c.MarkFlagsMutuallyExclusive("resume", "undo", other)
	}
	return func(ctx context.Context, dirs []string) error {
		if !e.host.Live() {
			return fmt.Errorf("--root: %w: owners are moved on the running host only; leave out --root and give the path of the directory on it", usernskit.ErrNotLive)
		}
		opt := shift.Options{State: *state, LiftImmutable: *lift,
			AcceptRisk: slices.Contains(e.accepted, riskInUse), AcceptMixed: slices.Contains(e.accepted, riskMixed)}
		dir := dirs[0]
		var meter *meter
		tell := func(p shift.Progress) { meter.at(p.Files, p.Total) }
		do := func() (shift.Job, error) { return shift.Undo(ctx, dir, opt, tell) }
		about := fmt.Sprintf("This moves the owners of %s back.", dir)
		switch {
		case *resume:
			about = fmt.Sprintf("This goes on with the job of %s.", dir)
			do = func() (shift.Job, error) { return shift.Resume(ctx, dir, opt, tell) }
		case !*undo:
			a, b, err := e.shiftRanges(ctx, *from, *to)
			if err != nil {
				return err
			}
			if *back {
				a, b = b, a
			}
			stop := e.tell("counting files")
			job, err := shift.Plan(ctx, dir, a, b, opt)
			stop()
			if err != nil {
				return err
			}
			way := fmt.Sprintf("from %s to %s", hostIDs(a), hostIDs(b))
			e.say("%s: %d of %d files to move %s", job.Dir, job.Report.Todo, job.Report.Files, way)
			if job.Report.Idle() {
				return e.shifted(job, nil)
			}
			if err := job.Refusal(); err != nil {
				return fmt.Errorf("%w%s", err, shiftHint(job))
			}
			about = fmt.Sprintf("This moves the owners of %s %s.", job.Dir, way)
			do = func() (shift.Job, error) { return shift.Run(ctx, job, tell) }
			if e.dryRun {
				return e.shifted(job, findings)
			}
		case e.dryRun:
			return errors.New("--dry-run: not with --resume or --undo")
		}
		var job shift.Job
		err := e.agreed(ctx, about, usernskit.Plan{}, func() error {
			meter = e.meter()
			defer meter.end()
			var err error
			job, err = do()
			return err
		})
		if err != nil && !errors.Is(err, shift.ErrRunning) && (job.State == shift.StateRunning || job.State == shift.StateUndoing) {
			again := []string{"shift", dir, "--resume"}
			if *state != "" {
				again = append(again, "--state", *state)
			}
			if ctx.Err() == nil {
				e.note("remapctl: %v", err)
			}
			e.note("some owners are moved and some are not; to go on: %s", e.self(again...))
			return e.printed(behind, errorMembers(err))
		}
		if errors.Is(err, shift.ErrRefused) && *undo {
			err = fmt.Errorf("%w%s", err, shiftHint(job))
		}
		return e.shifted(job, err)
	}
}

// hostIDs names the IDs of the host that a mapping has.
func hostIDs(m userns.Mapping) string {
	spans := func(m userns.Map) string {
		var list []string
		for _, x := range m.Extents() {
			list = append(list, span(x.HostID, x.Count))
		}
		return strings.Join(list, ", ")
	}
	if m.UID.Equal(m.GID) {
		return spans(m.UID)
	}
	return spans(m.UID) + " and groups " + spans(m.GID)
}

// shifted prints what became of a job.
func (e *env) shifted(job shift.Job, err error) error {
	if err != nil && !errors.Is(err, findings) {
		return err
	}
	r := job.Report
	if r.Outside > 0 {
		e.note("%d files have IDs in neither range, and keep them", r.Outside)
	}
	if r.Mounts > 0 {
		e.note("%d mounts below %s are not entered", r.Mounts, job.Dir)
	}
	if r.New > 0 {
		e.note("%d files were made after the job, and were moved too", r.New)
	}
	e.say("%s: %s", job.Dir, job.State)
	return e.printed(err, members{"dir": job.Dir, "dry_run": e.dryRun, "mixed": r.Mixed(), "state": job.State}, r)
}

// shiftHint says which flag goes on despite a refusal.
func shiftHint(job shift.Job) string {
	r := job.Report
	inUse := len(r.Busy) > 0 && !job.Options.AcceptRisk
	switch {
	case r.Immutable > 0 && !job.Options.LiftImmutable && !r.Mixed() && !inUse:
		return "; --lift-immutable goes on"
	case r.Mixed() && !job.Options.AcceptMixed && !inUse:
		return "; to go on: --accept-risk " + riskMixed
	}
	return "; to go on: --accept-risk " + riskInUse
}

// shiftRanges makes mappings of two flags. Without them owners move from the
// host's own IDs to those of the containers.
func (e *env) shiftRanges(ctx context.Context, from, to string) (a, b userns.Mapping, err error) {
	if to != "" {
		if b, err = parseShiftRange(to); err != nil {
			return a, b, fmt.Errorf("--to %s: %w", to, err)
		}
	} else {
		var on bool
		if b, on, err = remap.Mapping(ctx, e.host, e.daemon).Get(); err != nil {
			return a, b, unseenError{fmt.Errorf("the range that dockerd maps containers to is not known, give --to START:COUNT: %w", err)}
		}
		if !on {
			return a, b, fmt.Errorf("userns-remap is not set, so dockerd has no range to move owners to: give --to START:COUNT, or first run %s", e.self("enable"))
		}
	}
	if from != "" {
		if a, err = parseShiftRange(from); err != nil {
			return a, b, fmt.Errorf("--from %s: %w", from, err)
		}
		return a, b, nil
	}
	a, err = shift.Identity(b)
	return a, b, err
}

func parseShiftRange(text string) (userns.Mapping, error) {
	start, count, _ := strings.Cut(text, ":")
	s, err := strconv.ParseUint(start, 10, 32)
	if err != nil {
		return userns.Mapping{}, errors.New("must be START:COUNT")
	}
	n, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return userns.Mapping{}, errors.New("must be START:COUNT")
	}
	m, err := userns.NewMap(userns.Extent{HostID: uint32(s), Count: uint32(n)})
	return userns.Mapping{UID: m, GID: m}, err
}
