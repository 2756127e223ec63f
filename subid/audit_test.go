package subid_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit"
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
		"alice:4294967290:70000":  `wraps: runs past 4294967294, the last ID: shadow-utils 4.13, shadow-utils 4.17, shadow-utils 4.18, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 4294967290:70000; shadow-utils 4.20 and later ignore it`,
		"alice:9999999999:70000":  `too-large: start 9999999999 is larger than any ID: shadow-utils 4.13, shadow-utils 4.17, shadow-utils 4.18, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 9999999999:70000; shadow-utils 4.20 and later ignore it`,
		"alice:100000:0":          `zero-count: a range of no IDs: all shadow-utils, dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:0`,
		"alice:100000:65536\r":    `readers-differ: "alice:100000:65536\r" is not read alike: all shadow-utils ignore it; dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:65536`,
		" alice:100000:65536":     `readers-differ: " alice:100000:65536" is not read alike: all shadow-utils read 100000:65536; dockerd 27 and earlier, dockerd 28 and later and podman and CRI-O read 100000:65536 for "alice"`,
		"alice:100000:65536:note": `readers-differ: "alice:100000:65536:note" is not read alike: shadow-utils 4.13, shadow-utils 4.17 and dockerd 28 and later read 100000:65536; shadow-utils 4.18 and shadow-utils 4.20 and later ignore it; dockerd 27 and earlier and podman and CRI-O refuse the whole file because of it`,
		"what is this":            `readers-differ: "what is this" is not read alike: all shadow-utils ignore it; dockerd 27 and earlier and podman and CRI-O refuse the whole file because of it; dockerd 28 and later read 0:0`,
		"alice:0:65536":           "root-mapped: alice:0:65536 includes ID 0, the root of the host",
		"alice:1000:65536":        "reserved: alice:1000:65536 has reserved IDs: 1000-60000 (login users), 60001-60513 (systemd-homed), 60514-60577 (host users mapped into systemd-nspawn containers), 60578-60705 (greeters of systemd), 60706-61183 (below 65536, where no range belongs), 61184-65519 (DynamicUser= of systemd), 65520-65533 (below 65536, where no range belongs), 65534-65534 (nobody, and IDs that are not mapped), 65535-65535 ((uid_t)-1 of 16-bit programs)",
		"alice:2147483640:65536":  "reserved: alice:2147483640:65536 has reserved IDs: 2147483648-2147549175 (IDs from 2^31 on, which programs with signed numbers get wrong)",
		"alice:524288:65536":      "",
		"alice:100000:65535":      "count-below-65536: fewer than 65536 IDs (65535): ID 65534 (nobody) of an image cannot be mapped",
		"kubelet:100000:65536":    "kubelet-misaligned: the kubelet takes only a start and a count that are multiples of 65536, not 100000:65536",
		"kubelet:131072:100000":   "kubelet-misaligned: the kubelet takes only a start and a count that are multiples of 65536, not 131072:100000",
		"kubelet:131072:131072":   "",
	} {
		got := ""
		if list := problems(t, "# first\n"+line+"\n"); len(list) > 0 {
			got = string(list[0].ID) + ": " + list[0].Text
			assert.Equal(t, 2, list[0].Line, line)
		}
		assert.Equal(t, want, got, "%q", line)
	}
	long := problems(t, "alice:1:2"+strings.Repeat(":", 66000)+"\n")
	require.NotEmpty(t, long)
	assert.Equal(t, subid.ProblemReadersDiffer, long[0].ID)
	assert.Contains(t, long[0].Text, "dockerd 28 and later cannot read a line this long and refuse the whole file")
}

// problems are those of one file, whose owners have the same in the other.
func problems(t testing.TB, text string) (list []subid.Problem) {
	s := &subid.Set{UID: subid.Parse("f", []byte(text)), GID: subid.Parse("g", []byte(text))}
	all, err := s.Problems(t.Context())
	require.NoError(t, err)
	for _, p := range all {
		if p.File == "f" {
			list = append(list, p)
		}
	}
	return list
}

func audit(t testing.TB, h usernskit.Host) ([]subid.Problem, error) {
	s, err := subid.Read(t.Context(), h)
	require.NoError(t, err)
	return s.Problems(t.Context())
}

func planRelease(t testing.TB, h usernskit.Host, owner string) (usernskit.Plan, error) {
	s, err := subid.Read(t.Context(), h)
	require.NoError(t, err)
	return s.PlanRelease(owner)
}

func find(t testing.TB, h usernskit.Host, want subid.Request) (subid.Grant, []usernskit.Warning, error) {
	s, err := subid.Read(t.Context(), h)
	require.NoError(t, err)
	return s.Find(want)
}

func owners(t testing.TB, h usernskit.Host, id uint32) ([]subid.Claim, error) {
	s, err := subid.Read(t.Context(), h)
	require.NoError(t, err)
	return s.Owners(t.Context(), id)
}

// where returns the problems of one kind as "file:line owner".
func where(list []subid.Problem, id subid.ProblemID) (out []string) {
	for _, p := range list {
		if p.ID == id {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s", strings.TrimPrefix(p.File, "/etc/"), p.Line, p.Owner)))
		}
	}
	return out
}

