//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestAudit(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	prepare(t)
	subids(t, good)
	daemonJSON(t, remaps)
	d := hosttest.NewDocker(t)
	h := &stage{TB: t, Docker: d}
	h.start()
	h.remapctl()
	h.Container("web")
	for _, args := range [][]string{
		strings.Fields(strings.ReplaceAll(os.Getenv("AUDIT"), "$DOCKERSOCK", strings.TrimPrefix(d.Host, "unix://"))),
	} {
		out, code := h.audit(args...)
		t.Logf("%v: %d\n%s", args, code, out)
	}
	report, err := verify.Run(t.Context(), verify.Options{
		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, d.Host) },
		Helper: helper,
	})
	require.NoError(t, err)
	for _, f := range report.Findings {
		if f.Verdict != verify.Pass && f.Verdict != verify.Skip {
			t.Logf("host: %s %s %s", f.Check, f.Verdict, f.Text)
		}
	}
	_ = json.Unmarshal
	assert.True(t, true)
}

// remapctl makes the image of docs/audit.md.
func (h *stage) remapctl() {
	h.Helper()
	dir := h.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/remapctl", "../../examples/remapctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(h, err, "%s", out)
	h.sh(dir, `tar -c remapctl | docker import -c 'ENTRYPOINT ["/remapctl"]' - remapctl`)
}

// sh runs a line of a shell in a directory.
func (h *stage) sh(dir, line string) string {
	h.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "DOCKER_HOST="+h.Host)
	out, err := cmd.CombinedOutput()
	require.NoError(h, err, "%s", out)
	return string(out)
}

func (h *stage) audit(args ...string) (string, int) {
	h.Helper()
	cmd := exec.Command("docker", append([]string{"run", "--rm"}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+h.Host)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return string(out), status.ExitCode()
	}
	require.NoError(h, err)
	return string(out), 0
}
