package daemoncfg_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

const (
	ce     = "-- usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n"
	people = "-- etc/passwd --\nroot:x:0:0::/root:/bin/sh\ndockremap:x:100:101::/:/bin/false\njames:x:1000:1000::/:/bin/sh\n-- etc/group --\nroot:x:0:\ndockremap:x:101:\njames:x:1000:\n"
)

func file(text string) string { return "-- etc/docker/daemon.json --\n" + text + "\n" }

// problems are what Check finds on a tree, as "ID level position".
func problems(t *testing.T, tree string) []string {
	t.Helper()
	h := newTree(t, people+tree)
	s, err := dockerd.Read(t.Context(), h)
	require.NoError(t, err)
	doc, err := daemoncfg.Open(h, s)
	require.NoError(t, err)
	var list []string
	for _, p := range daemoncfg.Check(t.Context(), h, s, doc, nil) {
		list = append(list, string(p.ID)+" "+p.Level.String()+" "+p.Pos.String())
	}
	return list
}

func TestCheck(t *testing.T) {
	const unit = "/usr/lib/systemd/system/docker.service"
	for _, c := range []struct {
		name, tree string
		want       []string
	}{
		{"nothing wrong", ce + file(`{"userns-remap": "default"}`), nil},
		{"hosts beside -H fd://", ce + file(`{"userns-remap": "default", "hosts": ["unix:///var/run/docker.sock"]}`), []string{"flag-conflict fatal " + unit + ":2"}},
		{"log-driver in both", strings.Replace(ce, "-H fd://", "--log-driver=journald", 1) + file(`{"log-driver": "json-file"}`), []string{"flag-conflict fatal " + unit + ":2"}},
		{"--host-gateway-ip beside its older key", strings.Replace(ce, "-H fd://", "--host-gateway-ip=10.0.0.1", 1) + file(`{"host-gateway-ip": "10.0.0.2"}`), []string{"flag-conflict fatal " + unit + ":2"}},
		{"--host-gateway-ip beside its newer key", strings.Replace(ce, "-H fd://", "--host-gateway-ip=10.0.0.1", 1) + file(`{"host-gateway-ips": ["10.0.0.2"]}`), []string{"flag-conflict fatal " + unit + ":2"}},
		{"a misspelled key", ce + file(`{"userns-remap": "default", "log-driverr": "x"}`), []string{"unknown-key fatal /etc/docker/daemon.json:1:29"}},
		{"graph as a flag beside data-root, which 20.10 takes", strings.Replace(ce, "-H fd://", "-g /data", 1) + file(`{"data-root": "/data"}`), []string{"unknown-flag fatal " + unit + ":2"}},
		{"graph in both", strings.Replace(ce, "-H fd://", "--graph=/data", 1) + file(`{"graph": "/data"}`),
			[]string{"unknown-flag fatal " + unit + ":2", "removed-key fatal /etc/docker/daemon.json:1:2", "flag-conflict fatal " + unit + ":2"}},
		{"DOCKER_OPTS that names itself under systemd", "-- usr/lib/systemd/system/docker.service --\n[Service]\nEnvironmentFile=/etc/default/docker\nExecStart=/usr/bin/dockerd $DOCKER_OPTS\n-- etc/default/docker --\nDOCKER_OPTS=\"$DOCKER_OPTS --mtu=1450\"\n",
			[]string{"refused-word fatal /etc/default/docker:1"}},
		{"a file that a flag names and that is missing", strings.Replace(ce, "-H fd://", "--config-file=/srv/d.json", 1), []string{"missing-file fatal /srv/d.json"}},
		{"the containerd image store", ce + file(`{"userns-remap": "default", "features": {"containerd-snapshotter": true}}`), []string{"snapshotter fatal /etc/docker/daemon.json:1:42"}},
		{"the containerd image store as a flag", strings.Replace(ce, "-H fd://", "--feature containerd-snapshotter", 1) + file(`{"userns-remap": "default"}`), []string{"snapshotter fatal " + unit + ":2"}},
		{"rootless", ce + file(`{"userns-remap": "default", "rootless": true}`), []string{"rootless fatal /etc/docker/daemon.json:1"}},
		{"a user that is not there", ce + file(`{"userns-remap": "nobody-here"}`), []string{"missing-account fatal /etc/docker/daemon.json:1"}},
		{"root as a flag", strings.Replace(ce, "-H fd://", "--userns-remap=root", 1), []string{"fail-open note " + unit + ":2"}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, problems(t, c.tree)) })
	}
	t.Run("no useradd, where there are programs", func(t *testing.T) {
		h := newTree(t, ce+file(`{"userns-remap": "default"}`)+"-- usr/sbin/init --\nx\n")
		_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
		require.NoError(t, err, "it was wrong before")
		h = newTree(t, ce+"-- usr/sbin/init --\nx\n")
		_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
		require.ErrorIs(t, err, daemoncfg.ErrAccount)
		require.ErrorContains(t, err, "neither useradd nor adduser")
	})
}

