package remap_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify/engine"
)

// restart applies a change whose plan asks for a restart, and runs it on a
// host whose programs are run and whose daemon answers as ask says.
func restart(t *testing.T, argv []string, run func(string) ([]byte, error), ask func(context.Context) (*engine.Engine, error)) (usernskit.Host, []string, error) {
	t.Helper()
	host := hosttest.Tree(t, "-- etc/docker/daemon.json --\n{}\n")
	var ran []string
	host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		line := strings.Join(argv, " ")
		if !strings.HasPrefix(line, "systemctl show") {
			ran = append(ran, line)
		}
		return run(line)
	}
	receipt, err := host.Apply(t.Context(), usernskit.Plan{
		Title:   "enable",
		Changes: []usernskit.Change{{Path: "/etc/docker/daemon.json", Before: []byte("{}\n"), After: []byte("{\"userns-remap\":\"default\"}\n")}},
		Actions: []usernskit.Action{{Why: "dockerd reads it when it starts", Argv: argv, Kind: usernskit.ActionRestartDocker}},
	})
	require.NoError(t, err)
	err = remap.Restart{Host: host, Receipt: receipt, Store: "165536.165536", Ask: ask, Wait: 300 * time.Millisecond}.Run(t.Context())
	return host, ran, err
}

var systemctl = []string{"systemctl", "restart", "docker"}

func text(t *testing.T, h usernskit.Host) string {
	data, err := h.ReadFile("/etc/docker/daemon.json")
	require.NoError(t, err)
	return string(data)
}

func works(string) ([]byte, error) { return nil, nil }

func TestRestartWaitsUntilTheDaemonAnswersAsWanted(t *testing.T) {
	calls := 0
	host, ran, err := restart(t, systemctl, works, func(context.Context) (*engine.Engine, error) {
		if calls++; calls < 3 {
			return nil, errors.New("connection refused")
		}
		return &engine.Engine{SecurityOptions: []string{"name=userns"}, RootDir: "/var/lib/docker/165536.165536"}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"systemctl restart docker"}, ran)
	assert.Contains(t, text(t, host), "userns-remap")
}

// Whatever is wrong with the daemon that came back, the files go back, docker
// is restarted with them, and the person reads what docker said.
func TestRestartPutsTheFilesBackWhereDockerDoesNotComeBackAsWanted(t *testing.T) {
	for name, tt := range map[string]struct {
		first  engine.Engine
		broken bool // the restart itself fails
		want   string
	}{
		"does not start":   {broken: true, want: "exit status 1"},
		"is not remapped":  {first: engine.Engine{RootDir: "/var/lib/docker"}, want: "no name=userns"},
		"in another store": {first: engine.Engine{SecurityOptions: []string{"name=userns"}, RootDir: "/var/lib/docker/0.0"}, want: "/var/lib/docker/0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			restarts := 0
			host, ran, err := restart(t, systemctl, func(line string) ([]byte, error) {
				switch {
				case strings.HasPrefix(line, "systemctl restart"):
					if restarts++; restarts == 1 && tt.broken {
						return nil, errors.New("exit status 1")
					}
				case strings.HasPrefix(line, "journalctl"):
					return []byte("no subuid ranges found for user \"x\"\n"), nil
				}
				return nil, nil
			}, func(context.Context) (*engine.Engine, error) { return &tt.first, nil })
			var fail *remap.RestartError
			require.ErrorAs(t, err, &fail)
			require.NoError(t, fail.Undo)
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "no subuid ranges found")
			assert.Equal(t, "{}\n", text(t, host))
			assert.Equal(t, 2, restarts)
			assert.Contains(t, ran, "systemctl reset-failed docker.service")
		})
	}
}

func TestRestartSaysSoWhereNothingAnswersAnyMore(t *testing.T) {
	host, _, err := restart(t, systemctl, works, func(context.Context) (*engine.Engine, error) {
		return nil, errors.New("connection refused")
	})
	var fail *remap.RestartError
	require.ErrorAs(t, err, &fail)
	assert.NoError(t, fail.Undo)
	assert.Error(t, fail.Down, "the old files are back, but docker is not")
	assert.ErrorContains(t, err, "the files are as they were, but docker is not running: restart with the old files: ")
	assert.ErrorContains(t, err, "no answer within")
	assert.Equal(t, "{}\n", text(t, host))
}

