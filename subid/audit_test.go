package subid_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

func TestProblemsOfALine(t *testing.T) {
	for line, want := range map[string]string{ // "ID: text", or "" where it is in order
		"alice:100000:65536": "",
		"# a comment: x":     "",
		"":                   "",
		" \t":                "",
		"alice:0x186a0:65536": `not-decimal: start "0x186a0" is not a plain decimal number: all shadow-utils read 100000:65536; ` +
			`dockerd 27 and earlier and podman and CRI-O fail for "alice"; dockerd 28 and later read this as host ID 0 (0:65536)`,
		"alice:0200000:65536": `not-decimal: start "0200000" is not a plain decimal number: all shadow-utils read 65536:65536; ` +
			`dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 200000:65536`,
		"alice: 100000:65536": `not-decimal: start " 100000" is not a plain decimal number: all shadow-utils read 100000:65536; ` +
			`dockerd 27 and earlier and podman and CRI-O fail for "alice"; dockerd 28 and later read this as host ID 0 (0:65536)`,
		"alice:100000:": `not-decimal: count "" is not a plain decimal number: all shadow-utils ignore it; ` +
			`dockerd 27 and earlier and podman and CRI-O fail for "alice"; dockerd 28 and later read 100000:0`,
		"alice:4294967290:70000":  `wraps: runs past 4294967294, the last ID there is: shadow-utils 4.13 to 4.17, shadow-utils 4.18, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 4294967290:70000; shadow-utils 4.20 and later ignore it`,
		"alice:9999999999:70000":  `too-large: start 9999999999 is larger than any ID: shadow-utils 4.13 to 4.17, shadow-utils 4.18, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 9999999999:70000; shadow-utils 4.20 and later ignore it`,
		"alice:100000:0":          `zero-count: a range of no IDs: all shadow-utils, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:0`,
		"alice:100000:65536\r":    `readers-differ: "alice:100000:65536\r" is not read alike: all shadow-utils ignore it; dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:65536`,
		" alice:100000:65536":     `readers-differ: " alice:100000:65536" is not read alike: all shadow-utils read 100000:65536; dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:65536 for "alice"`,
		"alice:100000:65536:note": `readers-differ: "alice:100000:65536:note" is not read alike: shadow-utils 4.13 to 4.17 and dockerd 28 and later read 100000:65536; shadow-utils 4.18 and shadow-utils 4.20 and later ignore it; dockerd 27 and earlier and podman and CRI-O refuse the whole file because of it`,
		"what is this":            `readers-differ: "what is this" is not read alike: all shadow-utils ignore it; dockerd 27 and earlier and podman and CRI-O refuse the whole file because of it; dockerd 28 and later read 0:0`,
		"alice:0:65536":           "root-mapped: alice:0:65536 gives away ID 0, the root of the host",
		"alice:1000:65536":        "reserved: alice:1000:65536 has IDs of 1000-60000: login users",
		"alice:2147483640:65536":  "reserved: alice:2147483640:65536 has IDs of 2147483648-4294967294: IDs from 2^31 on, which programs with signed numbers get wrong",
		"alice:524288:65536":      "",
		"alice:100000:65535":      "count-below-65536: 65535 IDs are fewer than 65536, so that ID 65534 (nobody) of an image has none",
		"kubelet:100000:65536":    "kubelet-misaligned: the kubelet takes only a start and a count that are multiples of 65536, not 100000:65536",
		"kubelet:131072:100000":   "kubelet-misaligned: the kubelet takes only a start and a count that are multiples of 65536, not 131072:100000",
		"kubelet:131072:131072":   "",
	} {
		got := ""
		if list := subid.Parse("f", []byte("# first\n"+line+"\n")).Problems(); len(list) > 0 {
			got = list[0].ID + ": " + list[0].Text
			assert.Equal(t, 2, list[0].Line, line)
		}
		assert.Equal(t, want, got, "%q", line)
	}
	long := subid.Parse("f", []byte("alice:1:2"+strings.Repeat(":", 66000)+"\n")).Problems()
	require.NotEmpty(t, long)
	assert.Equal(t, subid.ReadersDiffer, long[0].ID)
	assert.Contains(t, long[0].Text, "dockerd 28 and later cannot read a line this long and refuse the whole file")
}

// where returns the problems of one kind as "file:line owner".
func where(list []subid.Problem, id string) (out []string) {
	for _, p := range list {
		if p.ID == id {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s", strings.TrimPrefix(p.File, "/etc/"), p.Line, p.Owner)))
		}
	}
	return out
}

