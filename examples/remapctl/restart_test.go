package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

// Enable wrote the files some time ago, without --restart. Now it is run with it.
func TestEnableRestartsADockerThatHasNotTakenTheFilesUp(t *testing.T) {
	const store = "165536.165536"
	remapped := []string{"name=userns"}
	old := engine.Engine{RootDir: "/var/lib/docker"}
	good := engine.Engine{SecurityOptions: remapped, RootDir: "/var/lib/docker/" + store}
	for name, c := range map[string]struct {
		init   string // files of another than systemd
		before engine.Engine
		down   bool
		after  engine.Engine
		flags  []string
		want   error
		ran    string
		says   string
	}{
		"behind":             {before: old, after: good, flags: []string{"--yes"}, ran: "systemctl restart docker", says: "docker is not: it does not say that it is remapped"},
		"as configured":      {before: good, flags: []string{"--yes"}, says: "nothing to do\n"},
		"in another store":   {before: engine.Engine{SecurityOptions: remapped, RootDir: "/var/lib/docker/1.1"}, after: good, flags: []string{"--yes"}, ran: "systemctl restart docker", says: "not .../165536.165536"},
		"does not answer":    {down: true, flags: []string{"--yes"}, want: incomplete, says: "docker was not restarted: whether it has to be is not known: no such socket\nthen, once "},
		"dry":                {before: old, flags: []string{"--dry-run"}, want: findings, says: " runs: systemctl restart docker"},
		"nobody was asked":   {before: old, want: errors.New("give --yes"), says: "docker is not"},
		"the restart fails":  {before: old, after: old, flags: []string{"--yes"}, want: errors.New("no file was changed for it"), ran: "systemctl restart docker"},
		"no systemd":         {init: "-- etc/init.d/docker --\n#!/sbin/openrc-run\n", before: old, flags: []string{"--yes"}, want: behind, says: "docker was not restarted: docker is not started by systemd here; run: service docker restart\n"},
		"without --restart ": {before: old},
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			var ran []string
			e := &env{host: hosttest.Tree(t, "-- etc/docker/daemon.json --\n{}\n-- run/systemd/system/x --\n"+c.init), out: &output{w: &text}, err: &text}
			e.host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
				if slices.Contains(argv, "restart") {
					ran = append(ran, strings.Join(argv, " "))
				}
				return nil, nil
			}
			e.ask = func(context.Context) (*engine.Engine, error) {
				switch {
				case c.down:
					return nil, errors.New("no such socket")
				case ran == nil:
					return &c.before, nil
				}
				return &c.after, nil
			}
			e.yes, e.dryRun = slices.Contains(c.flags, "--yes"), slices.Contains(c.flags, "--dry-run")
			e.restarts = c.flags != nil || c.want != nil
			err := e.restart(t.Context(), usernskit.Receipt{}, store)
			var code exitCode
			switch {
			case c.want == nil:
				assert.NoError(t, err)
			case errors.As(c.want, &code):
				assert.ErrorIs(t, err, c.want)
			default:
				assert.ErrorContains(t, err, c.want.Error())
			}
			assert.Equal(t, c.ran, strings.Join(ran, "; "))
			assert.Contains(t, text.String(), c.says)
		})
	}
}

// What --restart runs itself is not left to the person, and the rest is.
func TestWithRestartOnlyTheRestIsLeftToDo(t *testing.T) {
	plan := func() (usernskit.Plan, error) {
		return usernskit.Plan{Changes: []usernskit.Change{{Path: "/etc/x", After: []byte("x")}}, Actions: []usernskit.Action{
			{Argv: []string{"sysctl", "-p"}},
			{Argv: []string{"systemctl", "restart", "docker"}, Kind: usernskit.ActionRestartDocker},
			{Argv: []string{"reboot"}, When: usernskit.WhenLater, Kind: usernskit.ActionReboot},
			{Argv: []string{"update-grub"}, Where: usernskit.WhereTree},
		}}, nil
	}
	for restarts, want := range map[bool][]string{
		true:  {"later run: reboot", "then run: chroot ROOT update-grub"},
		false: {"then run: sysctl -p", "then run: systemctl restart docker", "later run: reboot", "then run: chroot ROOT update-grub"},
	} {
		var out bytes.Buffer
		e := &env{host: hosttest.Tree(t, "-- etc/hostname --\nx\n"), out: &output{w: &out}, err: &out, yes: true, restarts: restarts}
		_, err := e.change(t.Context(), plan)
		require.NoError(t, err)
		var left []string
		for line := range strings.Lines(strings.ReplaceAll(out.String(), e.host.Root, "ROOT")) {
			if strings.Contains(line, " run: ") {
				left = append(left, strings.TrimSpace(line))
			}
		}
		assert.Equal(t, want, left, "--restart %v", restarts)
	}
}