func TestRestartWithoutSystemdNamesTheCommandAndRunsNothing(t *testing.T) {
	host, ran, err := restart(t, []string{"service", "docker", "restart"}, works, nil)
	require.ErrorIs(t, err, remap.ErrNoSystemd)
	assert.ErrorContains(t, err, "service docker restart")
	assert.Empty(t, ran)
	assert.Contains(t, text(t, host), "userns-remap", "the change stands")
}

// Ctrl-C ends the waiting, and not what puts things back.
func TestRestartThatIsInterruptedPutsEverythingBack(t *testing.T) {
	for _, during := range []string{"the restart", "the waiting"} {
		t.Run(during, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			host := hosttest.Tree(t, "-- etc/docker/daemon.json --\n{}\n")
			var ran []string
			host.Run = func(ctx context.Context, argv ...string) ([]byte, error) {
				if argv[1] == "show" {
					return nil, nil
				}
				if ran = append(ran, argv[0]+" "+argv[1]); len(ran) == 1 && during == "the restart" {
					interrupt()
				}
				return nil, ctx.Err()
			}
			receipt, err := host.Apply(t.Context(), usernskit.Plan{
				Changes: []usernskit.Change{{Path: "/etc/docker/daemon.json", Before: []byte("{}\n"), After: []byte("{\"userns-remap\":\"default\"}\n")}},
				Actions: []usernskit.Action{{Argv: systemctl, Kind: usernskit.ActionRestartDocker}},
			})
			require.NoError(t, err)
			err = remap.Restart{Host: host, Receipt: receipt, Store: "1.1", Ask: func(ctx context.Context) (*engine.Engine, error) {
				interrupt()
				if len(ran) == 1 {
					return nil, errors.New("connection refused")
				}
				return nil, ctx.Err()
			}}.Run(ctx)
			var fail *remap.RestartError
			require.ErrorAs(t, err, &fail)
			require.NoError(t, fail.Undo)
			require.ErrorIs(t, err, context.Canceled)
			assert.NotContains(t, err.Error(), "no answer within", "it was not waited for that long")
			assert.Equal(t, "{}\n", text(t, host))
			assert.Equal(t, []string{"systemctl restart", "journalctl --unit", "systemctl reset-failed", "systemctl restart"}, ran)
		})
	}
}

// An empty ID stands for the last run to Undo. Here that is none of the restart's.
func TestRestartWithoutAChangeTakesNoOtherChangeBack(t *testing.T) {
	host, _, err := restart(t, systemctl, works, func(context.Context) (*engine.Engine, error) {
		return &engine.Engine{SecurityOptions: []string{"name=userns"}, RootDir: "/var/lib/docker/165536.165536"}, nil
	})
	require.NoError(t, err)
	restarts := 0
	host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if argv[0] == "systemctl" && argv[1] == "restart" {
			restarts++
		}
		return nil, nil
	}
	err = remap.Restart{
		Host: host, Receipt: usernskit.Receipt{Actions: []usernskit.Action{{Argv: systemctl, Kind: usernskit.ActionRestartDocker}}}, Store: "165536.165536",
		Ask: func(context.Context) (*engine.Engine, error) { return &engine.Engine{RootDir: "/var/lib/docker"}, nil },
	}.Run(t.Context())
	var fail *remap.RestartError
	require.ErrorAs(t, err, &fail)
	assert.True(t, fail.Kept)
	assert.ErrorContains(t, err, "no name=userns")
	assert.NotContains(t, err.Error(), "as they were")
	assert.Contains(t, text(t, host), "userns-remap", "the earlier change stands")
	assert.Equal(t, 1, restarts)
}