func TestProblemsBetweenLines(t *testing.T) {
	f := subid.Parse("f", []byte("a:500000:100000\nb:510000:65536\nc:540000:65536\nd:700000:65536\nd:700000:65536\ne:0x7a120:1\n#a:500000:9\nf:605536:70000\n+\ng:800000:65536\n-\nh:900000:65536"))
	list := f.Problems()
	assert.Equal(t, []string{"f:2 b", "f:3 c", "f:6 e"}, where(list, subid.Overlap), "f is a neighbour only")
	assert.Equal(t, []string{"f:5 d"}, where(list, subid.Duplicate))
	assert.Equal(t, []string{"f:10 g", "f:12 h"}, where(list, subid.HiddenByNIS))
	assert.Equal(t, []string{"f:12"}, where(list, subid.NoFinalNewline))
	texts := "\n"
	for _, p := range list {
		texts += p.Text + "\n"
	}
	assert.Contains(t, texts, "\nb:510000:65536 overlaps a:500000:100000 of line 1\n")
	assert.Contains(t, texts, "behind the NIS entry of line 9:")
}

func TestAuditOfAHost(t *testing.T) {
	h := hosttest.Tree(t, `
-- etc/passwd --
root:x:0:0::/root:/bin/sh
alice:x:1000:1000::/:
bob:x:1001:1001::/:
far:x:200000:100600::/:
-- etc/group --
root:x:0:
wide:x:100500:
wider:x:100501:
-- etc/subuid -> subuid.real --
-- etc/subuid.real --
alice:100000:65536
ghost:400000:65536
bob:500000:65536
1001:600000:65536
same:165536:65536
-- etc/subgid --
alice:100000:65536
ghost:400000:65537
kubelet:655360:65536
kubelet:786432:65536
-- etc/nsswitch.conf --
passwd: files ldap
subid: sss
`)
	list, err := subid.Audit(t.Context(), h)
	require.NoError(t, err)
	assert.Empty(t, where(list, subid.DanglingOwner), "nobody asked the directory")

	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if len(argv) > 2 {
			return nil, noSuchKey{}
		}
		return nil, nil
	}
	list, err = subid.Audit(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, []string{"subuid:0"}, where(list, subid.Symlink))
	assert.Equal(t, []string{"subuid:2 ghost", "subuid:5 same", "subgid:2 ghost", "subgid:3 kubelet"}, where(list, subid.DanglingOwner))
	assert.Equal(t, []string{"subuid:5 same", "subgid:1 alice"}, where(list, subid.LoginUserMapped))
	assert.Equal(t, []string{"subuid:4 1001"}, where(list, subid.NameAndUIDBoth))
	assert.Equal(t, []string{"subuid:2 ghost", "subuid:3 bob", "subuid:5 same", "subgid:3 kubelet"}, where(list, subid.UIDGIDDiffer))
	assert.Equal(t, []string{"subgid:3 kubelet"}, where(list, subid.KubeletUnaligned))
	assert.Equal(t, []string{"nsswitch.conf:0"}, where(list, subid.NSSIgnored))
	assert.Equal(t, []string{"nsswitch.conf:0"}, where(list, subid.AccountsUnseen))
	for _, p := range list {
		switch p.ID + p.Owner {
		case subid.LoginUserMapped + "alice":
			assert.Equal(t, "alice:100000:65536 gives away ID 100500, that of wide, and 2 more", p.Text, "groups, and the primary group of a user")
		case subid.UIDGIDDiffer + "ghost":
			assert.Equal(t, "400000:65536 in /etc/subuid, 400000:65537 in /etc/subgid", p.Text)
		case subid.UIDGIDDiffer + "kubelet":
			assert.Equal(t, "nothing in /etc/subuid, 655360:65536 and 786432:65536 in /etc/subgid", p.Text)
		}
	}
}

