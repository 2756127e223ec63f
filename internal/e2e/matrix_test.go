//go:build linux

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// A state is a host as it can be met, really set up, and all that verify has to
// say of it.
type state struct {
	name   string
	subuid string // and subgid; empty: good
	subgid string // where it differs
	daemon string // members of daemon.json; empty: userns-remap default
	// alone: it does something to the daemon or to the files, so that it has one
	// of its own, which it starts itself. The others share one.
	alone bool
	// do makes the containers. If nil, it starts one, "web".
	do   func(h *stage)
	deep bool
	// allow are allowances of verify.
	allow []verify.Allowance

	// exposed: something in a container is the host's root or one of the host's
	// accounts, or it can become that. This is what remapping is for.
	exposed bool
	// want lists the checks with their verdicts, those that passed or had nothing
	// to look at left out: "C01 fail, C12 warn". Checks about the machine, which
	// differ between machines, are left out too: see ofTheMachine.
	want string
	// remapped is the verdict of the summary; empty: pass.
	remapped string
	// refused: dockerd before 28 does not start in this state, which is as good an
	// answer.
	refused bool
}

const (
	good   = "alice:100000:65536\ndockremap:165536:65536\n"
	remaps = `"userns-remap": "default"`
)

// ofTheMachine are checks whose verdict depends on the kernel that the tests
// run on, and D11, which warns as long as no authorization plugin is there.
var ofTheMachine = []string{"K01", "K02", "K04", "K05", "K06", "K07", "K08", "D11"}

// A stage is where a state is set up.
type stage struct {
	testing.TB
	*hosttest.Docker
	// host is the daemon that verify asks, if it is not the stage's own.
	host string
}

func TestMatrix(top *testing.T) {
	if !hosttest.Private(top, needs...) {
		return
	}
	prepare(top)
	var shared *hosttest.Docker
	var as state // what shared was started with
	rows := table{}
	for _, s := range slices.Concat(tricks, states, runtimes) {
		top.Run(s.name, func(t *testing.T) {
			if s.subuid == "" {
				s.subuid = good
			}
			if s.subgid == "" {
				s.subgid = s.subuid
			}
			if s.daemon == "" {
				s.daemon = remaps
			}
			if s.do == nil {
				s.do = func(h *stage) { h.Container("web") }
			}
			h := &stage{TB: t}
			if shared != nil && (s.alone || s.subuid != as.subuid || s.subgid != as.subgid || s.daemon != as.daemon) {
				shared.Stop()
				shared = nil
			}
			if shared == nil {
				write(t, "/etc/subuid", s.subuid)
				write(t, "/etc/subgid", s.subgid)
				daemonJSON(t, s.daemon)
			}
			switch {
			case s.alone:
				h.Docker = hosttest.NewDocker(t)
			case shared == nil:
				d := hosttest.NewDocker(top)
				d.Lend(t)
				if err := d.TryStart(); err != nil {
					require.True(t, s.refused, "dockerd does not start: %v\n%s", err, d.Log())
					t.Logf("dockerd does not start: %s", lastLine(d.Log()))
					rows.add(h, s, "not started", "")
					return
				}
				d.Image()
				shared, as = d, s
				h.Docker = d
			default:
				h.Docker = shared
				h.Lend(t)
			}
			t.Cleanup(h.clear)
			s.do(h)
			check(t, h, s, rows)
		})
	}
	rows.write(top)
}

// check runs verify and compares what it says.
func check(t *testing.T, h *stage, s state, rows table) {
	t.Helper()
	host := h.host
	if host == "" {
		host = h.Host
	}
	report, err := verify.Run(t.Context(), verify.Options{
		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, host) },
		Deep:   s.deep,
		Helper: helper,
		Allow:  s.allow,
	})
	require.NoError(t, err)
	got := found(report)
	assert.Equal(t, s.want, got)
	assert.Equal(t, cmp.Or(s.remapped, "pass"), report.Summary.Remapped.String(), report.Summary.Text)
	if t.Failed() {
		for _, f := range report.Findings {
			if f.Verdict != verify.Pass && f.Verdict != verify.Skip {
				t.Logf("%s %s %s %s: %s %v", f.Check, f.Verdict, f.Severity, f.Subject, f.Text, f.Evidence)
			}
		}
		t.Logf("%s\n%+v", report.Summary.Text, report.Coverage)
	}
	rows.add(h, s, report.Summary.Remapped.String(), got)
}

// found lists what neither passed nor was skipped, as [state.want] does.
func found(r verify.Report) string {
	var list []string
	for _, f := range r.Findings {
		if f.Verdict != verify.Pass && f.Verdict != verify.Skip && !slices.Contains(ofTheMachine, f.Check) {
			list = append(list, fmt.Sprintf("%s %s", f.Check, f.Verdict))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
