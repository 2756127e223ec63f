//go:build linux

package e2e

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// A state is a host as it can be met, really set up, and what verify has to say
// of it: exactly these checks fail at severity high or critical, and no other.
type state struct {
	subuid string // and subgid; empty: good
	daemon string // members of daemon.json; empty: userns-remap default
	// setUp starts the daemon and makes the containers. If nil, it starts the
	// daemon and one container, "web".
	setUp func(t *testing.T, d *hosttest.Docker)
	deep  bool
	want  []string // failed checks of severity high or critical
	also  []string // failed or warned checks of lower severity that must be there
	// refused: dockerd before 28 does not start in this state, which is as good
	// an answer.
	refused bool
}

const (
	good   = "alice:100000:65536\ndockremap:165536:65536\n"
	remaps = `"userns-remap": "default"`
)

func running(name string, flags ...string) func(*testing.T, *hosttest.Docker) {
	return func(t *testing.T, d *hosttest.Docker) {
		d.Start()
		d.Image()
		d.Container(name, flags...)
	}
}

var states = map[string]state{
	"not remapped": {
		daemon: `"debug": false`,
		want:   []string{"C01", "C02", "D01", "D05"},
	},
	"remapped and fine": {},
	"live-restore orphan": {
		daemon: `"live-restore": true`,
		setUp: func(t *testing.T, d *hosttest.Docker) {
			running("old")(t, d)
			daemonJSON(t, `"live-restore": true, `+remaps)
			d.Restart()
			d.Image()
			d.Container("web")
		},
		want: []string{"C01", "C02", "C03"},
	},
	"key set but not restarted": {
		daemon: `"debug": false`,
		setUp: func(t *testing.T, d *hosttest.Docker) {
			running("web")(t, d)
			time.Sleep(1100 * time.Millisecond) // a start and a write within one second look alike
			daemonJSON(t, remaps)
		},
		want: []string{"C01", "C02", "D05", "D06"},
	},
	"subid from 0": {
		subuid: "alice:100000:65536\ndockremap:0:65536\n",
		want:   []string{"C01", "C02", "D05", "I05", "I07"},
	},
	"userns-remap root": {
		daemon: `"userns-remap": "root"`,
		want:   []string{"C01", "C02", "D05", "I06"},
	},
	"login user first": {
		subuid: "dockremap:1000:1\ndockremap:100000:65536\nalice:200000:65536\n",
		want:   []string{"C01", "I07"},
	},
	"hex start": {
		subuid:  "alice:100000:65536\ndockremap:0x30d40:65536\n",
		want:    []string{"C01", "C02", "D05", "I05", "I07"},
		refused: true,
	},
	"overlap with a rootless user": {
		subuid: "alice:200000:65536\ndockremap:165536:65536\n",
		want:   []string{"I08"},
	},
	"a userns=host container": {
		setUp: running("opted-out", "--userns=host"),
		want:  []string{"C01", "C04"},
	},
	"joined to a userns=host container": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			running("opted-out", "--userns=host")(t, d)
			_, err := d.Try("run", "--detach", "--name", "joined", "--network", "container:opted-out", "busybox:test", "sleep", "60")
			t.Logf("joining: %v", err) // runc cannot do it; the next one might
		},
		want: []string{"C01", "C04", "C05"},
	},
	"map drift": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			running("web")(t, d)
			time.Sleep(1100 * time.Millisecond)
			subids(t, "alice:100000:65536\ndockremap:300000:65536\n")
		},
		want: []string{"D05", "D06", "D07"},
	},
	"host root in a container's namespaces": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			d.Start()
			d.Image()
			pid := d.Container("web")
			cmd := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--mount", "--pid", "--no-fork", "/bin/sleep", "100")
			require.NoError(t, cmd.Start())
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			time.Sleep(300 * time.Millisecond)
		},
		want: []string{"C01", "C02"},
	},
	"stale stores": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			require.NoError(t, os.MkdirAll(filepath.Join(d.Root, "300000.300000/image"), 0o710))
			running("web")(t, d)
		},
		also: []string{"D09"},
	},
	"docker.sock through a parent directory": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			d.Start()
			d.Image()
			socket := strings.TrimPrefix(d.Host, "unix://")
			require.NoError(t, os.Chmod(socket, 0o666))
			d.Container("web", "--volume", filepath.Dir(socket)+":/host")
		},
		want: []string{"C07"},
	},
	"setuid file dropped": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			running("web", "--volume", "data:/data")(t, d)
			// What cp and chown -R in a migration by hand make of a setuid program.
			for store, mode := range map[string]os.FileMode{"": 0o4755, "165536.165536": 0o755} {
				sudo := filepath.Join(d.Root, store, "volumes/data/_data/sudo")
				require.NoError(t, os.MkdirAll(filepath.Dir(sudo), 0o755))
				require.NoError(t, os.WriteFile(sudo, []byte("x"), 0o755))
				if store != "" {
					require.NoError(t, os.Chown(sudo, 165536, 165536))
				}
				require.NoError(t, syscall.Chmod(sudo, uint32(mode)))
			}
		},
		deep: true,
		also: []string{"C11"},
	},
	"max_user_namespaces reset in sysctl.d": {
		setUp: func(t *testing.T, d *hosttest.Docker) {
			require.NoError(t, os.WriteFile("/etc/sysctl.d/90-stig.conf", []byte("user.max_user_namespaces = 0\n"), 0o644))
			t.Cleanup(func() { os.Remove("/etc/sysctl.d/90-stig.conf") })
			running("web")(t, d)
		},
		want: []string{"K03"},
	},
}

