package daemoncfg_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/hosttest"
)

const unit = `
-- lib/systemd/system/docker.service --
[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS
`

func TestPlanRemapMakesTheFileThatIsMissing(t *testing.T) {
	for name, tree := range map[string]string{
		"missing": "-- etc/hosts --\n",
		"empty":   "-- etc/docker/daemon.json --\n",
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, tree))
			require.NoError(t, err)
			require.Len(t, plan.Changes, 1)
			c := plan.Changes[0]
			assert.Equal(t, "/etc/docker/daemon.json", c.Path)
			assert.Equal(t, "{\n  \"userns-remap\": \"default\"\n}\n", string(c.After))
			assert.Equal(t, name == "missing", c.Before == nil)
			assert.Equal(t, fs.FileMode(0o644), c.Mode)
			require.Len(t, plan.Actions, 1)
			assert.Equal(t, []string{"systemctl", "restart", "docker"}, plan.Actions[0].Argv)
			assert.NotEqual(t, usernskit.WhenLater, plan.Actions[0].When)
			assert.Empty(t, plan.Warnings)
		})
	}
}

func TestPlanRemapOfWhatIsSetPlansNothing(t *testing.T) {
	for name, text := range map[string]string{
		"as is":   `{"userns-remap": "default", "live-restore": true}`,
		"escaped": `{"userns\u002dremap": "def\u0061ult", "live-restore": true}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newTree(t, "-- etc/docker/daemon.json --\n"+text+"\n")
			plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.NoError(t, err)
			assert.Empty(t, plan.Changes)
			assert.Empty(t, plan.Actions)
			assert.Empty(t, plan.Warnings)
		})
	}
	h := newTree(t, "-- etc/docker/daemon.json --\n{\"debug\": true}\n")
	plan, err := planClear(t.Context(), h)
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	assert.Empty(t, plan.Actions)
}

func TestEnableThenDisableGivesTheSameBytes(t *testing.T) {
	for name, text := range map[string]string{
		"hand-indented": "{\n    \"debug\" : true ,\n\n    \"zz\": { \"a\":1.0 }\n}",
		"one line":      "{\"debug\":true}\n",
		"empty object":  "{}\n",
		"DOS":           "{\r\n\t\"debug\": true\r\n}\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := newTree(t, "-- etc/docker/daemon.json --\n"+text+"\n")
			before := hosttest.Snapshot(t, h)
			apply(t, h, must(daemoncfg.Remap{User: "default"}.Plan(t.Context(), h))(t))
			doc, err := daemoncfg.Read(t.Context(), h)
			require.NoError(t, err)
			assert.True(t, doc.Setting().On)
			apply(t, h, must(planClear(t.Context(), h))(t))
			assert.Equal(t, before, hosttest.Snapshot(t, h))
		})
	}
}

// Only Undo knows that there was no file: PlanClear leaves an empty object.
func TestDisableOfAFileThatWasMissingLeavesAnEmptyObject(t *testing.T) {
	h := newTree(t, "-- etc/passwd --\n")
	before := hosttest.Snapshot(t, h)
	receipt := apply(t, h, must(daemoncfg.Remap{User: "default"}.Plan(t.Context(), h))(t))
	off := must(planClear(t.Context(), h))(t)
	assert.Equal(t, "{\n}\n", string(off.Changes[0].After))
	require.NoError(t, h.Undo(context.Background(), receipt.ID, nil))
	assert.Equal(t, before, hosttest.Snapshot(t, h))
}

// dockerd takes a link to nowhere for a missing file, and goes on without it.
func TestALinkToNowhereIsWrittenThrough(t *testing.T) {
	h := newTree(t, "-- etc/docker/daemon.json -> /srv/dotfiles/daemon.json --\n-- srv/dotfiles/README --\n")
	apply(t, h, must(daemoncfg.Remap{User: "default"}.Plan(t.Context(), h))(t))
	files := hosttest.Snapshot(t, h)
	assert.Equal(t, "-> /srv/dotfiles/daemon.json", files["/etc/docker/daemon.json"])
	assert.Equal(t, "{\n  \"userns-remap\": \"default\"\n}\n", files["/srv/dotfiles/daemon.json"])
}

func TestPlanRemapMovesTheFlagOutOfDockerOpts(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"alone", `DOCKER_OPTS="--userns-remap=default"`, `DOCKER_OPTS=""`},
		{"first", `DOCKER_OPTS="--userns-remap=default --debug"`, `DOCKER_OPTS="--debug"`},
		{"last", `DOCKER_OPTS="--debug  --userns-remap default"`, `DOCKER_OPTS="--debug"`},
		{"in the middle", `DOCKER_OPTS="--debug --userns-remap=alice:staff   --mtu 1400"`, `DOCKER_OPTS="--debug   --mtu 1400"`},
		{"with spaces in front", `DOCKER_OPTS=" --userns-remap=default"`, `DOCKER_OPTS=""`},
		{"twice", `DOCKER_OPTS="--userns-remap=a --userns-remap=b"`, `DOCKER_OPTS=""`},
		{"empty", `DOCKER_OPTS="--userns-remap="`, `DOCKER_OPTS=""`},
		{"root", `DOCKER_OPTS="--userns-remap root"`, `DOCKER_OPTS=""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := func(line string) string { return "# mine\nX=1\n" + line + "\n# end" }
			h := newTree(t, unit+"-- etc/docker/daemon.json --\n{\"icc\": false}\n-- etc/default/docker --\n"+env(test.in)+"\n")
			plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.NoError(t, err)
			require.Len(t, plan.Changes, 2)
			assert.Equal(t, "/etc/docker/daemon.json", plan.Changes[0].Path, "first, so that a crash in between does not start an un-remapped dockerd")
			assert.Equal(t, "{\"icc\": false, \"userns-remap\": \"default\"}\n", string(plan.Changes[0].After))
			assert.Equal(t, "/etc/default/docker", plan.Changes[1].Path)
			assert.Equal(t, env(test.want)+"\n", string(plan.Changes[1].After))

			apply(t, h, plan)
			again, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.NoError(t, err)
			assert.Empty(t, again.Changes)
		})
	}
}

