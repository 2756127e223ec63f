package drill

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/engine"
)

var helper probe.Helper

func TestMain(m *testing.M) {
	helper = probe.Main()
	os.Exit(m.Run())
}

func mapping(t *testing.T, host uint32) userns.Mapping {
	t.Helper()
	m, err := userns.NewMap(userns.Extent{HostID: host, Count: 65536})
	require.NoError(t, err)
	return userns.Mapping{UID: m, GID: m}
}

func byID(t *testing.T, r Report) map[string]Probe {
	t.Helper()
	list := map[string]Probe{}
	for _, p := range r.Probes {
		require.NotContains(t, list, p.ID, "an ID is given once")
		list[p.ID] = p
	}
	return list
}

func TestRemapped(t *testing.T) {
	hosttest.Need(t)
	report, err := Run(context.Background(), Options{Helper: helper, Mapping: mapping(t, 3000000000)})
	require.NoError(t, err)
	assert.Empty(t, report.Changed)
	assert.False(t, report.Failed(), "%+v", report)
	got := byID(t, report)
	for _, id := range []string{"core-pattern", "kptr-restrict", "modprobe", "sysrq", "host-binary", "root-directory", "device-node", "signal", "memory"} {
		if _, err := os.Stat(got[id].Target); got[id].Target != "" && errors.Is(err, fs.ErrNotExist) {
			assert.Equal(t, NotTestable, got[id].Result, "this kernel has no %s", got[id].Target)
			continue
		}
		assert.Equal(t, Stopped, got[id].Result, "%s: %s", id, got[id].Reason)
		assert.Equal(t, Reached, got[id].Unmapped, id)
		assert.Contains(t, []string{"EACCES", "EPERM"}, got[id].Errno, id)
	}
	if got["keyring"].Reason != "root has no keyring that /proc/keys shows" && !strings.Contains(got["keyring"].Reason, "no such file") {
		assert.Equal(t, Stopped, got["keyring"].Result, got["keyring"].Reason)
	}
	for _, id := range []string{"other-files", "other-layer"} {
		assert.Equal(t, NotTestable, got[id].Result, "no other container was named")
	}
}

func TestNotRemapped(t *testing.T) {
	hosttest.Need(t)
	for name, m := range map[string]userns.Mapping{
		"no mapping":                    {},
		"container root is host root":   mapping(t, 0),
		"only the group root is mapped": {UID: mapping(t, 3000000000).UID, GID: mapping(t, 0).GID},
	} {
		t.Run(name, func(t *testing.T) {
			// A zero helper cannot try anything: it would be an error if asked.
			report, err := Run(context.Background(), Options{Mapping: m})
			require.NoError(t, err)
			assert.True(t, report.Failed())
			got := byID(t, report)
			for _, id := range []string{"core-pattern", "host-binary", "root-directory", "device-node", "signal", "memory"} {
				assert.Equal(t, Reached, got[id].Result, "%s: %s", id, got[id].Reason)
				assert.Contains(t, got[id].Reason, "not tried")
			}
		})
	}
}

func TestSharedMapping(t *testing.T) {
	hosttest.Need(t, "sleep")
	m := mapping(t, 3000000000)
	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: m.UID.SysProcIDMap(), GidMappings: m.GID.SysProcIDMap(),
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}, Pdeathsig: unix.SIGKILL,
	}
	require.NoError(t, other.Start())
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	report, err := Run(context.Background(), Options{Helper: helper, Mapping: m, Others: []int{other.Process.Pid}})
	require.NoError(t, err)
	got := byID(t, report)
	assert.Equal(t, Stopped, got["other-process"].Result, "its user namespace is another one, with the same mapping: %s", got["other-process"].Reason)
	assert.Equal(t, NotTestable, got["other-layer"].Result, "it has no layer of its own")
	assert.False(t, report.Failed())
}

