package usernskit

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A boot loader entry can be named in Latin-1. The journal is JSON, and would
// have another name for Undo.
func TestApplyRefusesANameThatTheJournalCannotHold(t *testing.T) {
	host := faultHost(t, t.TempDir())
	entry := Change{Path: "/etc/caf\xe9.conf", Before: []byte("options a\n"), After: []byte("options a foo=1\n")}
	put(t, host, entry.Path, string(entry.Before))
	start := withoutState(t, host.Root)
	hosts := Change{Path: "/etc/hosts", Before: []byte(faultTree["etc/hosts"]), After: []byte("ours\n")}
	_, err := host.Apply(t.Context(), Plan{Changes: []Change{hosts, entry}})
	require.ErrorContains(t, err, `"/etc/caf\xe9.conf": invalid argument: the name is not UTF-8`)
	assert.Equal(t, start, withoutState(t, host.Root))
	assert.Empty(t, journalFiles(t, host))
}

// So can a directory that is to be made where a symbolic link leads to. Of a file
// there the journal has only the name of the link.
func TestApplyRefusesALinkToANameThatTheJournalCannotHold(t *testing.T) {
	host := faultHost(t, t.TempDir())
	link(t, host, "/srv/caf\xe9/daemon.json", "/etc/a")
	link(t, host, "/etc/caf\xe9", "/etc/b")
	put(t, host, "/etc/.caf\xe91", "there before")
	start := withoutState(t, host.Root)
	_, err := host.Apply(t.Context(), makeFile("/etc/a", []byte("x")))
	require.ErrorContains(t, err, "the name is not UTF-8")
	assert.Equal(t, start, withoutState(t, host.Root))

	r, err := host.Apply(t.Context(), makeFile("/etc/b", []byte("x")))
	require.NoError(t, err)
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	assert.Equal(t, start, withoutState(t, host.Root))
}

func TestApplyRefusesAnAttributeThatTheJournalCannotHold(t *testing.T) {
	for _, path := range []string{"/etc/subuid", "/etc/subuid-"} {
		host := faultHost(t, t.TempDir())
		if err := unix.Setxattr(filepath.Join(host.Root, path), "user.\xffz", []byte("x"), 0); err != nil {
			t.Skipf("this file system has no user attributes: %v", err)
		}
		start := withoutState(t, host.Root)
		_, err := host.Apply(t.Context(), faultPlan())
		require.ErrorContains(t, err, path+`: extended attribute "user.\xffz": the name is not UTF-8`)
		assert.Equal(t, start, withoutState(t, host.Root))
	}
}

// The journal does not hold what others set since.
func TestUndoKeepsAnAttributeThatTheJournalCannotHold(t *testing.T) {
	host, r := applied(t)
	place := filepath.Join(host.Root, "etc/subuid")
	if err := unix.Setxattr(place, "user.\xffz", []byte("x"), 0); err != nil {
		t.Skipf("this file system has no user attributes: %v", err)
	}
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	value := make([]byte, 2)
	n, err := unix.Getxattr(place, "user.\xffz", value)
	require.NoError(t, err)
	assert.Equal(t, "x", string(value[:n]))
}