func TestFlagsThatNobodyButAPersonMayTakeOut(t *testing.T) {
	const plain = `the line is not of the plain form DOCKER_OPTS="..."; take the flag out by hand, and run this again: `
	for _, test := range []struct{ name, tree, place, fix string }{
		{"no quotes", unit + "-- etc/default/docker --\nDOCKER_OPTS=--userns-remap=alice\n", "/etc/default/docker:1 (DOCKER_OPTS)", plain + "DOCKER_OPTS=--userns-remap=alice"},
		{"single quotes", unit + "-- etc/default/docker --\nDOCKER_OPTS='--userns-remap=alice'\n", "/etc/default/docker:1 (DOCKER_OPTS)", plain + "DOCKER_OPTS='--userns-remap=alice'"},
		{"a comment behind it", unit + "-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=alice\" # x\n", "/etc/default/docker:1 (DOCKER_OPTS)", plain + `DOCKER_OPTS="--userns-remap=alice" # x`},
		{"a dollar in it", unit + "-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=alice --label=$X\"\n", "/etc/default/docker:1 (DOCKER_OPTS)", plain + `DOCKER_OPTS="--userns-remap=alice --label=$X"`},
		{"two lines", unit + "-- etc/default/docker --\nDOCKER_OPTS=\"--debug \\\n --userns-remap=alice\"\n", "/etc/default/docker:1 (DOCKER_OPTS)", plain + `DOCKER_OPTS="--debug \`},
		{"in a drop-in", "-- etc/systemd/system/docker.service.d/remap.conf --\n[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// --userns-remap=alice\n" + unit, "/etc/systemd/system/docker.service.d/remap.conf:3",
			"take it out of /etc/systemd/system/docker.service.d/remap.conf:3, or override it by a drop-in (systemctl edit docker) of the lines [Service], ExecStart= and ExecStart=/usr/sbin/dockerd -H fd://"},
		{"in the unit of a package", strings.ReplaceAll(unit, "$DOCKER_OPTS", "--userns-remap alice"), "/lib/systemd/system/docker.service:3",
			"override /lib/systemd/system/docker.service:3 by a drop-in (systemctl edit docker) of the lines [Service], ExecStart= and ExecStart=/usr/sbin/dockerd -H fd://"},
		{"in Environment=", "-- etc/systemd/system/docker.service.d/remap.conf --\n[Service]\nEnvironment=\"DOCKER_OPTS=--userns-remap=alice\"\n" + unit, "/etc/systemd/system/docker.service.d/remap.conf:2 (DOCKER_OPTS)", "set DOCKER_OPTS without it, in a drop-in (systemctl edit docker)"},
		{"of a dockerd that runs", "-- proc/7/comm --\ndockerd\n-- proc/7/cmdline --\ndockerd\x00--userns-remap=alice\x00\n", "/proc/7/cmdline", "start dockerd without it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTree(t, test.tree)
			before := hosttest.Snapshot(t, h)
			_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.ErrorIs(t, err, daemoncfg.ErrConflict)
			require.True(t, strings.HasPrefix(err.Error(), test.place+": --userns-remap"), err)
			require.ErrorContains(t, err, "the flag: "+test.fix)
			_, err = planClear(t.Context(), h)
			require.ErrorIs(t, err, daemoncfg.ErrFlag)
			require.ErrorContains(t, err, test.place)
			assert.Equal(t, before, hosttest.Snapshot(t, h))
		})
	}
}

// dockerd with any key in both places does not start, so that switching
// remapping on would take it down.
func TestPlanRemapFindsOtherConflictsBeforeItWrites(t *testing.T) {
	for name, text := range map[string]string{
		"hosts":                  `{"hosts": ["unix:///run/docker.sock"]}`,
		"hosts in some object":   `{"zzz": {"hosts": []}}`,
		"hosts through a escape": `{"h\u006fsts": []}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newTree(t, unit+"-- etc/docker/daemon.json --\n"+text+"\n")
			_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.EqualError(t, err, `/lib/systemd/system/docker.service:3: -H fd:// is a flag of dockerd here, and dockerd does not start when "hosts" is in /etc/docker/daemon.json too; remove "hosts" there, or the flag: override /lib/systemd/system/docker.service:3 by a drop-in (systemctl edit docker) of the lines [Service], ExecStart= and ExecStart=/usr/sbin/dockerd $DOCKER_OPTS`)
			_, err = daemoncfg.PlanSet(t.Context(), h, []string{"debug"}, json.RawMessage(`true`))
			require.NoError(t, err, "not the conflict of this edit")
		})
	}
	h := newTree(t, unit+"-- etc/docker/daemon.json --\n{}\n")
	_, err := daemoncfg.PlanSet(t.Context(), h, []string{"hosts"}, json.RawMessage(`["fd://"]`))
	require.ErrorIs(t, err, daemoncfg.ErrConflict)
	_, err = daemoncfg.PlanSet(t.Context(), h, nil, json.RawMessage(`{"hosts": []}`))
	require.ErrorIs(t, err, daemoncfg.ErrConflict)
	runtimes := newTree(t, "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --add-runtime x=/x\n-- etc/docker/daemon.json --\n{\"runtimes\": {}}\n")
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), runtimes)
	require.NoError(t, err, "dockerd merges runtimes")
}

