package usernskit

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The host of these tests: a file that changes, one behind a symbolic link, one
// that is made in a new directory, one that goes, and one that is not ours.
var faultTree = map[string]string{
	"etc/subuid":                "alice:100000:65536\n",
	"etc/subuid-":               "an older backup\n",
	"etc/subgid":                "alice:100000:65536\r\n",
	"etc/real/grub":             "GRUB_CMDLINE_LINUX=\"\"\n",
	"etc/drop.conf":             "to be removed\n",
	"etc/hosts":                 "not ours\n",
	"etc/.hosts12345":           "looks like a temporary file, but of a file we do not change\n",
	"etc/.subuid777":            "looks like ours, and was there before\n",
	"var/lib/other/keep/me.txt": "x",
}

func faultHost(t testing.TB, root string) Host {
	t.Helper()
	for name, text := range faultTree {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o640))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "etc/default"), 0o755))
	require.NoError(t, os.Symlink("/etc/real/grub", filepath.Join(root, "etc/default/grub")))
	require.NoError(t, os.Chmod(filepath.Join(root, "etc/subgid"), 0o604))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(root, "etc/subgid"), 1234, 4321))
	}
	return Host{Root: root}
}

func faultPlan() Plan {
	before := func(name string) []byte { return []byte(faultTree[name]) }
	return Plan{Title: "a test of faults", Changes: []Change{
		{Path: "/etc/subuid", Before: before("etc/subuid"), After: []byte("alice:100000:65536\ndockremap:165536:65536\n"), Shadow: true},
		{Path: "/etc/subgid", Before: before("etc/subgid"), After: []byte("alice:100000:65536\r\ndockremap:165536:65536\r\n"), Shadow: true},
		{Path: "/etc/docker/conf/daemon.json", After: []byte("{}\n"), Mode: 0o644},
		{Path: "/etc/default/grub", Before: before("etc/real/grub"), After: []byte("GRUB_CMDLINE_LINUX=\"a=1\"\n")},
		{Path: "/etc/drop.conf", Before: before("etc/drop.conf")},
	}}
}

// tree is everything below root, owner and mode included, without what
// usernskit keeps for itself and the lock file that shadow-utils leave too.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		name := strings.TrimPrefix(path, root)
		switch {
		case err != nil:
			return err
		case name == stateDir:
			return filepath.SkipDir
		case name == "/etc/.pwd.lock":
			return nil
		}
		st := info.Sys().(*syscall.Stat_t)
		what := info.Mode().String() + " " + strings.Join([]string{itoa(int(st.Uid)), itoa(int(st.Gid))}, ":") + " "
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink(path)
			files[name] = what + to
			return err
		case info.IsDir():
			files[name] = what
			return nil
		}
		data, err := os.ReadFile(path)
		files[name] = what + string(data)
		return err
	}))
	return files
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// steps runs the whole thing once and lists every step that it goes through.
func steps(t *testing.T, undo bool) []string {
	t.Helper()
	var list []string
	a := applier{host: faultHost(t, t.TempDir())}
	record := func(step string) error { list = append(list, step); return nil }
	if !undo {
		a.fault = record
	}
	_, err := a.applyLocked(t, faultPlan())
	require.NoError(t, err)
	if undo {
		a.fault = record
		require.NoError(t, a.undo(t.Context(), "", nil))
	}
	require.Greater(t, len(list), 30, "every file has its steps")
	return list
}

func (a *applier) applyLocked(t testing.TB, p Plan) (Receipt, error) {
	unlock, err := a.lock(t.Context())
	if err != nil {
		return Receipt{}, err
	}
	defer unlock()
	return a.apply(t.Context(), p)
}

var errFault = errors.New("fault of the test")

func failAt(n int) func(string) error {
	return func(string) error {
		n--
		if n == -1 {
			return errFault
		}
		return nil
	}
}

// Law 3 and promise 4: whichever step fails, nothing has changed, nothing is
// left behind, and the same plan then works.
func TestApplyThatFailsAtAnyStepChangesNothing(t *testing.T) {
	for i, step := range steps(t, false) {
		t.Run(step, func(t *testing.T) {
			host := faultHost(t, t.TempDir())
			start := tree(t, host.Root)
			a := applier{host: host, fault: failAt(i)}
			_, err := a.applyLocked(t, faultPlan())
			require.ErrorIs(t, err, errFault)
			assert.Equal(t, start, tree(t, host.Root))
			receipts, err := host.Receipts()
			require.NoError(t, err)
			assert.Empty(t, receipts, "a plan that was rolled back leaves no receipt")
			assert.Empty(t, journalFiles(t, host))

			r, err := host.Apply(t.Context(), faultPlan())
			require.NoError(t, err)
			require.NoError(t, host.Undo(t.Context(), r.ID, nil))
			assert.Equal(t, start, tree(t, host.Root))
		})
	}
}

