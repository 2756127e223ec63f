//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// The container of docs/audit.md says what the host itself says. With any part
// of its access taken away it says no more than it can know: where the host is
// fine that is never a failure, and where it is not it is never a pass.
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
	build, run := h.documented()
	_, code := h.sh(build)
	require.Zero(t, code)

	// what only its owner may enter
	h.Container("web", "--volume", "data:/data")
	h.Run("exec", "web", "sh", "-c", "busybox mkdir -p /data/private/deeper && chmod 700 /data/private")

	socket := strings.TrimPrefix(d.Host, "unix://")
	asked := "-e DOCKER_HOST=unix:///host" + socket
	docs := read(t, "../../docs/audit.md")
	for _, state := range []string{"fine", "exposed"} {
		t.Run(state, func(t *testing.T) {
			d.Lend(t)
			h.TB = t
			var out []string // what may fail
			if state == "exposed" {
				h.Container("out", "--userns=host")
				out = []string{"container/out", "container/" + h.Run("ps", "--quiet", "--filter", "name=out")}
			}
			host, err := verify.Run(t.Context(), verify.Options{
				Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, d.Host) },
				Helper: helper,
			})
			require.NoError(t, err)
			for _, c := range []struct {
				name          string // as in docs/audit.md; empty: the container is as documented, and says what the host says
				drop, add     string
				fine, exposed int // exit codes
			}{
				{"", "", "", 0, 1},
				{"", "", "--security-opt seccomp=unconfined", 0, 1},
				{"", "", "--cgroupns=private", 0, 1},
				{"", "--cap-drop=ALL", "", 0, 1},
				{"`--pid=host`", "--pid=host", "", 3, 1},
				{"`--userns=host`, and so `--pid=host`", "--userns=host --pid=host", "", 3, 3},
				{"`-v /:/host:ro`", "-v /:/host:ro", "", 2, 2},
				{"`-v /:/host:ro`", "-v /:/host:ro", "-v " + socket + ":/host" + socket, 3, 3},
				{"`--root /host`", "--root /host", "-v " + socket + ":/host" + socket, 3, 1},
				{"`DOCKER_HOST`", asked, "", 3, 1},
				{"`DOCKER_HOST`", asked, "-e DOCKER_HOST=unix:///host/run/none.sock", 3, 1},
				{"`SYS_PTRACE`", "--cap-add=SYS_PTRACE", "", 3, 1},
				{"`DAC_READ_SEARCH`", "--cap-add=DAC_READ_SEARCH", "", 3, 1},
				{"both", "--cap-add=SYS_PTRACE --cap-add=DAC_READ_SEARCH", "", 3, 1},
				{"root", "", "--user 1000:1000", 3, 1},
			} {
				line := strings.Replace(run, c.drop, "", 1)
				require.True(t, c.drop == "" || line != run, c.drop)
				got, code := h.audit(strings.Replace(line, "docker run", "docker run "+c.add, 1))
				what := fmt.Sprintf("%s, without %s and with %q: %s", state, c.name, c.add, found(got))
				t.Log(code, got.Summary.Remapped, what)
				want := map[string]int{"fine": c.fine, "exposed": c.exposed}[state]
				assert.Equal(t, want, code, what)
				for _, f := range got.Findings {
					if f.Verdict == verify.Fail {
						assert.Contains(t, out, f.Subject, "%s: %s %s", what, f.Check, f.Text)
					}
				}
				if c.name == "" {
					assert.Equal(t, found(host), found(got), what)
					assert.Equal(t, host.Summary.Remapped, got.Summary.Remapped, what)
					assert.NotEmpty(t, got.Coverage.Auditor, what)
					continue
				}
				assert.Contains(t, docs, "| "+c.name+" |")
				if state == "exposed" {
					assert.NotEqual(t, verify.Pass, got.Summary.Remapped, what)
				}
			}
		})
	}
}

// documented returns the commands of docs/audit.md that make the container and
// that run it, for the daemon and the directory of the test.
func (h *stage) documented() (build, run string) {
	h.Helper()
	_, text, ok := strings.Cut(read(h, "../../docs/audit.md"), "## From a container\n")
	require.True(h, ok)
	_, text, ok = strings.Cut(text, "```sh\n")
	require.True(h, ok)
	text, _, _ = strings.Cut(text, "```")
	dir := h.TempDir()
	text = strings.NewReplacer(
		"go build -o remapctl", "go build -C ../.. -o "+dir+"/remapctl", "tar -c", "tar -C "+dir+" -c",
		"/run/docker.sock", strings.TrimPrefix(h.Host, "unix://"),
	).Replace(text)
	at := strings.Index(text, "docker run")
	require.Positive(h, at)
	return text[:at], text[at:]
}

// sh runs lines of a shell with the docker of the test.
func (h *stage) sh(lines string) (stdout string, code int) {
	h.Helper()
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(lines)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+h.Host)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return out.String(), status.ExitCode()
	}
	require.NoError(h, err, complaints.String())
	return out.String(), 0
}

// audit runs the container and returns what it says. Where it says nothing the
// report is empty.
func (h *stage) audit(line string) (verify.Report, int) {
	h.Helper()
	out, code := h.sh(line)
	var r verify.Report
	_ = json.Unmarshal([]byte(out), &r) // an error may be all that it says
	return r, code
}
