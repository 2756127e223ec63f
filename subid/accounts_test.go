package subid_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// What getpwnam(3) reads as 100500 is 100500, however it is spelled.
func TestPlanAvoidsAccountsWithOddlyWrittenIDs(t *testing.T) {
	for _, line := range []string{
		"x:x:0100500:", "x:x: 100500:", "x:x:+100500:", "x:x:\t+00000000000100500:", "  x:x:100500:", "x:x:100500", "x:x:0:0100500:",
	} {
		h := hosttest.Tree(t, "-- etc/passwd --\n"+line+"\n")
		grant, _, err := subid.Plan(t.Context(), h, docker())
		require.NoError(t, err)
		assert.Equal(t, "100501:65536", grant.UID.String(), "%q", line)
	}
	for _, line := range []string{
		"x:x:-100500:", "x:x:100500x:", "x:x:0x18894:", "x:x:1000100500000:", "#x:x:100500:", " #x:x:100500:", ":x:100500:", "x:x:+ 100500:", "x:x::", "x:x:00:00",
	} {
		h := hosttest.Tree(t, "-- etc/passwd --\n"+line+"\n")
		grant, _, err := subid.Plan(t.Context(), h, docker())
		require.NoError(t, err)
		assert.Equal(t, "100000:65536", grant.UID.String(), "%q", line)
	}
}

func TestPlanAvoidsAccounts(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/passwd --\nroot:x:0:0\nldap:x:100500:200600::/:\n-- etc/group --\nbig:x:280000:\n")
	grant, _, err := subid.Plan(t.Context(), h, docker())
	require.NoError(t, err)
	assert.Equal(t, "100501:65536", grant.UID.String())

	want := subid.Request{Owner: "x", Start: 100000}
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.EqualError(t, err, "/etc/passwd:2: x:100000:65536 overlaps 100500, the ID of the account ldap")
	want.Start = 200000
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.EqualError(t, err, "/etc/passwd:2: x:200000:65536 overlaps 200600, the ID of the account ldap")
	want.Start = 270000
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.EqualError(t, err, "/etc/group:1: x:270000:65536 overlaps 280000, the ID of the group big")
}

func TestAUIDIsNoGID(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/passwd --\nroot:x:0:0\nldap:x:240000:150000::/:\n-- etc/subuid --\nx:100000:65536\n-- etc/subgid --\nx:231072:65536\n")
	grant, _, err := subid.Plan(t.Context(), h, subid.Request{Owner: "x"})
	require.NoError(t, err)
	assert.Equal(t, subid.Grant{Owner: "x", UID: subid.Range{Start: 100000, Count: 65536}, GID: subid.Range{Start: 231072, Count: 65536},
		UIDExisting: true, GIDExisting: true}, grant)
}

func TestAccountsThatOnlyGetentLists(t *testing.T) {
	h := host(t, "", "", "-- etc/nsswitch.conf --\npasswd: files sss\ngroup: files sss\n")
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		switch strings.Join(argv, " ") {
		case "getent passwd":
			return []byte("root:x:0:0::/:\nldap:*:150000:150001::/:\n"), nil
		case "getent group":
			return []byte("root:x:0:\nstaff:*:150002:\n"), nil
		}
		return nil, errors.New("exit status 2")
	}
	grant, plan, err := subid.Plan(t.Context(), h, docker())
	require.NoError(t, err)
	assert.Equal(t, "150003:65536", grant.UID.String())
	assert.Empty(t, plan.Warnings)
	_, plan, err = subid.Plan(t.Context(), h, subid.Request{Owner: "ldap"})
	require.NoError(t, err)
	assert.Empty(t, plan.Warnings)
	_, _, err = subid.Plan(t.Context(), h, subid.Request{Owner: "x", Start: 100000})
	assert.EqualError(t, err, "x:100000:65536 overlaps 150000, the ID of the account ldap, which getent knows")

	// A directory that lists nobody may still know the owner when asked by name.
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if strings.Join(argv, " ") == "getent passwd ldap" {
			return []byte("ldap:*:150000:150001::/:\n"), nil
		}
		if len(argv) > 2 {
			return nil, noSuchKey{}
		}
		return nil, nil
	}
	grant, plan, err = subid.Plan(t.Context(), h, subid.Request{Owner: "ldap"})
	require.NoError(t, err)
	assert.Equal(t, "150002:65536", grant.UID.String(), "behind its UID and GID")
	assert.Equal(t, []string{"accounts-unseen", "accounts-unseen"}, warnings(plan), "of users and of groups")
	_, plan, err = subid.Plan(t.Context(), h, subid.Request{Owner: "ghost"})
	require.NoError(t, err)
	assert.Equal(t, []string{"no-account", "accounts-unseen", "accounts-unseen"}, warnings(plan))
}

// noSuchKey is the error of a getent that did not find its key.
type noSuchKey struct{}

func (noSuchKey) Error() string { return "exit status 2" }
func (noSuchKey) ExitCode() int { return 2 }
