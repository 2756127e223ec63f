package subid

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
)

// A set of two files alone has the limits of a host without login.defs.
func TestSetOfTwoFilesAlone(t *testing.T) {
	set := func(uid, gid string) *Set {
		return &Set{UID: Parse(UIDFile, []byte(uid)), GID: Parse(GIDFile, []byte(gid))}
	}
	for _, c := range []struct {
		uid, gid string
		want     uint32
	}{
		{"", "", 100000},
		{"a:100000:65536\n", "a:100000:65536\n", 165536},
		{"a:100000:65536\n", "a:165536:65536\n", 231072}, // as long as the other, but not the same
		{"a:165536:65536\n", "a:100000:65536\n", 231072},
		{"a:100000:65536\nb:166536:1000", "", 167536},
		{"", "a:0x186a0:65536\n", 165536},
	} {
		grant, _, err := set(c.uid, c.gid).Find(Request{})
		require.NoError(t, err)
		assert.Equal(t, Grant{UID: Range{c.want, 65536}, GID: Range{c.want, 65536}}, grant, "%q %q", c.uid, c.gid)
		h := usernskit.Host{Root: t.TempDir()}
		read, err := Read(t.Context(), h)
		require.NoError(t, err)
		read.UID, read.GID = Parse(UIDFile, []byte(c.uid)), Parse(GIDFile, []byte(c.gid))
		same, _, err := read.Find(Request{})
		require.NoError(t, err)
		assert.Equal(t, same, grant, "not as on a host with nothing else")
	}
	_, _, err := set("a:100000:600000000\n", "").Find(Request{})
	assert.EqualError(t, err, "no 65536 free IDs in both files between 100000 and 600100000; the largest hole is 600100000:1")
}

// Limits of nothing at all in login.defs are not the defaults.
func TestNoLimitsAreNotUnknownOnes(t *testing.T) {
	w := windowOf(parseDefs("SUB_UID_MIN 0\nSUB_UID_MAX 0\nSUB_UID_COUNT 0\n"), "UID")
	require.NoError(t, w.err)
	s := &Set{uid: w, gid: w}
	p, err := s.resolve(Policy{})
	require.NoError(t, err)
	assert.Equal(t, Policy{Count: 65536, Align: 1}, p)
}

func TestFindInMemoryAllocatesLittle(t *testing.T) {
	allocs := func(lines int) float64 {
		var b strings.Builder
		for i := range lines {
			fmt.Fprintf(&b, "u%d:%d:1000\n", i, 100000+i*1000)
		}
		s := &Set{UID: Parse(UIDFile, []byte(b.String())), GID: Parse(GIDFile, []byte(b.String()+"\n"))}
		return testing.AllocsPerRun(10, func() {
			if _, _, err := s.Find(Request{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	assert.LessOrEqual(t, allocs(10), 60.0)
	assert.LessOrEqual(t, allocs(20000), 90.0)
}

// The same host gives the same answer, to the order of its warnings.
func TestSymlinksAreSeenInTheOrderOfTheFiles(t *testing.T) {
	h := usernskit.Host{Root: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(h.Root, "etc"), 0o755))
	for _, path := range []string{GIDFile, UIDFile} {
		require.NoError(t, os.Symlink("nowhere", filepath.Join(h.Root, path)))
	}
	for range 20 {
		s, err := Read(t.Context(), h)
		require.NoError(t, err)
		require.Greater(t, len(s.notes), 2)
		require.Equal(t, []string{UIDFile, GIDFile}, []string{s.notes[0].File, s.notes[1].File})
	}
}
