package remap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestDecisionNamesWhatRunsWhatStopsAndWhatDisappears(t *testing.T) {
	sysctl := usernskit.Action{Argv: []string{"sysctl", "-p", "/etc/sysctl.d/x.conf"}}
	restart := usernskit.Action{Argv: []string{"systemctl", "restart", "docker"}, Kind: usernskit.ActionRestartDocker}
	change := func(before, after string) usernskit.Plan {
		return usernskit.Plan{Changes: []usernskit.Change{{Path: "/etc/docker/daemon.json", Before: []byte(before), After: []byte(after)}}, Actions: []usernskit.Action{sysctl, restart}}
	}
	off, on := change(`{"userns-remap": "default"}`, `{}`), change(`{}`, `{"userns-remap": "default"}`)
	var daemon *engine.Engine
	r := remap.Restart{Ask: func(context.Context) (*engine.Engine, error) {
		if daemon == nil {
			return nil, engine.ErrDown
		}
		return daemon, nil
	}}
	restarts := false
	const writes = "This writes /etc/docker/daemon.json. "
	ask := func(p usernskit.Plan) string { return r.Decide(t.Context(), p, restarts).String() }
	assert.Equal(t, writes+"Docker is not restarted by this: it runs on as it is.", ask(off), "docker is down")
	restarts = true
	assert.Contains(t, ask(off), "It runs sysctl -p /etc/sysctl.d/x.conf. Docker is restarted; which containers stop is not known")

	daemon = &engine.Engine{SecurityOptions: []string{"name=userns"}, RootDir: "/var/lib/docker/165536.165536", Images: make([]engine.Image, 3), Volumes: make([]engine.Volume, 2),
		Containers: []engine.Container{{Name: "web", Running: true}, {Name: "old"}, {Name: "db\x1b", Running: true}}}
	const stop = "Docker is restarted; 2 running containers stop: web, db\\x1b."
	const gone = " What is in /var/lib/docker/165536.165536 is not seen once remapping is off: 3 images, 3 containers, 2 volumes."
	assert.Contains(t, ask(off), stop+gone)
	for name, p := range map[string]usernskit.Plan{
		"on":                       on,
		"it stays on":              change(`{"userns-remap": "default"}`, `{"userns-remap": "default", "debug": true}`),
		"a key that only looks so": change(`{"labels": ["userns-remap=a"]}`, `{}`),
		"it was off":               change(`{"userns-remap": ""}`, `{}`),
	} {
		assert.Contains(t, ask(p), stop, name)
		assert.NotContains(t, ask(p), "not seen", name)
	}
	restarts = false
	assert.Equal(t, writes+"Docker is not restarted by this: it runs on as it is."+gone, ask(off))
	flag := usernskit.Change{Path: "/etc/default/docker", Before: []byte("DOCKER_OPTS=--userns-remap=default\n"), After: []byte("DOCKER_OPTS=\n")}
	assert.Contains(t, ask(usernskit.Plan{Changes: []usernskit.Change{flag}}), gone, "by its flag")
	assert.NotContains(t, ask(usernskit.Plan{Changes: append([]usernskit.Change{flag}, on.Changes...)}), "not seen", "the flag goes into the file")

	daemon.Containers = nil
	restarts = true
	assert.Contains(t, ask(on), "0 running containers stop: none.")
	assert.Empty(t, remap.Decision{}.String())
	assert.Contains(t, remap.Restart{}.Decide(t.Context(), off, true).String(), "which containers stop is not known")
}
