package idspace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/subid"
)

func space(t testing.TB, of idspace.IDs, tree string) idspace.Space {
	t.Helper()
	return idspace.New(of, sources(t, txtar.Parse([]byte(tree)).Files))
}

const host = `
-- etc/passwd --
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000::/:
nobody:x:65534:65534::/:
-- etc/group --
staff:x:50:
-- etc/subuid --
# ranges
alice:165536:65536
dockremap:100000:1000
dockremap:300000:65536
1000:400000:10
-- etc/subgid --
dockremap:500000:65536
-- remap --
dockremap
-- namespaces --
web 0 100000 1000,1000 300000 65536
podman 0 1000 1
unknown 5 700000 10
legacy 0 0 4294967295
`

func TestAnIDIsToldInWords(t *testing.T) {
	for id, want := range map[uint32][]string{
		0:          {"UID 0 in legacy", "the user root (passwd line 1)"},
		1000:       {"UID 1000 in legacy", "the user alice (passwd line 2), UID 0 in podman"},
		5000:       {"UID 5000 in legacy", "reserved: login users"},
		62000:      {"UID 62000 in legacy", "reserved: DynamicUser= of systemd"},
		99999:      {"UID 99999 in legacy"},
		100999:     {"UID 100999 in legacy", "container UID 999 of dockremap (subuid line 3), UID 999 in web"},
		101000:     {"UID 101000 in legacy"},
		300033:     {"UID 300033 in legacy", "container UID 1033 of dockremap (subuid line 4), UID 1033 in web"},
		165536:     {"UID 165536 in legacy", "subordinate UID 0 of alice (subuid line 2)"},
		400009:     {"UID 400009 in legacy", "subordinate UID 9 of alice (subuid line 5)"},
		700001:     {"UID 700001 in legacy", "UID 6 in unknown", "reserved: container ranges of systemd-nspawn and nsresourced"},
		4294967295: nil,
	} {
		assert.Equal(t, want, words(space(t, idspace.Users, host), id), "UID %d", id)
	}
	groups := space(t, idspace.Groups, host)
	assert.Contains(t, words(groups, 50), "the group staff (group line 1)")
	assert.Contains(t, words(groups, 500033), "container GID 33 of dockremap (subgid line 1)")
	assert.NotContains(t, strings.Join(words(groups, 100999), ""), "dockremap", "the ranges of users are none of groups")
}

func TestContainersWithTheHostsIDsAreOneInterval(t *testing.T) {
	s := space(t, idspace.Users, "-- etc/passwd --\nroot:x:0:0::/:\n-- namespaces --\nold 0 0 4294967295\nolder 0 0 4294967295\nroot 0 0 1\n")
	assert.Equal(t, []string{"UID 0 in old, older", "the user root (passwd line 1)", "UID 0 in root"}, words(s, 0))
}

// Readers find two ranges on such a line, and dockerd gives out one.
func TestALineThatIsReadDifferentlyIsOneLineOfTheContainer(t *testing.T) {
	for odd, size := range map[string]string{"0x100:10": "10", "010:010": "10", "300:10": "10"} {
		s := space(t, idspace.Users, "-- etc/subuid --\ndockremap:"+odd+"\ndockremap:200000:65536\n-- remap --\ndockremap\n")
		assert.Contains(t, words(s, 200000), "container UID "+size+" of dockremap (subuid line 2)", odd)
	}
	s := space(t, idspace.Users, "-- etc/subuid --\ndockremap:0x100:10\n-- remap --\ndockremap\n")
	assert.Contains(t, words(s, 5), "container UID 5 of dockremap (subuid line 1)")
	assert.Contains(t, words(s, 256+5), "subordinate UID 5 of dockremap (subuid line 1)", "which dockerd does not read")
}

func words(s idspace.Space, id uint32) []string {
	var list []string
	for _, m := range s.Describe(id) {
		list = append(list, m.Text)
	}
	return list
}