// What was not seen is not stopped.
func TestNotTestableIsNeverStopped(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     attempt.Op
		answer attempt.Result
		want   Result
	}{
		{"allowed", attempt.OpenWrite, attempt.Result{}, Reached},
		{"refused", attempt.OpenWrite, attempt.Result{Errno: unix.EACCES}, Stopped},
		{"refused a mount", attempt.ReleaseAgent, attempt.Result{Errno: unix.EPERM}, Stopped},
		{"allowed and busy", attempt.OpenWrite, attempt.Result{Errno: unix.ETXTBSY}, Reached},
		{"missing file", attempt.OpenWrite, attempt.Result{Errno: unix.ENOENT}, NotTestable},
		{"read-only file system", attempt.OpenWrite, attempt.Result{Errno: unix.EROFS}, NotTestable},
		{"missing system call", attempt.Key, attempt.Result{Errno: unix.ENOSYS}, NotTestable},
		{"no O_TMPFILE there", attempt.TempFile, attempt.Result{Errno: unix.EOPNOTSUPP}, NotTestable},
		{"mounted already", attempt.ReleaseAgent, attempt.Result{Errno: unix.EBUSY}, NotTestable},
		{"process ended", attempt.Signal, attempt.Result{Errno: unix.ESRCH}, NotTestable},
		{"not tried", attempt.Mknod, attempt.Result{Untried: "no tmpfs"}, NotTestable},
		{"not tried, whatever the errno", attempt.Mknod, attempt.Result{Errno: unix.EPERM, Untried: "no tmpfs"}, NotTestable},
		{"a helper that died", attempt.OpenWrite, attempt.ParseLine(""), NotTestable},
		{"a helper that answered null", attempt.OpenWrite, attempt.ParseLine("null"), NotTestable},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, reason := judge(attempt.Attempt{Op: c.op}, c.answer)
			assert.Equal(t, c.want, got, reason)
			assert.NotEmpty(t, reason)
		})
	}

	t.Run("a /proc that is not the kernel's", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "core_pattern")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		s := kernelFile("core-pattern", "", path)
		assert.Contains(t, s.missing, "not the kernel's")
		s = kernelFile("core-pattern", "", filepath.Join(dir, "missing"))
		assert.NotEmpty(t, s.missing)
	})

	t.Run("a probe that could not be tried does not fail the drill", func(t *testing.T) {
		assert.False(t, Report{Probes: []Probe{{Result: NotTestable}, {Result: Reached, Shared: true}}}.Failed())
		assert.True(t, Report{Probes: []Probe{{Result: Stopped}, {Result: Reached}}}.Failed())
	})
}

func TestSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("a"), 0o600))
	list := []step{hostFile("root-file", "", attempt.OpenRead, path)}
	before := snapshot(list)
	assert.Empty(t, before.changed(snapshot(list)))
	require.NoError(t, os.Chmod(path, 0o644))
	assert.Equal(t, []string{path}, before.changed(snapshot(list)))
	require.NoError(t, os.Remove(path))
	assert.Equal(t, []string{path}, before.changed(snapshot(list)))
}

func TestOnlyRootOfTheHost(t *testing.T) {
	if os.Getenv("DRILL_TEST_CHILD") == "1" {
		_, err := Run(context.Background(), Options{Mapping: mapping(t, 3000000000)})
		require.ErrorIs(t, err, ErrNotHost)
		return
	}
	hosttest.Need(t)
	m := mapping(t, 3000000000)
	exe := filepath.Join(t.TempDir(), "test") // where the namespace's root can execute it
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(exe, data, 0o755))
	for dir := filepath.Dir(exe); dir != "/"; dir = filepath.Dir(dir) {
		if strings.HasPrefix(dir, os.TempDir()+"/") {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
	}
	cmd := exec.Command(exe, "-test.run", "^TestOnlyRootOfTheHost$")
	cmd.Env = append(os.Environ(), "DRILL_TEST_CHILD=1")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: m.UID.SysProcIDMap(), GidMappings: m.GID.SysProcIDMap(),
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{},
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "PASS")
}

func TestJSON(t *testing.T) {
	data, err := json.Marshal(Report{Probes: []Probe{{ID: "sysrq", Result: Stopped, Errno: "EACCES", Refs: []string{}}}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"schema":1,"probes":[{"id":"sysrq","title":"","result":"stopped","errno":"EACCES","reason":"","unmapped":"not-testable","refs":[]}],"changed":[]}`, string(data))
	assert.True(t, strings.HasPrefix(string(data), `{"schema":1,`))
	var back Report
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, Stopped, back.Probes[0].Result)
	assert.Equal(t, "Result(9)", Result(9).String())
	assert.Error(t, new(Result).UnmarshalText([]byte("passed")))
}

// A container's name may be the first digits of another's ID.
func TestChooseByName(t *testing.T) {
	proc := t.TempDir()
	for pid, host := range map[string]string{"41": "100000", "42": "200000"} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o755))
		for _, name := range []string{"uid_map", "gid_map"} {
			require.NoError(t, os.WriteFile(filepath.Join(proc, pid, name), []byte("0 "+host+" 65536\n"), 0o644))
		}
	}
	e := &engine.Engine{Containers: []engine.Container{
		{ID: strings.Repeat("a", 64), Name: "web", Running: true, PID: 41},
		{ID: strings.Repeat("b", 64), Name: "aaaaaa", Running: true, PID: 42},
		{ID: strings.Repeat("c", 64), Name: "bbbbbb"},
	}}
	for name, want := range map[string]uint32{"web": 100000, "aaaaaaa": 100000, "aaaaaa": 200000, "bbbbbbb": 200000, "aaaaa": 0, "bbbbbb": 0} {
		var o Options
		err := o.Choose(userns.FS{Root: proc}, e, name)
		if want == 0 {
			require.ErrorIs(t, err, ErrNoContainer, name)
			continue
		}
		require.NoError(t, err, name)
		assert.True(t, o.Mapping.Equal(mapping(t, want)), name)
		assert.Len(t, o.Others, 1, name)
	}
}