func TestProblemsBetweenLines(t *testing.T) {
	f := subid.Parse("f", []byte("a:500000:100000\nb:510000:65536\nc:540000:65536\nd:700000:65536\nd:700000:65536\ne:0x7a120:1\n#a:500000:9\nf:605536:70000\n+\ng:800000:65536\n-\nh:900000:65536"))
	list := problems(t, string(f.Bytes()))
	assert.Equal(t, []string{"f:2 b", "f:3 c", "f:6 e"}, where(list, subid.ProblemOverlap), "f is a neighbour only")
	assert.Equal(t, []string{"f:5 d"}, where(list, subid.ProblemDuplicate))
	assert.Equal(t, []string{"f:10 g", "f:12 h"}, where(list, subid.ProblemHiddenByNIS))
	assert.Equal(t, []string{"f:12"}, where(list, subid.ProblemNoFinalNewline))
	texts := "\n"
	for _, p := range list {
		texts += p.Text + "\n"
	}
	assert.Contains(t, texts, "\nb:510000:65536 overlaps a:500000:100000 of line 1\n")
	assert.Contains(t, texts, "follows the NIS entry of line 9:")
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
	list, err := audit(t, h)
	require.NoError(t, err)
	assert.Empty(t, where(list, subid.ProblemDanglingOwner), "nobody asked the directory")

	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if len(argv) > 2 {
			return nil, noSuchKey{}
		}
		return nil, nil
	}
	list, err = audit(t, h)
	require.NoError(t, err)
	assert.Equal(t, []string{"subuid:0"}, where(list, subid.ProblemSymlink))
	assert.Equal(t, []string{"subuid:2 ghost", "subuid:5 same", "subgid:2 ghost", "subgid:3 kubelet"}, where(list, subid.ProblemDanglingOwner))
	assert.Equal(t, []string{"subuid:5 same", "subgid:1 alice"}, where(list, subid.ProblemLoginUserMapped))
	assert.Equal(t, []string{"subuid:4 1001"}, where(list, subid.ProblemNameAndUIDBoth))
	assert.Equal(t, []string{"subuid:2 ghost", "subuid:3 bob", "subuid:5 same", "subgid:3 kubelet"}, where(list, subid.ProblemUIDGIDDiffer))
	assert.Equal(t, []string{"subgid:3 kubelet"}, where(list, subid.ProblemKubelet))
	assert.Equal(t, []string{"nsswitch.conf:0"}, where(list, subid.ProblemNSSIgnored))
	assert.Equal(t, []string{"nsswitch.conf:0"}, where(list, subid.ProblemAccountsUnseen))
	for _, p := range list {
		switch p.ID + subid.ProblemID(p.Owner) {
		case subid.ProblemLoginUserMapped + "alice":
			assert.Equal(t, "alice:100000:65536 includes ID 100500, that of wide, and 2 more", p.Text, "groups, and the primary group of a user")
		case subid.ProblemUIDGIDDiffer + "ghost":
			assert.Equal(t, "400000:65536 in /etc/subuid, 400000:65537 in /etc/subgid", p.Text)
		case subid.ProblemUIDGIDDiffer + "kubelet":
			assert.Equal(t, "nothing in /etc/subuid, 655360:65536 and 786432:65536 in /etc/subgid", p.Text)
		}
	}
}

func TestHostRootIsOneProblemAndNotTwo(t *testing.T) {
	list, err := audit(t, host(t, "alice:0:900\n", "alice:0:900\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"subuid:1 alice", "subgid:1 alice"}, where(list, subid.ProblemRootMapped))
	assert.Empty(t, where(list, subid.ProblemLoginUserMapped))
}

func TestAuditOfAGoodHostFindsNothing(t *testing.T) {
	list, err := audit(t, host(t, "# x\nalice:100000:65536\n\ndockremap:165536:65536\n", "alice:100000:65536\ndockremap:165536:65536\n"))
	require.NoError(t, err)
	assert.Empty(t, list)
	list, err = audit(t, host(t, "alice:100000:65536\n", "1000:100000:65536\n"))
	require.NoError(t, err)
	assert.Empty(t, list, "name and UID of one account")
	list, err = audit(t, hosttest.Tree(t, passwd))
	require.NoError(t, err)
	assert.Empty(t, list, "no files, no subordinate IDs")
}

func TestOwnersOfAnIDAsAnyReaderSeesThem(t *testing.T) {
	h := host(t, "alice:100000:65536\nhex:0x18700:1\n#old:100000:65536\n", "1000:100000:65536\n")
	list, err := owners(t, h, 100096)
	require.NoError(t, err)
	assert.Equal(t, []subid.Claim{
		{"/etc/subuid", 1, "alice", subid.Range{Start: 100000, Count: 65536}},
		{"/etc/subuid", 2, "hex", subid.Range{Start: 100096, Count: 1}},
		{"/etc/subgid", 1, "1000", subid.Range{Start: 100000, Count: 65536}},
	}, list)
	list, err = owners(t, h, 1000)
	require.NoError(t, err)
	assert.Equal(t, []subid.Claim{
		{"/etc/passwd", 3, "alice", subid.Range{Start: 1000, Count: 1}}, {"/etc/group", 3, "alice", subid.Range{Start: 1000, Count: 1}},
	}, list)
	list, err = owners(t, h, 165536)
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
		for _, p := range problems(t, text) {
			if p.ID == subid.ProblemOverlap || p.ID == subid.ProblemDuplicate {
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