func ids(list []usernskit.Warning) (ids []string) {
	for _, w := range list {
		id := w.ID
		if w.Risk {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

func TestRootlessIsARisk(t *testing.T) {
	plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, people+ce+file(`{"rootless": true}`)))
	require.NoError(t, err)
	require.Equal(t, []string{"rootless!"}, ids(plan.Warnings))
	plan, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, people+ce+file(`{"rootless": true, "userns-remap": "default"}`)))
	require.NoError(t, err)
	require.Equal(t, []string{"rootless"}, ids(plan.Warnings), "on already")
}

func TestPlanSaysWhatIsNotKnownOfTheStart(t *testing.T) {
	for _, c := range []struct {
		name, tree string
		want       []string
	}{
		{"an init script that is not understood", "-- etc/init.d/docker --\n#!/bin/sh\nexec /opt/start\n", []string{"startup-unsure!"}},
		{"the same, and nothing to do, which nobody need accept", "-- etc/init.d/docker --\n#!/bin/sh\nexec /opt/start\n-- etc/docker/daemon.json --\n{\"userns-remap\": \"default\"}\n", []string{"startup-unsure"}},
		{"no docker of any kind", "-- proc/7/comm --\nsleep\n", []string{"startup-absent"}},
		{"a rootless unit of a user alone", "-- proc/7/comm --\nsleep\n-- home/ann/.config/systemd/user/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd-rootless.sh\n", []string{"startup-unsure!"}},
		{"a snap and docker.service", ce + "-- etc/systemd/system/snap.docker.dockerd.service --\n[Service]\nExecStart=/usr/bin/snap run docker.dockerd\n", []string{"startup-unsure!"}},
		{"DOCKER_OPTS that nothing reads", ce + "-- etc/default/docker --\nDOCKER_OPTS=\"--userns-remap=default\"\n", []string{"ignored-flags"}},
		{"docker daemon", "-- usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/docker daemon -H fd://\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := strings.Replace(people, "-- etc/passwd", "-- etc/passwd", 1) + c.tree
			plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, tree))
			require.NoError(t, err)
			assert.Equal(t, c.want, ids(plan.Warnings), plan.Warnings)
		})
	}
	t.Run("a person says which file it is", func(t *testing.T) {
		h := newTree(t, people+"-- etc/init.d/docker --\n#!/bin/sh\nexec /opt/start\n")
		s, err := dockerd.Choice{ConfigFile: "/opt/d.json"}.Read(t.Context(), h)
		require.NoError(t, err)
		doc, err := daemoncfg.Open(h, s)
		require.NoError(t, err)
		plan, err := doc.PlanRemap(t.Context(), h, daemoncfg.Remap{User: "default"})
		require.NoError(t, err)
		assert.Empty(t, plan.Warnings)
		assert.Equal(t, "/opt/d.json", plan.Changes[0].Path)
	})
}

func TestAFlagInADropIn(t *testing.T) {
	tree := people + ce + "-- etc/systemd/system/docker.service.d/remap.conf --\n[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd:// --userns-remap=james\n"
	t.Run("that says the same is nothing to do", func(t *testing.T) {
		plan, err := daemoncfg.Remap{User: "james"}.Plan(t.Context(), newTree(t, tree+file(`{}`)))
		require.NoError(t, err)
		assert.True(t, plan.Empty())
		assert.Equal(t, []string{"remap-by-flag"}, ids(plan.Warnings))
		assert.Equal(t, "/etc/systemd/system/docker.service.d/remap.conf:3", plan.Warnings[0].Pos.String())
	})
	t.Run("that says something else is a conflict", func(t *testing.T) {
		_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, tree))
		require.ErrorIs(t, err, daemoncfg.ErrConflict)
	})
	t.Run("is named, with the drop-in to write, by who turns it off", func(t *testing.T) {
		_, err := planClear(t.Context(), newTree(t, tree+file(`{}`)))
		require.ErrorIs(t, err, daemoncfg.ErrFlag)
		require.EqualError(t, err, "/etc/systemd/system/docker.service.d/remap.conf:3: userns-remap is set by a flag of dockerd, --userns-remap=james, and is not edited here: "+
			"take it out of /etc/systemd/system/docker.service.d/remap.conf:3, or override it by a drop-in (systemctl edit docker) of the lines [Service], ExecStart= and ExecStart=/usr/bin/dockerd -H fd://")
	})
	t.Run("and in the file: unsetting the key is one of the cures", func(t *testing.T) {
		plan, err := daemoncfg.PlanSet(t.Context(), newTree(t, tree+file(`{"userns-remap": "default", "debug": true}`)), []string{"userns-remap"}, nil)
		require.NoError(t, err)
		assert.Equal(t, "{\"debug\": true}\n", string(plan.Changes[0].After))
	})
}