func TestUndoThatFailsAtAnyStepCanBeCalledAgain(t *testing.T) {
	all := steps(t, true)
	for i, step := range all {
		t.Run(step, func(t *testing.T) {
			host := faultHost(t, t.TempDir())
			start := tree(t, host.Root)
			r, err := host.Apply(t.Context(), faultPlan())
			require.NoError(t, err)
			a := applier{host: host, fault: failAt(i)}
			err = a.undo(t.Context(), r.ID, nil)
			if i < len(all)-2 {
				require.ErrorIs(t, err, errFault)
			} else {
				require.NoError(t, err, "the undo is done, and only the old record is left")
			}
			a.fault = nil
			err = a.undo(t.Context(), r.ID, nil)
			if errors.Is(err, ErrNoReceipt) {
				err = nil // only the last fsync had failed
			}
			require.NoError(t, err)
			assert.Equal(t, start, tree(t, host.Root))
		})
	}
}

// The undo is done once its record is on the disk. What it cannot remove then does
// no harm to what follows.
func TestAnUndoIsDoneWhereItsOldRecordCannotBeRemoved(t *testing.T) {
	host := faultHost(t, t.TempDir())
	start := tree(t, host.Root)
	first, err := host.Apply(t.Context(), faultPlan())
	require.NoError(t, err)
	_, err = host.Apply(t.Context(), Plan{Title: "another", Changes: []Change{{Path: "/etc/another", After: []byte("x\n")}}})
	require.NoError(t, err)
	a := applier{host: host, fault: func(step string) error {
		if step == "journal: unlink" {
			return errFault
		}
		return nil
	}}
	require.NoError(t, a.undo(t.Context(), first.ID, nil))
	assert.Equal(t, []string{"1.json", "1.undone", "2.json", "undoing"}, journalFiles(t, host))

	undone := func() {
		list, err := host.Receipts()
		require.NoError(t, err)
		require.NotEmpty(t, list)
		assert.Equal(t, StateUndone, list[0].State)
		assert.ErrorIs(t, host.Undo(t.Context(), first.ID, nil), ErrNoReceipt)
	}
	once := applier{host: host, fault: failAt(0)} // the old record stays for this one too
	require.ErrorIs(t, once.drop(first.ID), errFault)
	undone()
	third, err := host.Apply(t.Context(), faultPlan())
	require.NoError(t, err)
	undone()
	assert.Equal(t, []string{"1.undone", "2.json", "3.json", "undoing"}, journalFiles(t, host))
	require.NoError(t, host.Undo(t.Context(), "2", nil))
	require.NoError(t, host.Undo(t.Context(), third.ID, nil))
	assert.Equal(t, start, tree(t, host.Root))
	assert.Equal(t, []string{"1.undone", "2.undone", "3.undone"}, journalFiles(t, host))
}

const killEnv = "USERNSKIT_TEST_KILL" // root, step number, what to do

func TestMain(m *testing.M) {
	if job := os.Getenv(killEnv); job != "" {
		dieAt(job)
	}
	os.Exit(m.Run())
}

// dieAt applies, or undoes, and is killed before one of the steps.
func dieAt(job string) {
	var j struct {
		Root       string
		Step, Fail int
		Undo       bool
		ID         string
	}
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		panic(err)
	}
	n := -1
	a := applier{host: Host{Root: j.Root}, fault: func(string) error {
		n++
		switch n {
		case j.Fail:
			return errFault
		case j.Step:
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Minute)
		}
		return nil
	}}
	ctx := context.Background()
	if j.Undo {
		a.undo(ctx, j.ID, nil)
		os.Exit(0)
	}
	unlock, err := a.lock(ctx)
	if err == nil {
		_, _ = a.apply(ctx, faultPlan())
		unlock()
	}
	os.Exit(0)
}

// killed runs the job in a child and reports whether it died of the kill.
func killed(t *testing.T, job map[string]any) bool {
	t.Helper()
	if _, ok := job["Fail"]; !ok {
		job["Fail"] = -1
	}
	text, err := json.Marshal(job)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)
		return true
	}
	require.NoError(t, err, "%s", out)
	return false
}

// Law 7: killed before any step, each file is old or new, and Undo brings all
// back with nothing left behind.
func TestKilledAtAnyStepEachFileIsOldOrNewAndUndoBringsAllBack(t *testing.T) {
	total := len(steps(t, false))
	for i := range total {
		host := faultHost(t, t.TempDir())
		start := tree(t, host.Root)
		require.True(t, killed(t, map[string]any{"Root": host.Root, "Step": i}))
		oldOrNew(t, host)
		if err := host.Undo(t.Context(), "", nil); !errors.Is(err, ErrNoReceipt) {
			require.NoError(t, err, "step %d", i)
		}
		require.Equal(t, start, withoutDeadLocks(t, host.Root), "step %d", i)

		// And whatever it was, the next run is not held up by it.
		_, err := host.Apply(t.Context(), faultPlan())
		require.NoError(t, err, "step %d", i)
		for _, name := range journalFiles(t, host) {
			require.Regexp(t, `^[12]\.(json|undone)$`, name, "step %d", i)
		}
	}
}

