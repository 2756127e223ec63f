package remap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
)

const tree = `
-- etc/os-release --
ID=debian
VERSION_ID="12"
-- etc/passwd --
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000::/home/alice:/bin/bash
shifted:x:990:990::/nonexistent:/usr/sbin/nologin
nogroup-user:x:991:991::/nonexistent:/usr/sbin/nologin
-- etc/group --
root:x:0:
alice:x:1000:
shifted:x:990:
-- etc/subuid --
alice:100000:65536
-- etc/subgid --
alice:100000:65536
-- etc/docker/daemon.json --
{
	"debug": false
}
`

func TestEnableThenDisableWithReleaseGivesTheFilesBack(t *testing.T) {
	for _, user := range []string{"default", "shifted", "990", "shifted:shifted"} {
		t.Run(user, func(t *testing.T) {
			host := hosttest.Tree(t, tree)
			start := hosttest.Snapshot(t, host)
			value, err := daemoncfg.ParseRemap(user)
			require.NoError(t, err)
			on, err := remap.PlanEnable(t.Context(), host, remap.Request{Remap: value})
			require.NoError(t, err)
			assert.Equal(t, uint32(165536), on.Grant.UID.Start)
			assert.Equal(t, "165536.165536", on.Store())
			_, err = host.Apply(t.Context(), on.Plan)
			require.NoError(t, err)

			again, err := remap.PlanEnable(t.Context(), host, remap.Request{Remap: value})
			require.NoError(t, err)
			assert.True(t, again.Plan.Empty(), again.Plan.Diff())
			assert.True(t, again.Grant.UIDExisting)

			off, err := remap.PlanDisable(t.Context(), host, remap.Disable{Release: true})
			require.NoError(t, err)
			_, err = host.Apply(t.Context(), off)
			require.NoError(t, err)
			end := hosttest.Snapshot(t, host)
			for path, text := range start {
				assert.Equal(t, text, end[path], path)
			}
		})
	}
}

func TestDaemonJSONIsWrittenLast(t *testing.T) {
	p, err := remap.PlanEnable(t.Context(), hosttest.Tree(t, tree), remap.Request{})
	require.NoError(t, err)
	var order []string
	for _, c := range p.Plan.Changes {
		order = append(order, c.Path)
	}
	assert.Equal(t, []string{"/etc/subuid", "/etc/subgid", "/etc/docker/daemon.json"}, order,
		"a dockerd that starts in between must find the ranges")
	require.NotEmpty(t, p.Plan.Actions)
}

// The lines that plan and refuse are those a person would have to read, so each
// is held to what it must name.
func TestEnableRefusesAndSaysWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(string) string
		want remap.Request
		says []string
	}{
		"a start in another owner's range": {
			want: remap.Request{Start: 123000}, says: []string{"/etc/subuid:1", "alice"}},
		"a start on a real account": {
			want: remap.Request{Start: 900}, says: []string{"900"}},
		"a start past the last ID": {
			want: remap.Request{Start: 4294900000}, says: []string{"4294900000"}},
		"a small range": {
			want: remap.Request{Count: 1000}, says: []string{"65536"}},
		"an account that does not exist": {
			want: remap.Request{Remap: daemoncfg.Remap{User: "nobody-here"}}, says: []string{"nobody-here"}},
		"an account without a group of its name": {
			want: remap.Request{Remap: daemoncfg.Remap{User: "nogroup-user"}}, says: []string{"nogroup-user", "group"}},
		"a line of the account that readers read differently": {
			edit: func(s string) string {
				return strings.Replace(s, "-- etc/subgid --", "dockremap:0x30d40:65536\n-- etc/subgid --", 1)
			}, says: []string{"/etc/subuid:2", "dockremap"}},
		"a comment in daemon.json": {
			edit: func(s string) string { return strings.Replace(s, "\t\"debug\"", "\t// no\n\t\"debug\"", 1) },
			says: []string{"/etc/docker/daemon.json:2", "comment"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := tree
			if tt.edit != nil {
				text = tt.edit(tree)
				require.NotEqual(t, tree, text)
			}
			p, err := remap.PlanEnable(t.Context(), hosttest.Tree(t, text), tt.want)
			require.Error(t, err)
			for _, word := range tt.says {
				assert.ErrorContains(t, err, word)
			}
			assert.True(t, p.Plan.Empty())
		})
	}
}

func TestASmallRangeIsPlannedWhereItIsAccepted(t *testing.T) {
	p, err := remap.PlanEnable(t.Context(), hosttest.Tree(t, tree), remap.Request{Count: 1000, AllowSmall: true})
	require.NoError(t, err)
	assert.Equal(t, subid.Range{Start: 165536, Count: 1000}, p.Grant.UID)
}

func TestDisableKeepsTheRangesForNextTime(t *testing.T) {
	host := hosttest.Tree(t, tree)
	on, err := remap.PlanEnable(t.Context(), host, remap.Request{Start: 300000})
	require.NoError(t, err)
	_, err = host.Apply(t.Context(), on.Plan)
	require.NoError(t, err)
	off, err := remap.PlanDisable(t.Context(), host, remap.Disable{Release: false})
	require.NoError(t, err)
	require.Len(t, off.Changes, 1)
	_, err = host.Apply(t.Context(), off)
	require.NoError(t, err)
	on, err = remap.PlanEnable(t.Context(), host, remap.Request{})
	require.NoError(t, err)
	assert.Equal(t, uint32(300000), on.Grant.UID.Start)
	require.Len(t, on.Plan.Changes, 1)
}

func TestAnotherAccountThanBeforeHidesAStoreAndIsARisk(t *testing.T) {
	host := hosttest.Tree(t, strings.Replace(tree, "\"debug\": false", "\"userns-remap\": \"shifted\"", 1))
	p, err := remap.PlanEnable(t.Context(), host, remap.Request{})
	require.NoError(t, err)
	risk := func(w usernskit.Warning) bool { return w.ID == "remap-changed" && w.Risk }
	assert.True(t, slices.ContainsFunc(p.Plan.Warnings, risk), "%v", p.Plan.Warnings)
	p, err = remap.PlanEnable(t.Context(), host, remap.Request{Remap: daemoncfg.Remap{User: "shifted"}})
	require.NoError(t, err)
	assert.False(t, slices.ContainsFunc(p.Plan.Warnings, risk))
}

// dockerd reads the ranges of the same account for both, so the store is the same.
func TestAnotherNameForTheSameAccountHidesNoStore(t *testing.T) {
	tree := strings.NewReplacer("-- etc/group --", "dockremap:x:997:997::/:/bin/false\n-- etc/group --",
		"-- etc/subuid --", "dockremap:x:997:\n-- etc/subuid --").Replace(tree)
	risk := func(w usernskit.Warning) bool { return w.ID == "remap-changed" }
	for _, tt := range []struct {
		was, want string
		risk      bool
	}{
		{"default", "dockremap", false}, {"997", "default", false}, {"dockremap", "997", false}, {"shifted", "shifted:alice", false},
		{"990", "default", true}, {"4444", "default", true}, {"gone", "default", true},
	} {
		host := hosttest.Tree(t, strings.Replace(tree, "\"debug\": false", "\"userns-remap\": \""+tt.was+"\"", 1))
		value, err := daemoncfg.ParseRemap(tt.want)
		require.NoError(t, err)
		p, err := remap.PlanEnable(t.Context(), host, remap.Request{Remap: value})
		require.NoError(t, err)
		assert.Equal(t, tt.risk, slices.ContainsFunc(p.Plan.Warnings, risk), "%s to %s: %v", tt.was, tt.want, p.Plan.Warnings)
	}
}