func TestWhatWasWrongBeforeIsAWarning(t *testing.T) {
	h := newTree(t, people+ce+file(`{"a-key-of-docker-35": 1, "mtu": "x"}`))
	plan, err := daemoncfg.PlanSet(t.Context(), h, []string{"debug"}, json.RawMessage("true"))
	require.NoError(t, err)
	assert.Equal(t, []string{"unknown-key", "wrong-type"}, ids(plan.Warnings), "and no risk that wants a person's yes")
	plan, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, people+ce+file(`{"userns-remap": "default", "log-driverr": "x"}`)))
	require.NoError(t, err)
	assert.True(t, plan.Empty())
	assert.Equal(t, []string{"unknown-key"}, ids(plan.Warnings), "said although there is nothing to do")
	_, err = daemoncfg.PlanSet(t.Context(), h, []string{"debug"}, json.RawMessage(`"yes"`))
	require.ErrorIs(t, err, daemoncfg.ErrInvalid, "what the edit makes wrong is refused")
}

func TestTheActionIsByKey(t *testing.T) {
	for _, c := range []struct {
		name, before, patch, argv, why string
		kind                           usernskit.ActionKind
	}{
		{"registry mirrors are reloaded", `{}`, `{"registry-mirrors": ["https://m"]}`, "systemctl reload docker", "dockerd takes over registry-mirrors while it runs", usernskit.ActionReloadDocker},
		{"the log driver needs a restart", `{}`, `{"log-driver": "local", "debug": true}`, "systemctl restart docker", "dockerd reads log-driver only when it starts; the containers that it runs are stopped", usernskit.ActionRestartDocker},
		{"with live-restore no container is stopped", `{"live-restore": true}`, `{"log-driver": "local"}`, "systemctl restart docker", "dockerd reads log-driver only when it starts", usernskit.ActionRestartDocker},
		{"a mirror in a flattened object", `{"x": {"registry-mirrors": []}}`, `{"x": {"registry-mirrors": ["https://m"]}}`, "systemctl reload docker", "dockerd takes over registry-mirrors while it runs", usernskit.ActionReloadDocker},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := daemoncfg.PlanMerge(t.Context(), newTree(t, people+ce+file(c.before)), json.RawMessage(c.patch))
			require.NoError(t, err)
			require.Len(t, plan.Actions, 1)
			assert.Equal(t, c.argv, strings.Join(plan.Actions[0].Argv, " "))
			assert.Equal(t, c.why, plan.Actions[0].Why)
			assert.Equal(t, c.kind, plan.Actions[0].Kind)
			assert.Equal(t, usernskit.WhereBoot, plan.Actions[0].Where, "no dockerd of the tree runs")
		})
	}
	assert.Equal(t, usernskit.WhereHost, dockerd.Startup{}.Restart().Where)
}

func TestFilesThatOthersMake(t *testing.T) {
	nix := "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/nix/store/b/bin/dockerd --config-file=/nix/store/abc-daemon.json\n-- nix/store/abc-daemon.json --\n{}\n"
	_, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, people+nix))
	require.ErrorIs(t, err, daemoncfg.ErrGenerated)
	require.ErrorContains(t, err, "virtualisation.docker.daemon.settings")
	linked := ce + "-- etc/docker/daemon.json -> /nix/store/abc-daemon.json --\n-- nix/store/abc-daemon.json --\n{}\n"
	h := newTree(t, people+linked)
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.ErrorIs(t, err, daemoncfg.ErrGenerated)
	t.Chdir(h.Root)
	_, err = daemoncfg.Remap{User: "default"}.Plan(t.Context(), usernskit.Host{Root: "."})
	require.ErrorIs(t, err, daemoncfg.ErrGenerated, "a relative root")
	for _, tree := range []string{
		ce + file(`{"_comment": "MANAGED BY ANSIBLE"}`),
		ce + file(`{}`) + "-- etc/docker/README --\n# This directory is managed by Puppet.\n",
		"-- usr/lib/systemd/system/docker.service --\n# Generated by Chef for web1\n[Service]\nExecStart=/usr/bin/dockerd\n" + file(`{}`),
	} {
		plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), newTree(t, people+tree))
		require.NoError(t, err)
		assert.Contains(t, ids(plan.Warnings), "managed")
	}
}

// RFC 7396, appendix A, as far as the document is an object.
func TestMerge(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`}, {`{"a":{"x":1}}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{"{\n  \"debug\": true\n}\n", `{"log-opts":{"max-size":"10m"},"debug":null}`, "{\n  \"log-opts\": {\"max-size\":\"10m\"}\n}\n"},
	} {
		doc, err := daemoncfg.Parse("d", []byte(c[0]))
		require.NoError(t, err)
		require.NoError(t, doc.Merge(json.RawMessage(c[1])))
		assert.JSONEq(t, c[2], string(doc.Bytes()), c[1])
		once := string(doc.Bytes())
		require.NoError(t, doc.Merge(json.RawMessage(c[1])))
		assert.Equal(t, once, string(doc.Bytes()), "a second time changes nothing")
	}
	doc, err := daemoncfg.Parse("d", []byte(`{"a":1}`))
	require.NoError(t, err)
	for _, bad := range []string{``, `null`, `[]`, `{"b":1,"b":2}`, `{"b":2,"a":{"x":1}`} {
		require.ErrorIs(t, doc.Merge(json.RawMessage(bad)), daemoncfg.ErrInvalid, bad)
	}
	assert.Equal(t, `{"a":1}`, string(doc.Bytes()))
}