func TestHostRootIsOneProblemAndNotTwo(t *testing.T) {
	list, err := subid.Audit(t.Context(), host(t, "alice:0:900\n", "alice:0:900\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"subuid:1 alice", "subgid:1 alice"}, where(list, subid.RootMapped))
	assert.Empty(t, where(list, subid.LoginUserMapped))
}

func TestAuditOfAGoodHostFindsNothing(t *testing.T) {
	list, err := subid.Audit(t.Context(), host(t, "# x\nalice:100000:65536\n\ndockremap:165536:65536\n", "alice:100000:65536\ndockremap:165536:65536\n"))
	require.NoError(t, err)
	assert.Empty(t, list)
	list, err = subid.Audit(t.Context(), host(t, "alice:100000:65536\n", "1000:100000:65536\n"))
	require.NoError(t, err)
	assert.Empty(t, list, "name and UID of one account")
	list, err = subid.Audit(t.Context(), hosttest.Tree(t, passwd))
	require.NoError(t, err)
	assert.Empty(t, list, "no files, no subordinate IDs")
}

func TestOwnersOfAnIDAsAnyReaderSeesThem(t *testing.T) {
	h := host(t, "alice:100000:65536\nhex:0x18700:1\n#old:100000:65536\n", "1000:100000:65536\n")
	list, err := subid.Owners(t.Context(), h, 100096)
	require.NoError(t, err)
	assert.Equal(t, []subid.Claim{
		{"/etc/subuid", 1, "alice", subid.Range{Start: 100000, Count: 65536}},
		{"/etc/subuid", 2, "hex", subid.Range{Start: 100096, Count: 1}},
		{"/etc/subgid", 1, "1000", subid.Range{Start: 100000, Count: 65536}},
	}, list)
	list, err = subid.Owners(t.Context(), h, 1000)
	require.NoError(t, err)
	assert.Equal(t, []subid.Claim{
		{"/etc/passwd", 3, "alice", subid.Range{Start: 1000, Count: 1}}, {"/etc/group", 3, "alice", subid.Range{Start: 1000, Count: 1}},
	}, list)
	list, err = subid.Owners(t.Context(), h, 165536)
	require.NoError(t, err)
	assert.Empty(t, list)

	s, err := subid.Read(t.Context(), h)
	require.NoError(t, err)
	for _, owner := range []string{"alice", "1000"} {
		held := s.Held(owner)
		require.Len(t, held, 2, owner)
		assert.Equal(t, "alice", held[0].Owner)
		assert.Equal(t, "1000", held[1].Owner)
	}
	assert.Empty(t, s.Held("bob"))
}

func TestGetsubidsIsAskedForWhatIsInNoFile(t *testing.T) {
	h := host(t, "", "")
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		switch strings.Join(argv, " ") {
		case "getsubids alice":
			return []byte("0: alice 100000 65536\n1: alice 300000 1\n"), nil
		case "getsubids -g alice":
			return []byte("0: alice 2147483648 65536\n"), nil
		case "getsubids odd":
			return []byte("0: odd 18446744073709551615 1\n"), nil
		}
		return nil, errors.New("Error fetching ranges")
	}
	uid, gid, err := subid.FromNSS(t.Context(), h, "alice")
	require.NoError(t, err)
	assert.Equal(t, []subid.Range{{Start: 100000, Count: 65536}, {Start: 300000, Count: 1}}, uid)
	assert.Equal(t, []subid.Range{{Start: 2147483648, Count: 65536}}, gid)
	_, _, err = subid.FromNSS(t.Context(), h, "odd")
	assert.ErrorContains(t, err, "not a range of IDs")
	_, _, err = subid.FromNSS(t.Context(), h, "bob")
	assert.ErrorContains(t, err, "Error fetching ranges")
	_, _, err = subid.FromNSS(t.Context(), h, "-g")
	assert.ErrorIs(t, err, subid.ErrOwner)
}

func TestReservedRangesAreInOrderAndTheirNamesSay(t *testing.T) {
	list := subid.ReservedRanges()
	end := uint64(0)
	for _, r := range list {
		assert.LessOrEqual(t, end, uint64(r.Start), "%v", r)
		assert.NotEmpty(t, r.Name)
		end = uint64(r.Start) + uint64(r.Count)
	}
	assert.Equal(t, uint64(4294967295), end)
	list[0].Start = 5
	assert.Zero(t, subid.ReservedRanges()[0].Start, "a copy")
}

// Each line that shares an ID with another is reported, or the other one is.
func TestOverlapsAreFoundAsTheModelFindsThem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text, lines := "", []model{}
		for range rapid.IntRange(2, 7).Draw(rt, "lines") {
			line := fmt.Sprintf(rapid.SampledFrom([]string{"a:%d:%d", "b:%d:%d", "c:0%d:%d"}).Draw(rt, "format"),
				rapid.IntRange(10, 40).Draw(rt, "start"), rapid.IntRange(0, 9).Draw(rt, "count"))
			ids := model{}
			ids.line(line)
			lines = append(lines, ids)
			text += line + "\n"
		}
		reported := map[int]bool{}
		for _, p := range subid.Parse("f", []byte(text)).Problems() {
			if p.ID == subid.Overlap || p.ID == subid.Duplicate {
				reported[p.Line-1] = true
			}
		}
		shares := func(i, j int) bool {
			for id := range lines[i] {
				if lines[j][id] {
					return i != j
				}
			}
			return false
		}
		for i := range lines {
			some := false
			for j := range lines {
				some = some || shares(i, j)
				require.True(rt, !shares(i, j) || reported[i] || reported[j], "lines %d and %d of\n%s", i+1, j+1, text)
			}
			require.True(rt, some || !reported[i], "line %d of\n%s", i+1, text)
		}
	})
}
