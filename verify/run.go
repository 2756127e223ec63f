package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// Options configure [Run]. The zero Options check the running host without
// asking Docker.
type Options struct {
	// Host is where the files are. For a tree of files the checks of kernel,
	// processes and daemon are skipped.
	Host usernskit.Host

	// Proc is the /proc to look at. If its Root is empty, it is the host's own.
	// That of a tree of files is read only if it has a /proc/self, as when the
	// root of a running host is mounted into a container.
	Proc userns.FS

	// Docker asks the daemon, as verify/docker.Read does. It may be called
	// twice. If nil, the daemon is not asked and what only it knows is unknown.
	Docker func(context.Context) (*engine.Engine, error)

	// Helper answers what only a process inside a namespace can: see
	// [probe.Main]. Without it K08 is skipped, and C08 uses only owners and
	// modes.
	Helper probe.Helper

	// Remap is the expected value of userns-remap. If empty, it is the
	// configured one.
	Remap string

	// Daemon selects one of several dockerds.
	Daemon dockerd.Choice

	// Allow lists accepted exceptions.
	Allow []Allowance

	// Checks are the IDs or names of the checks to run. If empty, all.
	Checks []string

	// Deep also looks at threads and walks volumes for lost setuid bits.
	Deep bool

	// Now is the time for allowances. If zero, it is now.
	Now time.Time
}

// Run checks the host. It changes nothing; K07 and K08 start short-lived
// processes in new namespaces.
//
// What cannot be read is [Unknown], with the reason. Run fails only if
// [Options.Checks] names an unknown check or the context ends.
func Run(ctx context.Context, opts Options) (Report, error) {
	checks, err := choose(opts.Checks)
	if err != nil {
		return Report{}, err
	}
	var needs facts.Need
	for _, c := range checks {
		needs |= c.needs
	}
	f := facts.Read(ctx, facts.Options{Host: opts.Host, Proc: opts.Proc, Docker: opts.Docker, Helper: opts.Helper, Remap: opts.Remap, Daemon: opts.Daemon, Deep: opts.Deep}, needs)
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	var r Report
	for _, c := range checks {
		j := &judge{Facts: f, check: c.Check}
		if c.unless == nil || !c.unless(j) {
			c.judge(j)
		}
		if len(j.list) == 0 {
			j.unknown("host", "BUG: the check said nothing")
		}
		for _, f := range j.list {
			r.Findings = append(r.Findings, *f)
		}
	}
	now := opts.Now
	if now.IsZero() {
		now = time.Now()
	}
	exempt(r.Findings, f)
	allow(r.Findings, opts.Allow, f.Engine, now)
	r.Coverage = coverage(f)
	r.finish()
	return r, nil
}

// choose returns the checks of the given IDs and names, in catalogue order.
func choose(ids []string) ([]check, error) {
	if len(ids) == 0 {
		return catalogue(), nil
	}
	var want []string
	for _, id := range ids {
		c, err := Explain(strings.TrimSpace(id))
		if err != nil {
			return nil, err
		}
		want = append(want, c.ID)
	}
	return slices.DeleteFunc(catalogue(), func(c check) bool { return !slices.Contains(want, c.ID) }), nil
}

func coverage(f *facts.Facts) Coverage {
	c := Coverage{Host: cmp.Or(f.Host.Root, "/"), Live: f.Live}
	if f.Engine != nil {
		c.Docker = f.Engine.Source
	}
	for _, d := range f.Daemons {
		c.Daemons = append(c.Daemons, d.String())
	}
	if f.HasProc {
		c.Processes, c.Namespaces = f.Scan.Coverage.Seen, len(f.Scan.Namespaces)
		c.Vanished, c.Denied = f.Scan.Coverage.Vanished, f.Scan.Coverage.Denied
		c.Passing = f.Passing
		for _, b := range f.Containers {
			if len(b.Processes) > 0 {
				c.Containers++
			}
		}
		if f.Self != "" {
			c.Auditor = selfSubject(f)
		}
		for _, g := range f.Foreign {
			c.Others = append(c.Others, fmt.Sprintf("%s: %s, %d not remapped", g.Owner, text.Count(g.Containers, "container", "containers"), g.HostRoot))
		}
		c.Missing = append(c.Missing, f.Scan.Gaps()...)
	}
	if f.NoEngine != nil && (f.Live || !errors.Is(f.NoEngine, facts.ErrNotAsked)) {
		c.Missing = append(c.Missing, f.NoEngine.Error())
	}
	return c
}
