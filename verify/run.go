package verify

import (
	"context"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// Options say what to look at. The zero Options look at the running host
// without asking Docker.
type Options struct {
	// Host is where the files are. A tree of files has no kernel, processes or
	// daemon to look at: those checks are skipped.
	Host usernskit.Host

	// Proc is the /proc to look at. If its Root is empty, it is the host's own:
	// of a tree of files only where there is a /proc/self, as where the root of
	// a running host is mounted into a container.
	Proc userns.FS

	// Docker asks the daemon, as verify/docker.Read does. It may be called
	// twice. If nil, the daemon is not asked and what only it can tell is
	// unknown.
	Docker func(context.Context) (*engine.Engine, error)

	// Helper answers what only a process inside a namespace can: see
	// [userns.Main]. Without it K08 is skipped, and C08 reckons with owners and
	// modes alone.
	Helper userns.Helper

	// Remap is the value of userns-remap to hold the host against. If empty,
	// it is the one that is configured.
	Remap string

	// Allow lists the exceptions that are known and wanted.
	Allow []Allowance

	// Checks are the IDs or names of the checks to run. If empty, all.
	Checks []string

	// Deep also looks at threads and walks volumes for lost setuid bits.
	Deep bool

	// Now is the time that allowances are held against. If zero, it is now.
	Now time.Time
}

// Run looks at the host and judges every check. It changes nothing; K07 and K08
// start short-lived processes in namespaces of their own.
//
// What cannot be looked at is a finding whose verdict is [Unknown], with the
// reason: an error is returned only for options that make no sense and for a
// context that has ended.
func Run(ctx context.Context, opts Options) (Report, error) {
	checks, err := choose(opts.Checks)
	if err != nil {
		return Report{}, err
	}
	f := gather(ctx, opts, checks)
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	var r Report
	for _, c := range checks {
		v := verdicts{check: c.Check}
		c.judge(f, &v)
		if len(v.list) == 0 {
			v.unknown("host", "BUG: the check said nothing")
		}
		r.Findings = append(r.Findings, v.list...)
	}
	allow(r.Findings, opts.Allow, f.engine, f.now)
	r.Coverage = f.coverage()
	r.finish()
	return r, nil
}

// asked reports whether a check is to be run.
func (f *facts) asked(id string) bool { return len(f.only) == 0 || f.only[id] }

// choose returns the checks of the given IDs and names, in catalogue order.
func choose(ids []string) ([]check, error) {
	if len(ids) == 0 {
		return catalogue(), nil
	}
	want := map[string]bool{}
	for _, id := range ids {
		c, err := Explain(strings.TrimSpace(id))
		if err != nil {
			return nil, err
		}
		want[c.ID] = true
	}
	var list []check
	for _, c := range catalogue() {
		if want[c.ID] {
			list = append(list, c)
		}
	}
	return list, nil
}
