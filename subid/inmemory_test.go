package subid

import (
	"bufio"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
		read.UID, read.GID = ParseString(UIDFile, c.uid), ParseString(GIDFile, c.gid)
		same, _, err := read.Find(Request{})
		require.NoError(t, err)
		assert.Equal(t, same, grant, "not as on a host with nothing else")
	}
	_, _, err := set("a:100000:600000000\n", "").Find(Request{})
	assert.EqualError(t, err, "no 65536 free IDs in both files between 100000 and 600100000; the largest hole is 600100000:1")
}

// Limits of nothing at all in login.defs are not the defaults.
func TestNoLimitsAreNotUnknownOnes(t *testing.T) {
	w, err := windowOf(parseDefs("SUB_UID_MIN 0\nSUB_UID_MAX 0\nSUB_UID_COUNT 0\n"), "UID")
	require.NoError(t, err)
	p, err := Policy{}.resolve(w, w)
	require.NoError(t, err)
	assert.Equal(t, Policy{Count: 65536, Align: 1}, p)
}

func TestFindInMemoryAllocatesLittle(t *testing.T) {
	allocs := func(lines int) float64 {
		var b strings.Builder
		for i := range lines {
			fmt.Fprintf(&b, "u%d:%d:1000\n", i, 100000+i*1000)
		}
		s := &Set{UID: ParseString(UIDFile, b.String()), GID: ParseString(GIDFile, b.String()+"\n")}
		return testing.AllocsPerRun(10, func() {
			if _, _, err := s.Find(Request{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	assert.LessOrEqual(t, allocs(10), 16.0)
	assert.LessOrEqual(t, allocs(20000), 32.0)
}

func TestSpansAreSortedWhateverTheirNumber(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	byFirst := func(a, b uint64) int { return cmp.Compare(a>>32, b>>32) }
	for _, n := range []int{0, 1, 2, 511, 512, 513, 3000} {
		var s spans
		for range n {
			first := rnd.Uint32()
			if rnd.IntN(2) == 0 {
				first >>= rnd.IntN(32)
			}
			s.add(first, first+rnd.Uint32N(10))
		}
		want := slices.Sorted(slices.Values(s))
		got := slices.Clone(s).sort()
		assert.True(t, slices.IsSortedFunc(got, byFirst), "%d", n)
		assert.Equal(t, want, slices.Sorted(slices.Values(got)), "%d: others than before", n)
	}
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
		require.Equal(t, []string{UIDFile, GIDFile}, s.symlinks)
	}
}

// What longLine works out is where a bufio.Scanner gives up.
func TestLongLineIsWhereAScannerGivesUp(t *testing.T) {
	const size = bufio.MaxScanTokenSize
	rnd := rand.New(rand.NewPCG(4, 4))
	texts := []string{"", "\n", strings.Repeat("\n", size), strings.Repeat("\n", size+1), strings.Repeat("a:1:2\n", size)}
	for _, n := range []int{size - 2, size - 1, size, size + 1, 2 * size, 2*size + 1} {
		long := strings.Repeat("x", n)
		for _, before := range []string{"", "\n", "a:1:2\n", strings.Repeat("y", size-1) + "\n", strings.Repeat("y", size-2) + "\n", strings.Repeat("a\n", size)} {
			texts = append(texts, before+long, before+long+"\n", before+long+"\nb:1:2", before+long+"\n"+long)
		}
	}
	for range 200 {
		var b strings.Builder
		for range rnd.IntN(6) {
			b.WriteString(strings.Repeat("z", rnd.IntN(size+size/4)))
			b.WriteString(strings.Repeat("\n", rnd.IntN(3)))
		}
		texts = append(texts, b.String())
	}
	long := 0
	for _, text := range texts {
		want, lines := 1, bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			want++
		}
		if lines.Err() == nil {
			want = 0
		}
		got := ParseString("subuid", text).longLine()
		assert.Equal(t, want, got, "%d bytes", len(text))
		long += min(got, 1)
	}
	assert.Greater(t, long, 50)
	assert.Greater(t, len(texts)-long, 50)
}

// An account's UID is in decimal, so that an owner who starts with no digit is
// never compared with it.
func TestOwnerIsNameOrUID(t *testing.T) {
	for field, want := range map[string]bool{"alice": true, "1000": true, "01000": false, "+1000": false, "1001": false, "100": false, "": false, "bob": false} {
		assert.Equal(t, want, Owner{Name: "alice", UID: new(uint32(1000))}.is(field), "%q", field)
	}
	assert.True(t, Owner{Name: "x", UID: new(uint32(0))}.is("0"))
	assert.True(t, Owner{UID: new(uint32(9))}.is("9"))
	assert.False(t, Owner{Name: "x"}.is(""))
}
