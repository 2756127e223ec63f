package verify

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
)

// Docker's own may run with the map of its containers outside of any, as builds
// do. Another runtime's container may not.
func TestAContainerOfPodmanWithDockersMapMeetsTheRanges(t *testing.T) {
	for cgroup, want := range map[string][]string{
		"/machine.slice/libpod-" + idOld + ".scope": {"I08 fail"},
		"/system.slice/docker.service":              {},
	} {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 300})
		require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, "300/cgroup"), []byte("0::"+cgroup+"\n"), 0o644))
		r := run(t, opts)
		assert.Equal(t, want, bad(r), "%s: %s", cgroup, texts(r))
	}
}

// An exited is the error of a program that ran.
type exited int

func (e exited) Error() string { return fmt.Sprintf("getent: exit status %d", int(e)) }
func (e exited) ExitCode() int { return int(e) }

// A directory answers getent for single IDs, and lists nothing.
func directory(answer func(db, key string) ([]byte, error)) func(context.Context, ...string) ([]byte, error) {
	return func(_ context.Context, argv ...string) ([]byte, error) {
		switch {
		case argv[0] != "getent":
			return nil, exec.ErrNotFound
		case len(argv) == 2:
			return nil, nil
		}
		var out []byte
		var failed error
		for _, key := range argv[2:] {
			line, err := answer(argv[1], key)
			out = append(out, line...)
			failed = cmp.Or(failed, err)
		}
		return out, failed
	}
}

const withDirectory = "passwd: files sss\ngroup: files sss\n"

func TestDirectory(t *testing.T) {
	finds := func(id string) func(db, key string) ([]byte, error) {
		return func(db, key string) ([]byte, error) {
			if db == "passwd" && key == id {
				return []byte("lena:*:" + id + ":1::/:\n"), nil
			}
			return nil, exited(2)
		}
	}
	fails := func(err error) func(db, key string) ([]byte, error) {
		return func(string, string) ([]byte, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		answer func(db, key string) ([]byte, error)
		want   []string
		text   string
	}{
		"knows nobody":              {finds("1"), []string{}, ""},
		"knows the first ID":        {finds("165536"), []string{"C01 fail", "I11 fail"}, "knows passwd lena (165536)"},
		"knows the last ID":         {finds("231071"), []string{"I11 fail"}, "knows passwd lena (231071)"},
		"getent fails":              {fails(exited(1)), []string{"C01 unknown", "I11 unknown"}, "exit status 1"},
		"there is no getent":        {fails(exec.ErrNotFound), []string{"C01 unknown", "I11 unknown"}, "not found"},
		"a host that was mounted":   {nil, []string{"C01 unknown", "I07 unknown", "I11 unknown"}, "not the running host"},
		"getent is killed half-way": {fails(context.Canceled), []string{"C01 unknown", "I11 unknown"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := remapped(web(engine.Container{}))
			opts := live(t, &e, proc{pid: 100, container: idWeb})
			opts.Checks = []string{"I07", "I11", "C01"}
			with(t, opts.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
			if c.answer != nil {
				opts.Host.Run = directory(c.answer)
			}
			r := run(t, opts)
			got := bad(r)
			slices.Sort(got)
			assert.Equal(t, c.want, got, texts(r))
			assert.Contains(t, texts(r), c.text)
		})
	}
}

// A directory that is down says nothing of any container: the kernel does, and the
// one open question is asked once.
func TestDirectoryIsDown(t *testing.T) {
	e := remapped(web(engine.Container{}), engine.Container{ID: idOld, Name: "db", Running: true, PID: 200})
	opts := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 200, container: idOld, uids: "300000 300000 300000 300000"})
	opts.Checks = []string{"C01"}
	with(t, opts.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
	opts.Host.Run = func(context.Context, ...string) ([]byte, error) { return nil, exited(1) }
	var got []string
	for _, f := range run(t, opts).Findings {
		got = append(got, f.Verdict.String()+" "+f.Subject)
	}
	assert.Equal(t, []string{"fail container/db", "unknown accounts", "pass container/web"}, got)
}

func TestDirectoryIsAskedOnce(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	with(t, opts.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
	asked := map[string]int{}
	opts.Host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		asked[strings.Join(argv, " ")]++
		return nil, exited(2)
	}
	run(t, opts)
	assert.Equal(t, 1, asked["getent passwd"])
	for words, n := range asked {
		assert.Equal(t, 1, n, words)
	}
}

func TestDirectoryThatCannotBeListed(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	opts.Checks = []string{"I07"}
	with(t, opts.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
	opts.Host.Run = func(context.Context, ...string) ([]byte, error) { return nil, exited(1) }
	r := run(t, opts)
	assert.Equal(t, []string{"I07 unknown"}, bad(r), texts(r))
}
