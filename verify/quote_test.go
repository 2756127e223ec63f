package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestANameInACommandStaysOneWord(t *testing.T) {
	hosttest.Need(t, "sh")
	for _, name := range []string{"/a/b-c_1.2", "", "/a b", "/x; touch /tmp/y", "/$(id)", "/`id`", "/it's", "/\\", "/\"", "/a\nb", "/*", "/~", "#x", "/ä"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(name)).Output()
		require.NoError(t, err, name)
		assert.Equal(t, name, string(out))
	}
	assert.Equal(t, "/a/b-c_1.2", quoted("/a/b-c_1.2"))
}

func TestTheCommandOfARemedyRunsNothingThatAContainerNamed(t *testing.T) {
	e := remapped(web(engine.Container{}))
	o := live(t, &e, proc{pid: 100, container: idWeb})
	dir := "/srv/x; touch y"
	require.NoError(t, os.MkdirAll(filepath.Join(o.Host.Root, dir), 0o755))
	e.Containers[0].Mounts = []engine.Mount{{Type: "bind", Source: dir, Destination: "/x"}}
	o.Docker = answering(e)
	var got []string
	for _, f := range run(t, o).Findings {
		if f.Check == "C08" {
			got = append(got, f.Remedy.Command)
		}
	}
	assert.Equal(t, []string{"chown 165536:165536 '/srv/x; touch y'"}, got)
}
