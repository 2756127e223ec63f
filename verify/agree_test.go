package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/preflight"
)

// Whether dockerd starts is one question, and plan, verify and preflight give
// one answer to it.
func TestPlanVerifyAndPreflightAgree(t *testing.T) {
	const (
		ids = "-- etc/passwd --\nroot:x:0:0::/root:/bin/sh\ndockremap:x:100:101::/:/bin/false\n-- etc/group --\nroot:x:0:\ndockremap:x:101:\n" +
			"-- etc/subuid --\ndockremap:231072:65536\n-- etc/subgid --\ndockremap:231072:65536\n"
		unit = "-- usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n"
	)
	conf := func(text string) string { return "-- etc/docker/daemon.json --\n" + text + "\n" }
	for _, c := range []struct {
		name, tree string
		word       string // that all of them say; "" where dockerd starts
	}{
		{"nothing wrong", unit + conf(`{"userns-remap": "default"}`), ""},
		{"hosts beside -H fd://", unit + conf(`{"userns-remap": "default", "hosts": ["unix:///var/run/docker.sock"]}`), "-H fd://"},
		{"log-driver in both places", strings.Replace(unit, "-H fd://", "--log-driver=journald", 1) + conf(`{"userns-remap": "default", "log-driver": "json-file"}`), "--log-driver=journald"},
		{"a misspelled key", unit + conf(`{"userns-remap": "default", "log-driverr": "x"}`), "log-driverr"},
		{"the containerd image store", unit + conf(`{"userns-remap": "default", "features": {"containerd-snapshotter": true}}`), "containerd-snapshotter"},
		{"the containerd image store by a flag", strings.Replace(unit, "-H fd://", "--feature=containerd-snapshotter", 1) + conf(`{"userns-remap": "default"}`), "containerd-snapshotter"},
		{"a user to be made and nothing to make it", "-- etc/passwd --\nroot:x:0:0::/root:/bin/sh\n-- usr/bin/x --\n" + unit + conf(`{"userns-remap": "default"}`), "useradd"},
		{"rootless as a key", unit + conf(`{"userns-remap": "default", "rootless": true}`), "rootless"},
		{"a flag written with escapes", strings.Replace(unit, "-H fd://", `--userns\x2dremap=default`, 1) + conf(`{"userns-remap": "default"}`), "userns-remap"},
		{"userns-remap in both places", strings.Replace(unit, "-H fd://", "--userns-remap=default", 1) + conf(`{"userns-remap": "default"}`), "userns-remap"},
		{"a word that dockerd refuses", strings.Replace(unit, "-H fd://", "$DOCKER_OPTS fd://", 1) + conf(`{"userns-remap": "default"}`), "fd://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hosttest.Tree(t, ids+c.tree)
			problems, err := remap.Check(t.Context(), h, dockerd.Choice{})
			require.NoError(t, err)
			fatal := slices.ContainsFunc(problems, func(p daemoncfg.Problem) bool { return p.Level == daemoncfg.LevelFatal })
			assert.Equal(t, c.word != "", fatal, problems)

			plan, err := remap.PlanEnable(t.Context(), h, remap.Request{})
			report, verifyErr := verify.Run(t.Context(), verify.Options{Host: h})
			require.NoError(t, verifyErr)
			forecast, preflightErr := preflight.Run(t.Context(), preflight.Options{Host: h})
			require.NoError(t, preflightErr)
			var failed []string
			for _, f := range report.Findings {
				if f.Verdict == verify.Fail && f.Check[0] == 'D' {
					failed = append(failed, fmt.Sprint(f))
				}
			}
			said := fmt.Sprint(err, plan.Plan.Warnings)
			if c.word == "" {
				require.NoError(t, err)
				assert.Empty(t, failed)
				assert.NotContains(t, fmt.Sprint(forecast), "does not start")
				return
			}
			assert.Contains(t, said, c.word, "plan")
			assert.Contains(t, strings.Join(failed, "\n"), c.word, "verify")
			assert.Contains(t, fmt.Sprint(forecast), c.word, "preflight")
		})
	}
}
