//go:build linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestMapShowsWhatRunsAndWhatIsNotRemapped(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	s := newSession(t, files(100000))
	s.must(0, "enable", "--yes")
	s.docker.Start()
	s.docker.Image()
	s.docker.Container("web", "--user", "33:33")
	id := s.docker.Run("inspect", "--format", "{{.Id}}", "web")

	for _, name := range []string{"web", id[:12], id} {
		out := s.must(0, "map", "--container", name, "33")
		assert.Contains(t, out, "UID 33 in "+name+" is 165569 on the host\n")
		assert.Contains(t, out, "GID 33 in "+name+" is 165569 on the host\n")
	}
	assert.Contains(t, s.must(0, "map", "--container", "web", "165569"), "UID 165569 on the host is 33 in web\n")
	assert.Contains(t, s.must(0, "map", "165569"), "UID 165569: container UID 33 of dockremap (subuid line 2), UID 33 in web\n")
	picture := s.must(0, "map")
	assert.Regexp(t, `(?m)^    165536 ┤█+ +dockremap .* ← 0-65535 in web$`, picture)
	assert.NotContains(t, picture, "✗")
	s.must(2, "map", "--container", "nosuch", "33")
	assert.Contains(t, s.must(0, "__complete", "map", "--container", "w"), "web\t")

	uidwho := filepath.Join(t.TempDir(), "uidwho")
	out, err := exec.Command("go", "build", "-o", uidwho, "github.com/usernskit/usernskit/examples/uidwho").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(uidwho, "165569").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "165569 is user 33 of "+id)
	assert.Regexp(t, `\n  process \d+, "`, string(out))

	s.docker.Container("legacy", "--userns", "host")
	assert.Regexp(t, `(?m)^         0 ✗◆+ +legacy .* ← 0-4294967294$`, s.must(0, "map"))
	assert.Contains(t, s.must(0, "map", "0"), "UID 0: UID 0 in legacy\n")
	svg := filepath.Join(t.TempDir(), "host.svg")
	s.must(0, "map", "--svg", svg)
	assert.Contains(t, read(t, svg), ">legacy</text>")
	s.docker.Run("rm", "--force", "web", "legacy")
}
