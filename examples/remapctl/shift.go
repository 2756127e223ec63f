package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

func (e *env) shiftCommand(c *cobra.Command) action {
	e.writeFlags(c)
	f := c.Flags()
	from := f.String("from", "", "the range `START:COUNT` of the owners (default: from 0)")
	to := f.String("to", "", "the range `START:COUNT` to move to (default: dockerd's)")
	back := f.Bool("back", false, "the reverse: from --to to --from")
	resume := f.Bool("resume", false, "go on with the job of DIR that was interrupted")
	e.daemonFlags(c)
	for _, other := range []string{"from", "to", "back"} {
		c.MarkFlagsMutuallyExclusive("resume", other)
	}
	return func(ctx context.Context, dirs []string) error {
		var a, b userns.Mapping
		if !*resume {
			var err error
			if a, b, err = e.shiftRanges(ctx, *from, *to); err != nil {
				return err
			}
			if *back {
				a, b = b, a
			}
		}
		stop := e.tell("counting files")
		s, err := remap.PlanShift(ctx, e.host, dirs[0], a, b, e.accepted)
		stop()
		if err != nil {
			return err
		}
		e.say("%s: %d of %d files", s.Plan.Title, s.Job.Report.Todo, s.Job.Report.Files)
		e.warn(s.Plan)
		switch {
		case s.Job.State == shift.StateDone:
			return e.shifted(s.Job, "", nil)
		case e.dryRun:
			return e.shifted(s.Job, "", findings)
		}
		var receipt usernskit.Receipt
		if err := e.agreed(ctx, fmt.Sprintf("This is to %s.", s.Plan.Title), s.Plan, e.metered(func(at func(shift.Progress)) (err error) {
			s.Job, receipt, err = s.Run(ctx, at)
			return err
		})); err != nil {
			return err
		}
		e.wayBack(receipt)
		return e.shifted(s.Job, receipt.ID, nil)
	}
}

// shifted prints what became of a job.
func (e *env) shifted(job shift.Job, receipt string, code error) error {
	r := job.Report
	for _, n := range []struct {
		count int
		say   string
	}{{r.Outside, "%s have IDs in neither range, and keep them"}, {r.Mounts, "%s are mount points, and are not entered"}, {r.New, "%s were made since, and are moved too"}} {
		if n.count > 0 {
			e.note(n.say, text.Count(n.count, "file", "files"))
		}
	}
	e.say("%s: %s", job.Dir, job.State)
	return e.printed(code, members{"dir": job.Dir, "dry_run": e.dryRun, "receipt": receipt, "state": job.State}, r)
}

// shiftRanges returns the mappings of --from and --to. By default owners move from
// the host's own IDs to those of the containers.
func (e *env) shiftRanges(ctx context.Context, from, to string) (a, b userns.Mapping, err error) {
	if to != "" {
		b, err = rangeMapping("--to", to)
	} else {
		var on bool
		if b, on, err = remap.Mapping(ctx, e.host, e.daemon).Get(); err != nil {
			err = unseenError{fmt.Errorf("the range that dockerd maps containers to is not known, give --to START:COUNT: %w", err)}
		} else if !on {
			err = fmt.Errorf("userns-remap is not set, so dockerd has no range to move owners to: give --to START:COUNT, or first run %s", e.self("enable"))
		}
	}
	switch {
	case err != nil:
	case from != "":
		a, err = rangeMapping("--from", from)
	default:
		a, err = shift.Identity(b)
	}
	return a, b, err
}

func rangeMapping(flag, value string) (userns.Mapping, error) {
	var r subid.Range
	if err := r.Set(value); err != nil {
		return userns.Mapping{}, fmt.Errorf("%s: %w", flag, err)
	}
	m, err := userns.NewMap(userns.Extent{HostID: r.Start, Count: r.Count})
	return userns.Mapping{UID: m, GID: m}, err
}