func TestKilledWhileUndoingCanBeUndoneAgain(t *testing.T) {
	for i := range len(steps(t, true)) {
		host := faultHost(t, t.TempDir())
		start := tree(t, host.Root)
		_, err := host.Apply(t.Context(), faultPlan())
		require.NoError(t, err)
		require.True(t, killed(t, map[string]any{"Root": host.Root, "Step": i, "Undo": true}))
		oldOrNew(t, host)
		if err := host.Undo(t.Context(), "", nil); !errors.Is(err, ErrNoReceipt) {
			require.NoError(t, err, "step %d", i)
		}
		require.Equal(t, start, withoutDeadLocks(t, host.Root), "step %d", i)
	}
}

func TestKilledWhileRollingBackCanBeUndone(t *testing.T) {
	last := len(steps(t, false)) - 6 // sealing the journal fails, so all goes back
	for i := last + 1; ; i++ {
		host := faultHost(t, t.TempDir())
		start := tree(t, host.Root)
		if !killed(t, map[string]any{"Root": host.Root, "Step": i, "Fail": last}) {
			require.Greater(t, i, last+20, "rolling back has steps")
			require.Equal(t, start, tree(t, host.Root))
			return
		}
		oldOrNew(t, host)
		if err := host.Undo(t.Context(), "", nil); !errors.Is(err, ErrNoReceipt) {
			require.NoError(t, err, "step %d", i)
		}
		require.Equal(t, start, withoutDeadLocks(t, host.Root), "step %d", i)
	}
}

func oldOrNew(t *testing.T, host Host) {
	t.Helper()
	for _, c := range faultPlan().Changes {
		data, err := host.ReadFile(c.Path)
		if errors.Is(err, os.ErrNotExist) {
			require.True(t, c.Before == nil || c.After == nil, "%s is gone", c.Path)
			continue
		}
		require.NoError(t, err)
		require.Contains(t, []string{string(c.Before), string(c.After)}, string(data), c.Path)
	}
}

// withoutDeadLocks leaves out the locks of the killed process: shadow-utils
// and we take them for stale by the process ID in them.
func withoutDeadLocks(t *testing.T, root string) map[string]string {
	files := tree(t, root)
	for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
		delete(files, name+".lock")
	}
	return files
}

// If somebody saves a file with an editor just then, our other files go back, the
// edit stays, and nothing is left to undo.
func TestAFileThatIsEditedWhileWeWriteStopsThePlanAndKeepsTheEdit(t *testing.T) {
	for _, at := range []string{"write /etc/subuid: rename", "write /etc/default/grub: rename"} {
		host := faultHost(t, t.TempDir())
		a := applier{host: host, fault: func(step string) error {
			if step == at {
				put(t, host, "/etc/real/grub", "edited\n")
			}
			return nil
		}}
		put(t, host, "/etc/real/grub", "edited\n")
		start := tree(t, host.Root)
		put(t, host, "/etc/real/grub", faultTree["etc/real/grub"])
		_, err := a.applyLocked(t, faultPlan())
		require.ErrorIs(t, err, ErrChanged)
		assert.NotErrorIs(t, err, ErrUnfinished)
		assert.Equal(t, start, tree(t, host.Root), at)
		assert.ErrorIs(t, host.Undo(t.Context(), "", nil), ErrNoReceipt)
	}
}

// What was edited after we had written it is another matter: only undo, and a
// person, can tell what it is to hold.
func TestAFileThatIsEditedAfterWeWroteItIsLeftForUndo(t *testing.T) {
	host := faultHost(t, t.TempDir())
	a := applier{host: host, fault: func(step string) error {
		if step != "write /etc/default/grub: rename" {
			return nil
		}
		put(t, host, "/etc/subgid", "edited\n")
		return errFault
	}}
	_, err := a.applyLocked(t, faultPlan())
	require.ErrorIs(t, err, errFault)
	require.ErrorIs(t, err, ErrUnfinished)
	assert.ErrorContains(t, err, "rollback failed")
	assert.Equal(t, []string{"/etc/subgid"}, changedFiles(t, host.Undo(t.Context(), "", nil)))
	_, err = host.Apply(t.Context(), faultPlan())
	assert.ErrorIs(t, err, ErrUnfinished)
}

// changedFiles are the paths that a joined [ErrChanged] names.
func changedFiles(t *testing.T, err error) (files []string) {
	t.Helper()
	require.ErrorIs(t, err, ErrChanged)
	for line := range strings.Lines(err.Error()) {
		name, _, _ := strings.Cut(line, ": ")
		files = append(files, name)
	}
	return files
}
