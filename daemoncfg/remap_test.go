package daemoncfg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestParseRemap(t *testing.T) {
	for in, want := range map[string]daemoncfg.Remap{
		"default":         {User: "default"},
		"default:docker":  {User: "default", Group: "docker"},
		"dockremap":       {User: "dockremap"},
		"alice:staff":     {User: "alice", Group: "staff"},
		"1000":            {User: "1000"},
		"1000:1000":       {User: "1000", Group: "1000"},
		"2147483647":      {User: "2147483647"},
		"alice:0":         {User: "alice", Group: "0"}, // the group is only looked up
		"DOMAIN.user-x_1": {User: "DOMAIN.user-x_1"},
		"Default":         {User: "Default"}, // some other user
		"käthe":           {User: "käthe"},
	} {
		got, err := daemoncfg.ParseRemap(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		assert.Equal(t, in, got.String())
	}
}

// Each of these looks like a remapped host to a reader of daemon.json, and is
// none.
func TestParseRemapRefusesWhatFailsOpen(t *testing.T) {
	for _, in := range []string{"", "root", "0", "0:0", "root:root", "root:staff", "0:staff", "00", "+0", "-0:staff"} {
		_, err := daemoncfg.ParseRemap(in)
		require.ErrorIs(t, err, daemoncfg.ErrFailOpen, "%q", in)
		require.ErrorIs(t, err, daemoncfg.ErrRemap, "%q", in)
	}
}

func TestParseRemapRefusesWhatDockerdDoes(t *testing.T) {
	for in, want := range map[string]string{
		"a:b:c":     "dockerd does not start with more than one colon in it",
		":staff":    "there is no user before the colon",
		"default:":  "there is no group after the colon; dockerd starts with it once, while it makes the user, and never again",
		"alice:":    "there is no group after the colon; dockerd starts with it once, while it makes the user, and never again",
		" default":  "' ' is not allowed in a name; dockerd does not trim it",
		"default\n": `'\n' is not allowed in a name; dockerd does not trim it`,
		`"testuser`: `'"' is not allowed in a name; dockerd does not trim it`,
		"-1":        "an ID cannot be negative",
		"alice:-1":  "an ID cannot be negative",
	} {
		_, err := daemoncfg.ParseRemap(in)
		require.ErrorIs(t, err, daemoncfg.ErrRemap, "%q", in)
		require.False(t, errors.Is(err, daemoncfg.ErrFailOpen), "%q", in)
		assert.ErrorContains(t, err, want)
	}
}

const accounts = `
-- etc/passwd --
root:x:0:0:root:/root:/bin/sh
toor:x:0:0::/root:/bin/sh
alice:x:1000:1000::/home/alice:/bin/sh
lonely:x:1001:100::/:/bin/false
2000:x:2001:2001::/:/bin/false
-- etc/group --
root:x:0:
staff:x:50:
alice:x:1000:
`

func TestCheckLooksUpWhatDockerdLooksUp(t *testing.T) {
	for _, test := range []struct{ value, account, want string }{
		{"alice", "alice", ""},
		{"1000", "alice", ""},
		{"1000:50", "alice", ""},
		{"+1000", "alice", ""}, // as dockerd starts with it
		{"01000:050", "alice", ""},
		{"2147483648", "2147483648", "/etc/passwd: there is no user 2147483648, and dockerd does not start without it"}, // beyond an ID: a name
		{"alice:staff", "alice", ""},
		{"alice:50", "alice", ""},
		{"lonely:staff", "lonely", ""},
		{"default", "dockremap", ""},      // dockerd makes it
		{"default:none", "dockremap", ""}, // and looks for no group then
		{"nobody-here", "nobody-here", "/etc/passwd: there is no user nobody-here, and dockerd does not start without it"},
		{"54321", "", "/etc/passwd: there is no user 54321, and dockerd does not start without it"},
		{"2000", "", "/etc/passwd: there is no user 2000, and dockerd does not start without it"}, // digits are never a name
		{"lonely", "lonely", "/etc/group: there is no group lonely, and dockerd does not start without it; name another one, as in lonely:GROUP"},
		{"1001", "lonely", "/etc/group: there is no group 1001, and dockerd does not start without it; name another one, as in 1001:GROUP"},
		{"alice:nogrp", "alice", "/etc/group: there is no group nogrp, and dockerd does not start without it"},
		{"alice:54321", "alice", "/etc/group: there is no group 54321, and dockerd does not start without it"},
	} {
		t.Run(test.value, func(t *testing.T) {
			h := hosttest.Tree(t, accounts)
			r, err := daemoncfg.ParseRemap(test.value)
			require.NoError(t, err)
			if account, err := r.Account(t.Context(), h); test.account != "" {
				require.NoError(t, err)
				assert.Equal(t, test.account, account)
			} else {
				require.ErrorIs(t, err, daemoncfg.ErrAccount)
			}
			err = r.Check(t.Context(), h)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			require.ErrorIs(t, err, daemoncfg.ErrAccount)
		})
	}
}

// dockerd 20.10 starts with both of these.
func TestNamesOfADirectoryServiceAreLookedUp(t *testing.T) {
	h := hosttest.Tree(t, accounts+"-- etc/nsswitch.conf --\npasswd: files\ngroup: files\n-- etc/group --\nroot:x:0:\ndomain users:x:7513:\nCORP\\jdoe:x:7514:\n"+
		"-- etc/passwd --\nroot:x:0:0:root:/root:/bin/sh\njdoe:x:7000:7000::/:/bin/sh\nCORP\\jdoe:x:7514:7514::/:/bin/sh\n")
	for _, value := range []string{"jdoe:domain users", `CORP\jdoe`} {
		r, err := daemoncfg.ParseRemap(value)
		require.NoError(t, err, value)
		require.NoError(t, r.Check(t.Context(), h), value)
	}
	r, err := daemoncfg.ParseRemap("jdoe:other users")
	require.NoError(t, err)
	require.ErrorIs(t, r.Check(t.Context(), h), daemoncfg.ErrAccount)
}

func TestCheckOfDefaultWithAnAccountThatLacksItsGroup(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/passwd --\ndockremap:x:100:101::/:/bin/false\n-- etc/group --\nother:x:101:\n")
	require.ErrorContains(t, daemoncfg.Remap{User: "default"}.Check(t.Context(), h), "there is no group dockremap")
	require.NoError(t, daemoncfg.Remap{User: "default", Group: "other"}.Check(t.Context(), h))
}

func TestCheckRefusesAValueThatWasNeverParsed(t *testing.T) {
	h := hosttest.Tree(t, accounts)
	require.ErrorIs(t, daemoncfg.Remap{}.Check(t.Context(), h), daemoncfg.ErrFailOpen)
	require.ErrorIs(t, daemoncfg.Remap{User: "0"}.Check(t.Context(), h), daemoncfg.ErrFailOpen)
	require.ErrorIs(t, daemoncfg.Remap{User: "a:b", Group: "c"}.Check(t.Context(), h), daemoncfg.ErrRemap)
}

// noSuchKey is how getent(1) ends for a key that it does not find.
type noSuchKey struct{}

func (noSuchKey) Error() string { return "exit status 2" }
func (noSuchKey) ExitCode() int { return 2 }

// An account of LDAP is in no file, and dockerd finds it with getent.
func TestCheckAsksGetent(t *testing.T) {
	h := hosttest.Tree(t, accounts+"-- etc/nsswitch.conf --\npasswd: files sss\ngroup: files sss\n")
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		switch {
		case argv[0] == "getent" && argv[1] == "passwd" && (argv[2] == "carol" || argv[2] == "7000"):
			return []byte("carol:*:7000:7000::/:/bin/sh\n"), nil
		case argv[0] == "getent" && argv[1] == "group" && (argv[2] == "carol" || argv[2] == "7000"):
			return []byte("carol:*:7000:\n"), nil
		}
		return nil, noSuchKey{}
	}
	require.NoError(t, daemoncfg.Remap{User: "carol"}.Check(t.Context(), h))
	require.NoError(t, daemoncfg.Remap{User: "7000"}.Check(t.Context(), h))
	account, err := daemoncfg.Remap{User: "7000"}.Account(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, "carol", account)
	require.ErrorIs(t, daemoncfg.Remap{User: "dave"}.Check(t.Context(), h), daemoncfg.ErrAccount)
}
