package daemoncfg_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// currentEngine is the dockerd from 23.0 on that the tests ask.
func currentEngine(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("USERNSKIT_DOCKERD"); path != "" {
		return path
	}
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	built, err := filepath.Glob(filepath.Join(home, ".cache/usernskit-engine/*/dockerd"))
	require.NoError(t, err)
	if len(built) == 0 {
		hosttest.Need(t, "a dockerd from 23.0 on, by USERNSKIT_DOCKERD")
	}
	return built[len(built)-1]
}

// The dockerd that is installed has the last word, and reads a file that is in
// no directory.
func TestCheckAsksTheEngine(t *testing.T) {
	program := currentEngine(t)
	live := usernskit.Host{Run: func(ctx context.Context, argv ...string) ([]byte, error) {
		if argv[0] == "dockerd" {
			argv[0] = program
			return usernskit.Host{}.Command(ctx, argv...)
		}
		return nil, os.ErrNotExist
	}}
	for _, c := range []struct {
		name, doc string
		flags     []dockerd.Flag
		want      map[daemoncfg.ProblemID]daemoncfg.Level
		says      string
	}{
		{"nothing wrong", `{"debug": true}`, nil, map[daemoncfg.ProblemID]daemoncfg.Level{}, ""},
		{"a key of a newer dockerd than this package knows", `{"zzz": 1}`, nil, map[daemoncfg.ProblemID]daemoncfg.Level{"unknown-key": daemoncfg.LevelFatal, "refused": daemoncfg.LevelFatal}, "don't match any configuration option: zzz"},
		{"two of them, always in one order", `{"zzz": 1, "aaa": 1}`, nil, map[daemoncfg.ProblemID]daemoncfg.Level{"unknown-key": daemoncfg.LevelFatal, "refused": daemoncfg.LevelFatal}, "option: aaa, zzz"},
		{"an empty file, which only 20.10 refuses", ` `, nil, map[daemoncfg.ProblemID]daemoncfg.Level{"empty-file": daemoncfg.LevelNote}, ""},
		{"a conflict", `{"hosts": ["unix:///x"]}`, []dockerd.Flag{{Name: "host", Value: "unix:///y", Spelled: "-H unix:///y", File: "unit"}},
			map[daemoncfg.ProblemID]daemoncfg.Level{"flag-conflict": daemoncfg.LevelFatal, "refused": daemoncfg.LevelFatal}, "specified both as a flag and in the configuration file: hosts"},
		{"the key that is kept from it", `{"userns-remap": "a:b:c"}`, nil, map[daemoncfg.ProblemID]daemoncfg.Level{"bad-remap": daemoncfg.LevelFatal}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("/etc/docker/daemon.json", []byte(c.doc))
			require.NoError(t, err)
			got, says := map[daemoncfg.ProblemID]daemoncfg.Level{}, ""
			for _, p := range daemoncfg.Check(t.Context(), live, dockerd.Startup{Flags: c.flags}, doc, nil) {
				got[p.ID] = p.Level
				if p.ID == daemoncfg.ProblemRefused {
					says = p.Text
				}
			}
			assert.Equal(t, c.want, got)
			assert.Contains(t, says, c.says)
			assert.NotContains(t, says, "/proc/")
		})
	}
}

// What dockerd 20.10 says to --validate, in two lines of which the last only
// says where help is, is not a refusal of the file.
func TestCheckBesideAnEngineWithoutValidate(t *testing.T) {
	old := filepath.Join(t.TempDir(), "dockerd")
	require.NoError(t, os.WriteFile(old, []byte(`#!/bin/sh
if [ "$1" = --version ]; then echo "Docker version 20.10.24, build 5d6db84"; exit 0; fi
printf "Status: unknown flag: --validate\nSee 'dockerd --help'., Code: 125\n" >&2
exit 1
`), 0o755))
	live := usernskit.Host{Run: func(ctx context.Context, argv ...string) ([]byte, error) {
		if argv[0] == "dockerd" {
			argv[0] = old
			return usernskit.Host{}.Command(ctx, argv...)
		}
		return nil, os.ErrNotExist
	}}
	doc, err := daemoncfg.Parse("/etc/docker/daemon.json", []byte(`{"debug": true}`))
	require.NoError(t, err)
	assert.Empty(t, daemoncfg.Check(t.Context(), live, dockerd.Startup{}, doc, nil))
}