func TestTheContainerdImageStoreIsRefused(t *testing.T) {
	const on = "{\n  \"features\": {\n    \"containerd-snapshotter\": true\n  }\n}\n"
	h := newTree(t, "-- etc/docker/daemon.json --\n"+on)
	_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.ErrorIs(t, err, daemoncfg.ErrSnapshotter)
	require.ErrorContains(t, err, "/etc/docker/daemon.json:3:5: containerd-snapshotter is switched on here, and dockerd from 29.0 does not start with it and userns-remap")

	h = newTree(t, "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --feature containerd-snapshotter=true\n")
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.ErrorIs(t, err, daemoncfg.ErrSnapshotter)

	h = newTree(t, "-- etc/docker/daemon.json --\n"+strings.Replace(on, "true", "false", 1))
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.NoError(t, err)

	h = newTree(t, "-- etc/docker/daemon.json --\n{\"userns-remap\": \"default\"}\n")
	_, err = daemoncfg.PlanSet(t.Context(), h, []string{"features", "containerd-snapshotter"}, json.RawMessage("true"))
	require.ErrorIs(t, err, daemoncfg.ErrSnapshotter)
}

func TestPlanRemapRefuses(t *testing.T) {
	h := newTree(t, accounts+"-- etc/docker/daemon.json --\n{\n  // mine\n}\n")
	before := hosttest.Snapshot(t, h)
	for _, r := range []daemoncfg.Remap{{}, {User: "root"}, {User: "0"}, {User: "0", Group: "0"}} {
		_, err := r.Plan(t.Context(), h)
		require.ErrorIs(t, err, daemoncfg.ErrFailOpen)
	}
	_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.EqualError(t, err, "/etc/docker/daemon.json:2:3: dockerd accepts no comments; no dockerd starts with one")
	_, err = planClear(t.Context(), h)
	require.ErrorIs(t, err, daemoncfg.ErrInvalid)
	h = newTree(t, accounts)
	_, err = daemoncfg.Remap{User: "nobody-here"}.Plan(t.Context(), h)
	require.ErrorIs(t, err, daemoncfg.ErrAccount)
	for _, value := range []string{`"root"`, `""`, `null`, `1000`, `"a:b:c"`} {
		_, err = daemoncfg.PlanSet(t.Context(), h, []string{"userns-remap"}, json.RawMessage(value))
		require.ErrorIs(t, err, daemoncfg.ErrRemap, value)
		_, err = daemoncfg.PlanSet(t.Context(), h, nil, json.RawMessage(`{"userns-remap": `+value+`}`))
		require.ErrorIs(t, err, daemoncfg.ErrRemap, value)
	}
	assert.Equal(t, before["/etc/passwd"], hosttest.Snapshot(t, h)["/etc/passwd"])
}

