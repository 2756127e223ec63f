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

func TestTheRemedyOfAMount(t *testing.T) {
	const dir = "/srv/x; touch y"
	remedy := func(t *testing.T, source string, prepare func(path string)) []Remedy {
		e := remapped(web(engine.Container{}))
		o := live(t, &e, proc{pid: 100, container: idWeb})
		path := filepath.Join(o.Host.Root, source)
		require.NoError(t, os.MkdirAll(filepath.Join(o.Host.Root, dir), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(o.Host.Root, dir, "file"), nil, 0o644))
		if prepare != nil {
			prepare(path)
		}
		e.Containers[0].Mounts = []engine.Mount{{Type: "bind", Source: source, Destination: "/x"}}
		o.Docker = answering(e)
		var got []Remedy
		for _, f := range run(t, o).Findings {
			if f.Check == "C08" {
				f.Remedy.Text = ""
				got = append(got, f.Remedy)
			}
		}
		return got
	}
	hosttest.Need(t)
	t.Run("a directory of the host's root is moved", func(t *testing.T) {
		assert.Equal(t, []Remedy{{Fix: FixShift, Arg: dir, From: "0:65536", To: "165536:65536"}}, remedy(t, dir, nil))
	})
	t.Run("for a file, its name is one word for the shell", func(t *testing.T) {
		assert.Equal(t, []Remedy{{Command: "chown 165536:165536 '/srv/x; touch y/file'"}}, remedy(t, dir+"/file", nil))
	})
	t.Run("owners of neither range are not moved", func(t *testing.T) {
		assert.Equal(t, []Remedy{{Command: "chown 165536:165536 '/srv/x; touch y'"}}, remedy(t, dir, func(path string) { require.NoError(t, os.Chown(path, 1_700_000_000, 0)) }))
	})
	t.Run("a directory of the system keeps its owners", func(t *testing.T) {
		assert.Equal(t, []Remedy{{}}, remedy(t, "/etc", nil))
	})
}
