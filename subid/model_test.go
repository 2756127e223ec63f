package subid_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
)

// The dumbest model of an allocation: a set of single IDs, filled line by line
// with what each reader finds there for each owner.
type model map[int64]bool

func (m model) line(text string) {
	for _, r := range reader.Programs() {
		for _, owner := range []string{"a", "b", " c", "c", "#d"} {
			list, _ := reader.Read(r, "f", text+"\n", reader.Owner{Name: owner, UID: new(uint32(7))})
			for _, n := range list {
				for id := n.Start; id < n.Start+min(n.Count, 1000) && id >= 0; id++ {
					m[id] = true
				}
			}
		}
	}
}

// free returns the lowest range, or else the size of the largest hole.
func (m model) free(first, last, count, align int64) (start, largest int64) {
	for s := first; s <= last; s++ {
		if s%align != 0 {
			continue
		}
		n := int64(0)
		for s+n <= last && !m[s+n] {
			n++
		}
		if n >= count {
			return s, n
		}
		largest = max(largest, n)
	}
	return -1, largest
}

// Law 5, against the model: the range is the lowest there is, and it meets
// nothing that any reader reads.
func TestPlanAgreesWithTheModel(t *testing.T) {
	const base = 100000
	rapid.Check(t, func(rt *rapid.T) {
		span := rapid.Int64Range(1, 24).Draw(rt, "span")
		number := func(n int64) string {
			format := rapid.SampledFrom([]string{"%d", "%d", "%d", "0x%x", "0%o", "+%d", " %d", "0%d", "%d "}).Draw(rt, "format")
			return fmt.Sprintf(format, n)
		}
		taken, files := model{}, [2]string{}
		for i := range files {
			for range rapid.IntRange(0, 6).Draw(rt, "lines") {
				line := rapid.SampledFrom([]string{"a", "b", " c", "7", "#d"}).Draw(rt, "owner") + ":" +
					number(base+rapid.Int64Range(-4, span).Draw(rt, "start")) + ":" +
					number(rapid.Int64Range(0, 8).Draw(rt, "count")) +
					rapid.SampledFrom([]string{"", "", "", "\r", ":", ":9", " "}).Draw(rt, "tail")
				taken.line(line)
				files[i] += line + "\n"
			}
		}
		passwd, group := "", ""
		for _, id := range rapid.SliceOfN(rapid.Int64Range(base-2, base+span), 0, 3).Draw(rt, "accounts") {
			passwd += fmt.Sprintf("u%d:x:%d:%d::/:\n", id, id, id+1)
			group += fmt.Sprintf("g%d:x:%d:\n", id, id+2)
			taken[id], taken[id+1], taken[id+2] = true, true, true
		}
		want := subid.Request{Owner: "new", AllowSmall: true, Policy: subid.Policy{
			Min: base, Max: uint32(base + span - 1),
			Count: rapid.Uint32Range(1, 10).Draw(rt, "count"), Align: rapid.Uint32Range(0, 5).Draw(rt, "align"),
		}}
		h := hosttest.Tree(t, "-- etc/subuid --\n"+files[0]+"-- etc/subgid --\n"+files[1]+"-- etc/passwd --\n"+passwd+"-- etc/group --\n"+group)
		start, largest := taken.free(base, base+span-1, int64(want.Policy.Count), int64(max(want.Policy.Align, 1)))

		grant, plan, err := subid.Plan(t.Context(), h, want)
		again, _, err2 := subid.Plan(t.Context(), h, want)
		require.Equal(rt, grant, again, "the same host, another answer")
		if start < 0 {
			var exhausted *subid.ConflictError
			require.ErrorAs(rt, err, &exhausted)
			require.Equal(rt, err, err2)
			require.EqualValues(rt, largest, exhausted.Have.Count, "the largest hole")
			require.Empty(rt, plan.Changes)
			return
		}
		require.NoError(rt, err)
		require.EqualValues(rt, start, grant.UID.Start)
		require.Equal(rt, grant.UID, grant.GID)
		for i, text := range after(plan) {
			require.Equal(rt, files[map[string]int{"/etc/subuid": 0, "/etc/subgid": 1}[i]]+"new:"+grant.UID.String()+"\n", text)
		}

		// An explicit start is granted just where the model says free, but that
		// a comment is in nobody's way.
		want.Start, want.Policy.Align = uint32(base+rapid.Int64Range(0, span).Draw(rt, "explicit")), 0
		if strings.Contains(files[0]+files[1], "#") {
			return
		}
		_, _, err = subid.Plan(t.Context(), h, want)
		isFree := true
		uids, gids := model{}, model{} // accounts count in their own file only
		for _, line := range strings.Split(files[0]+files[1], "\n") {
			uids.line(line)
			gids.line(line)
		}
		for line := range strings.Lines(passwd) {
			var name string
			var uid, gid int64
			name, line, _ = strings.Cut(line, ":x:")
			fmt.Sscanf(line, "%d:%d:", &uid, &gid)
			uids[uid], gids[gid], gids[uid+2] = true, true, true
			_ = name
		}
		for id := int64(want.Start); id < int64(want.Start)+int64(want.Policy.Count); id++ {
			isFree = isFree && !uids[id] && !gids[id]
		}
		require.Equal(rt, isFree, err == nil, "%v", err)
	})
}

// Every set of lines in a space of eight IDs, every count and alignment.
func TestEveryAllocationInASmallSpace(t *testing.T) {
	const base, size = 100000, 8
	granted, exhausted := 0, 0
	for set := range 1 << size {
		text, taken := "", model{}
		for id := int64(0); id < size; id++ {
			if set>>id&1 == 1 {
				taken[base+id] = true
				text = fmt.Sprintf("u:%d:1\n%s", base+id, text) // from the top down: never sorted
			}
		}
		h := hosttest.Tree(t, "-- etc/subuid --\n"+text+"-- etc/subgid --\n")
		s, err := subid.Read(t.Context(), h)
		require.NoError(t, err)
		for count := uint32(1); count <= size; count++ {
			for align := uint32(1); align <= 3; align++ {
				want := subid.Request{AllowSmall: true, Policy: subid.Policy{Min: base, Max: base + size - 1, Count: count, Align: align}}
				start, largest := taken.free(base, base+size-1, int64(count), int64(align))
				grant, _, err := s.Find(want)
				if start >= 0 {
					granted++
					require.NoError(t, err)
					require.EqualValues(t, start, grant.UID.Start, "%08b count %d align %d", set, count, align)
					continue
				}
				exhausted++
				var e *subid.ConflictError
				require.ErrorAs(t, err, &e)
				require.EqualValues(t, largest, e.Have.Count, "%08b count %d align %d", set, count, align)
			}
		}
	}
	assert.Equal(t, 256*8*3, granted+exhausted)
	assert.Greater(t, granted, 500)
	assert.Greater(t, exhausted, 500)
}