func TestOverlapsAreThoseThatAreADanger(t *testing.T) {
	for name, test := range map[string]struct {
		subuid, namespaces string
		want               []string
	}{
		"neighbours":               {"a:100000:1000\nb:101000:1000\n", "", nil},
		"one ID in common":         {"a:100000:1001\nb:101000:1000\n", "", []string{"101000:1 a b"}},
		"inside":                   {"a:100000:1000\nb:100010:10\n", "", []string{"100010:10 a b"}},
		"one owner's own lines":    {"alice:100000:1000\n1000:100000:500\n", "", nil},
		"an account":               {"a:70000:10000\n", "", []string{"75000:1 a far"}},
		"root":                     {"a:0:1\n", "", []string{"0:1 root a", "0:1 the root user a"}},
		"login users":              {"a:2000:10\n", "", []string{"2000:10 login users a"}},
		"systemd's":                {"a:61184:1\n", "", []string{"61184:1 DynamicUser= of systemd a"}},
		"nspawn's range is shared": {"a:600000:65536\n", "", nil},
		"a namespace in a range":   {"a:100000:65536\n", "n 0 100000 1000\n", nil},
		"a namespace on accounts":  {"", "n 0 0 4294967295\n", []string{"0:1 n root"}},
		"a namespace is root":      {"", "n 0 0 1\n", []string{"0:1 root n"}},
		"a namespace is its user":  {"", "n 0 1000 1\n", nil},
		"a namespace has a user":   {"", "n 0 74000 2000\n", []string{"75000:1 n far"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := space(t, idspace.Users, "-- etc/passwd --\nroot:x:0:0::/:\nalice:x:1000:1000::/:\nfar:x:75000:75000::/:\n"+
				"-- etc/subuid --\n"+test.subuid+"-- namespaces --\n"+test.namespaces)
			var got []string
			for _, o := range s.Overlaps {
				got = append(got, fmt.Sprintf("%s %s %s", o.Range, o.Between[0].Names[0], o.Between[1].Names[0]))
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// drawn is a random host around few IDs, so that ranges meet.
func drawn(rt *rapid.T) string {
	var b strings.Builder
	id := rapid.SampledFrom([]uint32{0, 1, 999, 1000, 1001, 60000, 60001, 65533, 65536, 100000, 100001, 100010, 524288, 2147483648, 4294967290})
	count := rapid.SampledFrom([]uint32{1, 2, 9, 10, 11, 65536, 4})
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "dockremap", "1000", "e\x1b[2J", "<&>\"", "k\xff", "\u202e"}), rapid.StringMatching(`[^:\n]{1,40}`))
	b.WriteString("-- etc/passwd --\nroot:x:0:0::/:\n")
	for range rapid.IntRange(0, 3).Draw(rt, "accounts") {
		fmt.Fprintf(&b, "%s:x:%d:0::/:\n", name.Draw(rt, "name"), id.Draw(rt, "uid"))
	}
	b.WriteString("-- etc/subuid --\n")
	for range rapid.IntRange(0, 6).Draw(rt, "lines") {
		fmt.Fprintf(&b, "%s:%d:%d\n", name.Draw(rt, "owner"), id.Draw(rt, "start"), count.Draw(rt, "count"))
	}
	b.WriteString("-- remap --\ndockremap\n-- namespaces --\n")
	for i := range rapid.IntRange(0, 3).Draw(rt, "namespaces") {
		start := id.Draw(rt, "host")
		fmt.Fprintf(&b, "ns%d %d %d %d\n", i, id.Draw(rt, "inside")%1000, start, min(count.Draw(rt, "ids"), 4294967295-start))
	}
	return b.String()
}

func TestEveryIDIsHeldOrInAGap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := space(t, idspace.Users, drawn(rt))
		list, gaps := s.Intervals, s.Gaps
		ids := []uint32{0, 4294967294}
		for _, v := range list {
			ids = append(ids, v.Start, v.Last(), v.Start-1, v.Last()+1)
		}
		for _, g := range gaps {
			require.NotZero(rt, g.Count)
			ids = append(ids, g.Start, g.Last(), g.Start-1, g.Last()+1)
		}
		for _, id := range ids {
			if id == 4294967295 {
				continue
			}
			held := slices.ContainsFunc(list, func(v idspace.Interval) bool {
				return v.Contains(id) && !(v.Kind == idspace.KindLive && v.Start == 0)
			})
			in := 0
			for _, g := range gaps {
				if g.Contains(id) {
					in++
				}
			}
			require.Equal(rt, !held, in == 1, "ID %d: held %v, in %d gaps", id, held, in)
		}
	})
}