func TestEveryStateOfAHostIsToldApart(t *testing.T) {
	if !hosttest.Private(t, needs...) {
		return
	}
	require.NoError(t, os.MkdirAll("/etc/docker", 0o755))
	require.NoError(t, os.MkdirAll("/etc/sysctl.d", 0o755))
	for _, account := range []string{"dockremap", "alice"} {
		args := []string{"--user-group", account}
		if account == "dockremap" {
			args = append([]string{"--system"}, args...)
		}
		out, err := exec.Command("useradd", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		t.Run(name, func(t *testing.T) {
			if s.subuid == "" {
				s.subuid = good
			}
			if s.daemon == "" {
				s.daemon = remaps
			}
			subids(t, s.subuid)
			daemonJSON(t, s.daemon)
			if s.setUp == nil {
				s.setUp = running("web")
			}
			d := hosttest.NewDocker(t)
			if s.refused && d.TryStart() != nil {
				t.Logf("dockerd does not start: %s", lastLine(d.Log()))
				return
			}
			d.Stop()
			s.setUp(t, d)
			check(t, d, s)
		})
	}
}

func check(t *testing.T, d *hosttest.Docker, s state) {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Options{
		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, d.Host) },
		Deep:   s.deep,
		Helper: helper,
	})
	require.NoError(t, err)
	severe, others := []string{}, []string{}
	for _, f := range report.Findings {
		if !ours(d, f.Subject) {
			continue
		}
		switch {
		case f.Verdict == verify.Unknown && f.Severity >= verify.High:
			assert.Fail(t, "unknown", "%s %s: %s", f.Check, f.Subject, f.Text)
		case f.Verdict == verify.Fail && f.Severity >= verify.High:
			severe = append(severe, f.Check)
			t.Logf("%s %s %s: %s", f.Check, f.Severity, f.Subject, f.Text)
		case f.Verdict == verify.Fail || f.Verdict == verify.Warn:
			others = append(others, f.Check)
			t.Logf("%s %s %s %s: %s", f.Check, f.Verdict, f.Severity, f.Subject, f.Text)
		}
	}
	slices.Sort(severe)
	assert.Equal(t, append([]string{}, s.want...), slices.Compact(severe))
	for _, id := range s.also {
		assert.Contains(t, others, id)
	}
}

// ours reports whether a finding is about this test's host: the machine may
// have containers and namespaces of others, which verify is right to report.
func ours(d *hosttest.Docker, subject string) bool {
	kind, name, _ := strings.Cut(subject, "/")
	switch kind {
	case "container":
		for id := range d.Containers {
			if strings.HasPrefix(id, name) {
				return true
			}
		}
		return slices.Contains([]string{"web", "opted-out", "joined"}, name)
	case "process":
		cgroup, _ := os.ReadFile("/proc/" + name + "/cgroup")
		for id := range d.Containers {
			if strings.Contains(string(cgroup), id) {
				return true
			}
		}
		return false
	}
	return true
}

func subids(t *testing.T, text string) {
	t.Helper()
	for _, path := range []string{"/etc/subuid", "/etc/subgid"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func daemonJSON(t *testing.T, members string) {
	t.Helper()
	require.NoError(t, os.WriteFile("/etc/docker/daemon.json", []byte("{"+members+"}\n"), 0o644))
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