func TestAConfigFileThatIsNamed(t *testing.T) {
	const named = "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --config-file /srv/d.json\n"
	missing := newTree(t, named+"-- etc/docker/daemon.json --\n{}\n")
	plan := must(daemoncfg.Remap{User: "default"}.Plan(t.Context(), missing))(t)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "/srv/d.json", plan.Changes[0].Path)
	assert.Nil(t, plan.Changes[0].Before)

	directory := newTree(t, named+"-- srv/d.json/x --\n")
	_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), directory)
	require.ErrorIs(t, err, usernskit.ErrNotRegular)
	require.ErrorContains(t, err, "/srv/d.json")

	large := newTree(t, "-- etc/docker/daemon.json --\n{"+strings.Repeat(" ", 17<<20)+"}\n")
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), large)
	require.ErrorIs(t, err, usernskit.ErrTooLarge)
	require.ErrorContains(t, err, "/etc/docker/daemon.json")
}

func TestPlanSetOfOneKeyIsThePlanForIt(t *testing.T) {
	h := newTree(t, "-- etc/docker/daemon.json --\n{\n  \"debug\": true\n}\n")
	plan := must(daemoncfg.PlanSet(t.Context(), h, []string{"log-opts", "max-size"}, json.RawMessage(`"10m"`)))(t)
	assert.Equal(t, "{\n  \"debug\": true,\n  \"log-opts\": {\n    \"max-size\": \"10m\"\n  }\n}\n", string(plan.Changes[0].After))
	assert.Empty(t, plan.Warnings)

	plan = must(daemoncfg.PlanSet(t.Context(), h, []string{"zzz"}, json.RawMessage(`1`)))(t)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "unknown-key", plan.Warnings[0].ID)
	assert.True(t, plan.Warnings[0].Risk)
	assert.Equal(t, `/etc/docker/daemon.json:3:3: no dockerd from 20.10 to 29 knows the key "zzz", nor starts with it`, plan.Warnings[0].String())

	plan = must(daemoncfg.PlanSet(t.Context(), h, []string{"userns-remap"}, json.RawMessage(`"default"`)))(t)
	assert.Equal(t, must(daemoncfg.Remap{User: "default"}.Plan(t.Context(), h))(t), plan)
	plan = must(daemoncfg.PlanSet(t.Context(), h, []string{"debug"}, nil))(t)
	assert.Equal(t, "{\n}\n", string(plan.Changes[0].After))
	assert.Empty(t, must(daemoncfg.PlanSet(t.Context(), h, []string{"absent", "x"}, nil))(t).Changes)
}