// A docker that was stopped, by its socket or without, is stopped afterwards.
func TestRestartThatFailsLeavesDockerInTheStateBefore(t *testing.T) {
	for _, c := range []struct{ name, service, socket, stop string }{
		{"both stopped", "inactive", "inactive", "systemctl stop docker.service docker.socket"},
		{"the socket listens", "inactive", "active", "systemctl stop docker.service"},
		{"failed before", "failed", "active", "systemctl stop docker.service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := hosttest.Tree(t, "-- etc/docker/daemon.json --\n{}\n")
			var ran []string
			host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
				line := strings.Join(argv, " ")
				switch {
				case strings.HasPrefix(line, "systemctl show"):
					return []byte("Id=docker.service\nActiveState=" + c.service + "\n\nId=docker.socket\nActiveState=" + c.socket + "\n"), nil
				case line == "systemctl restart docker":
					return nil, errors.New("Job for docker.service failed. See \"systemctl status docker.service\" for details.")
				}
				ran = append(ran, line)
				return nil, nil
			}
			receipt, err := host.Apply(t.Context(), usernskit.Plan{
				Changes: []usernskit.Change{{Path: "/etc/docker/daemon.json", Before: []byte("{}\n"), After: []byte("{\"userns-remap\":\"default\"}\n")}},
				Actions: []usernskit.Action{{Argv: systemctl, Kind: usernskit.ActionRestartDocker}},
			})
			require.NoError(t, err)
			err = remap.Restart{Host: host, Receipt: receipt, Store: "1.1"}.Run(t.Context())
			var fail *remap.RestartError
			require.ErrorAs(t, err, &fail)
			assert.True(t, fail.Stopped)
			assert.NoError(t, fail.Down)
			assert.Contains(t, ran, c.stop)
			assert.ErrorContains(t, err, "for details; the files are as they were, and docker is stopped, as it was before")
			assert.Equal(t, "{}\n", text(t, host))
		})
	}
}

// Without the kernel setting no container starts, however docker came back.
func TestRestartRunsWhatThePlanNeedsNow(t *testing.T) {
	host := hosttest.Tree(t, "-- etc/docker/daemon.json --\n{}\n")
	var ran []string
	host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if argv[1] != "show" {
			ran = append(ran, strings.Join(argv, " "))
		}
		return nil, nil
	}
	var steps []string
	err := remap.Restart{
		Host: host, Store: "1.1",
		Receipt: usernskit.Receipt{Actions: []usernskit.Action{
			{Argv: []string{"sysctl", "-p", "/etc/sysctl.d/99-usernskit.conf"}},
			{Argv: []string{"reboot"}, When: usernskit.WhenLater},
			{Argv: []string{"in", "the", "tree"}, Where: usernskit.WhereTree},
			{Argv: systemctl, Kind: usernskit.ActionRestartDocker},
		}},
		Ask: func(context.Context) (*engine.Engine, error) {
			return &engine.Engine{SecurityOptions: []string{"name=userns"}, RootDir: "/d/1.1"}, nil
		},
		Step: func(a usernskit.Action) { steps = append(steps, a.Argv[0]) },
	}.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"sysctl -p /etc/sysctl.d/99-usernskit.conf", "systemctl restart docker"}, ran)
	assert.Equal(t, []string{"sysctl", "systemctl"}, steps)
}

// docker is remapped already, and no container starts until the kernel lets it.
func TestWhatThePlanNeedsNowIsRunWhereDockerNeedsNoRestart(t *testing.T) {
	for name, fails := range map[string]bool{"it works": false, "it fails, and the file goes back": true} {
		t.Run(name, func(t *testing.T) {
			host := hosttest.Tree(t, "-- etc/sysctl.d/hardening.conf --\n")
			var ran []string
			host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
				ran = append(ran, strings.Join(argv, " "))
				if fails {
					return nil, errors.New("permission denied")
				}
				return nil, nil
			}
			receipt, err := host.Apply(t.Context(), usernskit.Plan{
				Changes: []usernskit.Change{{Path: "/etc/sysctl.d/99-usernskit.conf", After: []byte("user.max_user_namespaces=1\n")}},
				Actions: []usernskit.Action{{Argv: []string{"sysctl", "-p"}}},
			})
			require.NoError(t, err)
			err = remap.Restart{Host: host, Receipt: receipt, Store: "1.1"}.Run(t.Context())
			assert.Equal(t, []string{"sysctl -p"}, ran)
			_, missing := host.Stat("/etc/sysctl.d/99-usernskit.conf")
			if !fails {
				require.NoError(t, err)
				assert.NoError(t, missing)
				return
			}
			assert.ErrorContains(t, err, "permission denied; the files are as they were, and docker was not restarted")
			assert.ErrorIs(t, missing, fs.ErrNotExist)
		})
	}
}
