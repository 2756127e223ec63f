//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// A good host on which containers come and go is a good host, in every look:
// 10 of each kind, 100 with USERNSKIT_LONG=1.
func TestChurn(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	prepare(t)
	subids(t, good)
	daemonJSON(t, remaps)
	d := hosttest.NewDocker(t)
	d.Start()
	d.Image()
	looks := 10
	if os.Getenv("USERNSKIT_LONG") != "" {
		looks = 100
	}
	for name, churn := range map[string]func(h *stage){
		"containers that restart without end": func(h *stage) {
			for i := range 3 {
				h.Run("run", "--detach", "--restart", "always", "--network", "none", "--name", fmt.Sprint("again", i), "busybox:test", "sh", "-c", "exit 1")
			}
		},
		"containers of a second": func(h *stage) {
			h.loop(func() { _, _ = h.Try("run", "--rm", "--network", "none", "busybox:test", "echo") })
		},
		"a storm of exec": func(h *stage) {
			for range 4 {
				h.loop(func() { _, _ = h.Try("exec", "web", "echo") })
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d.Lend(t)
			h := &stage{TB: t, Docker: d}
			t.Cleanup(h.clear)
			h.Container("web")
			churn(h)
			var passing, vanished int
			began := time.Now()
			for i := range looks {
				report, err := verify.Run(t.Context(), verify.Options{
					Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, d.Host) },
					Helper: helper,
				})
				require.NoError(t, err)
				for _, f := range report.Findings {
					if f.Verdict != verify.Pass && f.Verdict != verify.Skip && !slices.Contains(ofTheMachine, f.Check) {
						t.Logf("look %d: %s %s %s: %s %v", i, f.Check, f.Verdict, f.Subject, f.Text, f.Evidence)
					}
				}
				assert.Empty(t, found(report), "look %d", i)
				assert.Equal(t, verify.Pass, report.Summary.Remapped, "look %d: %s", i, report.Summary.Text)
				passing += report.Coverage.Passing
				vanished += report.Coverage.Vanished
			}
			t.Logf("%d looks in %v: %d containers were passing, %d processes ended while they were read", looks, time.Since(began).Round(time.Millisecond), passing, vanished)
		})
	}
}
