package main

import (
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/user"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
)

func TestRuncsTypesGoInAndComeOutAgain(t *testing.T) {
	in := []user.IDMap{{ID: 0, ParentID: 100000, Count: 65536}, {ID: 65536, ParentID: 300000, Count: 10}}
	m, err := userns.FromIDMaps(in)
	require.NoError(t, err)
	var out []user.IDMap = m.IDMaps()
	assert.Equal(t, in, out)
	host, ok := m.ToHost(65540)
	assert.True(t, ok)
	assert.Equal(t, uint32(300004), host)
}

func TestTheProgramTranslatesAnID(t *testing.T) {
	const file = "alice:165536:65536\ndockremap:100000:65536\ndockremap:300000:10\n"
	for _, test := range []struct{ owner, id, want, err string }{
		{"dockremap", "33", "33 is 100033 on the host\n", ""},
		{"dockremap", "65540", "65540 is 300004 on the host\n", ""},
		{"dockremap", "70000", "", "70000 is not mapped"},
		{"alice", "0", "0 is 165536 on the host\n", ""},
		{"nobody", "0", "", "the ranges of nobody"},
		{"alice", "x", "", "invalid syntax"},
	} {
		var out strings.Builder
		err := run([]string{test.owner, test.id}, strings.NewReader(file), &out)
		assert.Equal(t, test.want, out.String())
		if test.err == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.err)
		}
	}
	assert.ErrorContains(t, run(nil, nil, nil), "usage")
}

// What runc's parser makes of a line that it cannot read is host root: the map
// takes it, since a map may say so, and the program that reads the file has to
// look first (subid.File.Problems).
func TestALineThatRuncCannotReadIsHostRoot(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"dockremap", "0"}, strings.NewReader("dockremap:1OOOOO:65536\n"), &out))
	assert.Equal(t, "0 is 0 on the host\n", out.String())
}