func TestEveryRangeOfAFileIsAnInterval(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := sources(t, txtar.Parse([]byte(drawn(rt))).Files)
		s := idspace.New(idspace.Users, from)
		for c := range from.Set.UID.Ranges() {
			require.True(rt, slices.ContainsFunc(s.Intervals, func(v idspace.Interval) bool {
				return v.File == subid.UIDFile && v.Line == c.Line && v.Range == c.Range
			}), "line %d", c.Line)
		}
	})
}

func TestOwnersThatMeetAreOverlaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := space(t, idspace.Users, drawn(rt))
		list := s.Intervals
		sub := func(v idspace.Interval) bool { return v.Kind == idspace.KindOwner || v.Kind == idspace.KindRemap }
		want := 0
		for i, a := range list {
			for _, b := range list[i+1:] {
				if sub(a) && sub(b) && a.Names[0] != b.Names[0] && a.Overlaps(b.Range) {
					want++
				}
			}
		}
		got := 0
		for _, o := range s.Overlaps {
			require.True(rt, o.Between[0].Overlaps(o.Between[1].Range))
			require.True(rt, o.Between[0].Contains(o.Start) && o.Between[1].Contains(o.Start) && o.Between[0].Contains(o.Last()) && o.Between[1].Contains(o.Last()))
			if sub(o.Between[0]) && sub(o.Between[1]) {
				got++
			}
		}
		require.Equal(rt, want, got)
	})
}

func TestPicturesAreWellFormedWhateverNamesHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := space(t, idspace.Users, drawn(rt))
		width := rapid.IntRange(0, 200).Draw(rt, "width")
		for _, of := range []bool{false, true} {
			got := text(t, s, idspace.Text{Width: width, ASCII: of})
			require.NotContains(rt, got, "\u202e", "text that runs the other way")
		}
		svg(t, s)
	})
}

func TestALargeFileIsDrawnInReasonableTime(t *testing.T) {
	var b strings.Builder
	b.WriteString("-- etc/subuid --\n")
	for i := range 20000 {
		fmt.Fprintf(&b, "u%d:%d:%d\n", i, 100000+i*100, 101)
	}
	s := space(t, idspace.Users, b.String())
	assert.Len(t, s.Overlaps, 19999)
	assert.Equal(t, 19999, strings.Count(text(t, s, idspace.Text{Width: 80}), "also of u"))
	svg(t, s)
}

func TestEnumsAreTextBothWays(t *testing.T) {
	for k := idspace.KindAccount; k <= idspace.KindLive; k++ {
		data, err := k.MarshalText()
		require.NoError(t, err)
		var back idspace.Kind
		require.NoError(t, back.UnmarshalText(data))
		assert.Equal(t, k, back)
	}
	var ids idspace.IDs
	require.NoError(t, ids.UnmarshalText([]byte("GID")))
	assert.Equal(t, idspace.Groups, ids)
	t.Run("what does not exist", func(t *testing.T) {
		assert.Equal(t, "Kind(9)", idspace.Kind(9).String())
		assert.Equal(t, "Kind(-1)", idspace.Kind(-1).String())
		assert.Equal(t, "IDs(2)", idspace.IDs(2).String())
		_, err := idspace.Kind(9).MarshalText()
		require.Error(t, err)
		require.Error(t, ids.UnmarshalText([]byte("PID")))
		assert.Equal(t, idspace.Groups, ids)
	})
}