func TestSetting(t *testing.T) {
	for _, test := range []struct {
		name, tree string
		want       daemoncfg.Setting
		err        error
	}{
		{"none", "-- etc/docker/daemon.json --\n{}\n", daemoncfg.Setting{}, nil},
		{"in the file", "-- etc/docker/daemon.json --\n{\n\"userns-remap\": \"alice:staff\"}\n",
			daemoncfg.Setting{Value: "alice:staff", Place: "/etc/docker/daemon.json:2", On: true, Remap: daemoncfg.Remap{User: "alice", Group: "staff"}}, nil},
		{"in DOCKER_OPTS", unit + "-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=default\"\n",
			daemoncfg.Setting{Value: "default", Place: "/etc/default/docker:1 (DOCKER_OPTS)", On: true, Remap: daemoncfg.Remap{User: "default"}}, nil},
		{"root", "-- etc/docker/daemon.json --\n{\"userns-remap\": \"root\"}\n", daemoncfg.Setting{Value: "root", Place: "/etc/docker/daemon.json:1"}, daemoncfg.ErrFailOpen},
		{"null", "-- etc/docker/daemon.json --\n{\"userns-remap\": null}\n", daemoncfg.Setting{Place: "/etc/docker/daemon.json:1"}, daemoncfg.ErrFailOpen},
		{"empty flag", unit + "-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=\"\n", daemoncfg.Setting{Place: "/etc/default/docker:1 (DOCKER_OPTS)"}, daemoncfg.ErrFailOpen},
		{"a number", "-- etc/docker/daemon.json --\n{\"userns-remap\": 1000}\n", daemoncfg.Setting{Place: "/etc/docker/daemon.json:1"}, daemoncfg.ErrRemap},
		{"both", unit + "-- etc/docker/daemon.json --\n{\"userns-remap\": \"default\"}\n-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=default\"\n",
			daemoncfg.Setting{Value: "default", Place: "/etc/docker/daemon.json:1"}, daemoncfg.ErrConflict},
		{"nested is none", "-- etc/docker/daemon.json --\n{\"zzz\": {\"userns-remap\": \"default\"}}\n", daemoncfg.Setting{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Read(t.Context(), newTree(t, test.tree))
			require.NoError(t, err)
			got := doc.Setting()
			if test.err != nil {
				require.ErrorIs(t, got.Err, test.err)
				got.Err = nil
			}
			assert.Equal(t, test.want.Place, got.Place)
			assert.Equal(t, test.want.Value, got.Value)
			assert.Equal(t, test.want.Remap, got.Remap)
			assert.Equal(t, test.want.On, got.On)
		})
	}
}

func must(p usernskit.Plan, err error) func(testing.TB) usernskit.Plan {
	return func(t testing.TB) usernskit.Plan {
		t.Helper()
		require.NoError(t, err)
		return p
	}
}

func apply(t testing.TB, h usernskit.Host, p usernskit.Plan) usernskit.Receipt {
	t.Helper()
	r, err := h.Apply(context.Background(), p)
	require.NoError(t, err)
	return r
}

func planClear(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	doc, err := daemoncfg.Read(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	return doc.PlanClear(ctx, h)
}
