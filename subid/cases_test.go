package subid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

const accountFiles = "-- etc/passwd --\nroot:x:0:0::/:\nalice:x:1000:1000::/:\ncarol:x:1001:1001::/:\n-- etc/group --\nroot:x:0:\n-- usr/sbin/useradd --\n"

func defs(text string) string { return "-- etc/login.defs --\n" + text }

const deterministic = "SUB_UID_DETERMINISTIC yes\nSUB_GID_DETERMINISTIC yes\n"

func TestDeterministic(t *testing.T) {
	t.Run("a slot of a UID that does not exist yet is not given away", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs(deterministic+"SUB_UID_MIN 100000\nSUB_GID_MIN 100000\nUID_MAX 1003\n")+"-- etc/subuid --\nalice:100000:65536\n-- etc/subgid --\nalice:100000:65536\n")
		grant, plan, err := subid.Plan(t.Context(), h, docker())
		require.NoError(t, err)
		assert.Equal(t, "362144:65536", grant.UID.String(), "behind the slots of UIDs 1000 to 1003")
		assert.Empty(t, plan.Warnings)
	})
	t.Run("where slots leave nothing, the highest of no account, and a risk", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs(deterministic))
		grant, plan, err := subid.Plan(t.Context(), h, docker())
		require.NoError(t, err)
		assert.Equal(t, "2147418112:65536", grant.UID.String())
		require.Equal(t, []string{"deterministic-slot"}, warnings(plan))
		assert.True(t, plan.Warnings[0].Risk)
	})
	t.Run("an account gets the slot of its UID", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs(deterministic))
		grant, plan, err := subid.Plan(t.Context(), h, subid.Request{Owner: "carol"})
		require.NoError(t, err)
		assert.Equal(t, "131072:65536", grant.UID.String(), "65536 + (1001 - 1000) * 65536, by the defaults of this mode")
		assert.Empty(t, plan.Warnings)
	})
	t.Run("a start in the slot of an account is refused", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs(deterministic))
		_, _, err := subid.Plan(t.Context(), h, subid.Request{Owner: "x", Start: 131072})
		assert.ErrorContains(t, err, "x:131072:65536 overlaps 131072:65536, which useradd gives to carol, UID 1001")
	})
	t.Run("a range longer than its owner's slot has IDs of the next UID", func(t *testing.T) {
		for _, c := range []struct{ name, line, defs, want string }{
			{"from the slot on", "carol:165536:131072", "", "UID 1002 "},
			{"from before the slot on", "carol:100000:131072", "", "UID 1000 "},
			{"over all slots of the accounts", "alice:65536:131072", "UID_MAX 1001\n", "UID 1001 "},
			{"past the last slot", "carol:165536:131072", "UID_MAX 1001\n", ""},
			{"before the first slot", "alice:65536:131072", "UID_MAX 1000\n", ""},
		} {
			h := hosttest.Tree(t, accountFiles+defs("SUB_UID_DETERMINISTIC yes\nSUB_UID_MIN 100000\n"+c.defs)+"-- etc/subuid --\n"+c.line+"\n-- etc/subgid --\n")
			list, err := audit(t, h)
			require.NoError(t, err)
			text := ""
			for _, p := range list {
				if p.ID == subid.ProblemSlot {
					text += p.Text
				}
			}
			if c.want == "" {
				assert.Empty(t, text, c.name)
			}
			assert.Contains(t, text, c.want, c.name)
		}
	})
	t.Run("audit", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs("SUB_UID_DETERMINISTIC yes\nSUB_UID_MIN 100000\n")+
			"-- etc/subuid --\nalice:100000:65536\n1001:231072:65536\ndockremap:165536:65536\n-- etc/subgid --\n")
		list, err := audit(t, h)
		require.NoError(t, err)
		assert.Equal(t, []string{"subuid:2 1001"}, where(list, subid.ProblemFormulaBroken), "lines under the UID too")
		assert.Equal(t, []string{"subuid:2 1001", "subuid:3 dockremap"}, where(list, subid.ProblemSlot))
		assert.Len(t, where(list, subid.ProblemMixedMode), 1)
	})
}

// What users saw, by what they saw.
func TestCases(t *testing.T) {
	sss := accountFiles + "-- etc/nsswitch.conf --\npasswd: files sss\n"
	jdoe := func(_ context.Context, argv ...string) ([]byte, error) {
		switch {
		case len(argv) == 2:
			return nil, nil
		case argv[2] == "jdoe" || argv[2] == "222586300":
			return []byte("jdoe:*:222586300:222586300::/:\n"), nil
		}
		return nil, noSuchKey{}
	}
	read := func(t *testing.T, tree string) *subid.Set {
		h := hosttest.Tree(t, tree)
		h.Run = jdoe
		s, err := subid.Read(t.Context(), h)
		require.NoError(t, err)
		return s
	}
	t.Run("an account of a directory is not a dangling owner, and its own UID is found in its range", func(t *testing.T) {
		list, err := read(t, sss+"-- etc/subuid --\njdoe:222586000:65536\n").Problems(t.Context())
		require.NoError(t, err)
		assert.Empty(t, where(list, subid.ProblemDanglingOwner))
		assert.Len(t, where(list, subid.ProblemLoginUserMapped), 1)
	})
	t.Run("owner names the account that is not listed", func(t *testing.T) {
		list, err := read(t, sss).Owners(t.Context(), 222586300)
		require.NoError(t, err)
		assert.Equal(t, []subid.Claim{{Owner: "jdoe", Range: subid.Range{Start: 222586300, Count: 1}}}, list)
	})
	t.Run("a line under the UID is the name's to list, add and release", func(t *testing.T) {
		s := read(t, sss+"-- etc/subuid --\n222586300:100000:65536\n-- etc/subgid --\n222586300:100000:65536\n")
		assert.Len(t, s.Held("jdoe"), 2)
		_, plan, err := s.Plan(t.Context(), subid.Request{Owner: "jdoe"})
		require.NoError(t, err)
		assert.Empty(t, plan.Changes)
		plan, err = s.PlanRelease("jdoe")
		require.NoError(t, err)
		assert.Len(t, plan.Changes, 2)
	})
	t.Run("find says that accounts are not seen", func(t *testing.T) {
		_, list, err := read(t, sss).Find(subid.Request{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, "accounts-unseen", list[0].ID)
	})
	t.Run("a getent that fails is not an absence", func(t *testing.T) {
		h := hosttest.Tree(t, sss+"-- etc/subuid --\nbob:100000:65536\n-- etc/subgid --\nbob:100000:65536\n")
		h.Run = func(context.Context, ...string) ([]byte, error) { return nil, errors.New("signal: killed") }
		list, err := audit(t, h)
		require.NoError(t, err)
		for _, p := range list {
			assert.Equal(t, subid.ProblemAccountsUnseen, p.ID, "%v", p)
		}
		assert.NotEmpty(t, list)
	})
	t.Run("a tree without passwd", func(t *testing.T) {
		list, err := audit(t, hosttest.Tree(t, "-- etc/group --\nroot:x:0:\n-- etc/subuid --\nbob:100000:65536\n-- etc/subgid --\nbob:100000:65536\n"))
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, subid.ProblemAccountsUnseen, list[0].ID)
		assert.Equal(t, "/etc/passwd", list[0].File)
	})
	t.Run("dockremap before dockerd has made it", func(t *testing.T) {
		lines := "-- etc/subuid --\ndockremap:100000:65536\n-- etc/subgid --\ndockremap:100000:65536\n"
		list, err := audit(t, hosttest.Tree(t, accountFiles+lines))
		require.NoError(t, err)
		assert.Empty(t, list)
		list, err = audit(t, hosttest.Tree(t, strings.Replace(accountFiles, "sbin/useradd", "sbin/groupadd", 1)+lines))
		require.NoError(t, err)
		require.NotEmpty(t, list)
		assert.Contains(t, list[0].Text, "finds neither useradd nor adduser, and will stop")
	})
	t.Run("owners without an account, each with its own words", func(t *testing.T) {
		for owner, want := range map[string]string{"containers": "libsubid 4.20", "kubelet": "the kubelet ignores", "tenant": "shadow-utils from 4.20 on"} {
			_, plan, err := subid.Plan(t.Context(), hosttest.Tree(t, accountFiles), subid.Request{Owner: owner})
			require.NoError(t, err)
			require.Equal(t, []string{"no-account"}, warnings(plan))
			assert.Contains(t, plan.Warnings[0].Text, want)
			assert.NotContains(t, plan.Warnings[0].Text, "dockerd")
		}
	})
	t.Run("a small range that is there is kept where it is accepted", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+"-- etc/subuid --\ndockremap:808080:1000\n-- etc/subgid --\ndockremap:808080:1000\n")
		_, _, err := subid.Plan(t.Context(), h, docker())
		require.ErrorIs(t, err, subid.ErrSmallRange)
		want := docker()
		want.AllowSmall = true
		grant, plan, err := subid.Plan(t.Context(), h, want)
		require.NoError(t, err)
		assert.Equal(t, "808080:1000", grant.UID.String())
		assert.Empty(t, plan.Changes)
		assert.Equal(t, []string{"small-range"}, warnings(plan))
	})
	t.Run("release names a range once", func(t *testing.T) {
		lines := "alice:100000:65536\nalice:200000:65536\n"
		plan, err := planRelease(t, hosttest.Tree(t, accountFiles+"-- etc/subuid --\n"+lines+"-- etc/subgid --\n"+lines), "alice")
		require.NoError(t, err)
		assert.Contains(t, plan.Warnings[0].Text, "belong to the next owner of the range: 100000:65536, 200000:65536")
		assert.Equal(t, 1, strings.Count(plan.Warnings[0].Text, "200000"))
	})
	t.Run("limits that leave nothing stop choosing only", func(t *testing.T) {
		h := hosttest.Tree(t, accountFiles+defs("SUB_UID_MIN 700000000\n")+"-- etc/subuid --\nalice:100000:65536\n-- etc/subgid --\nalice:100000:65536\n")
		list, err := audit(t, h)
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, subid.ProblemLimits, list[0].ID)
		_, err = planRelease(t, h, "alice")
		assert.NoError(t, err)
		_, _, err = subid.Plan(t.Context(), h, docker())
		assert.ErrorContains(t, err, "SUB_UID_MIN 700000000 is above SUB_UID_MAX")
		_, _, err = subid.Plan(t.Context(), h, subid.Request{Owner: "x", Policy: subid.Policy{Min: 200000, Max: 400000}})
		assert.NoError(t, err)
	})
	t.Run("reserved ranges of one line are one finding, the worst first", func(t *testing.T) {
		list := problems(t, "alice:10000:55537\n")
		require.Len(t, list, 2)
		assert.Equal(t, subid.ProblemReserved, list[0].ID)
		assert.Equal(t, subid.ProblemCountBelow65536, list[1].ID)
	})
	t.Run("a NUL byte lists no line twice", func(t *testing.T) {
		s := subid.Set{UID: subid.Parse("f", []byte("alice:100000:65536\nbob:1\x00:2\ncarol:300000:65536\n"))}
		assert.Len(t, s.Held("alice"), 1)
	})
	t.Run("a byte order mark is named", func(t *testing.T) {
		list, err := audit(t, hosttest.Tree(t, accountFiles+"-- etc/subuid --\n\ufeffalice:100000:65536\n-- etc/subgid --\n\ufeffalice:100000:65536\n"))
		require.NoError(t, err)
		assert.Equal(t, []string{"subuid:1 \ufeffalice", "subgid:1 \ufeffalice"}, where(list, subid.ProblemBOM))
		assert.Empty(t, where(list, subid.ProblemDanglingOwner))
	})
	t.Run("a byte order mark between two files that were joined", func(t *testing.T) {
		list := problems(t, "bob:300000:65536\n\ufeffalice:100000:65536\n")
		require.Len(t, list, 1)
		assert.Equal(t, `f:2: byte-order-mark: begins with a byte order mark: no program takes the line for one of "alice"`, list[0].String())
	})
	t.Run("a problem prints no control characters", func(t *testing.T) {
		for _, p := range problems(t, "al\x1b[2Jice:0:5\n") {
			assert.NotContains(t, p.String(), "\x1b")
		}
	})
}

// 16 MiB of odd lines: bounded in time and memory, cut and said, cancelled.
func TestAuditIsBounded(t *testing.T) {
	text := []byte(strings.Repeat("a1234:0x10:0x10\n", 1<<20))
	s := subid.Set{UID: subid.Parse(subid.UIDFile, text), GID: subid.Parse(subid.GIDFile, nil)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	list, err := s.Problems(t.Context())
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	t.Logf("%v, %d MiB from the system, %d findings", took, (after.Sys-before.Sys)>>20, len(list))
	assert.Less(t, (after.Sys-before.Sys)>>20, uint64(200))
	assert.Less(t, len(list), 5000)
	assert.Contains(t, fmt.Sprint(list), "findings-cut: 1047576 more findings of not-decimal are not shown")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began = time.Now()
	_, err = s.Problems(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), took/3)
}

func TestPlanAll(t *testing.T) {
	lines := string(manyLines(8000))
	h := hosttest.Tree(t, accountFiles+"-- etc/subuid --\n"+lines+"-- etc/subgid --\n"+lines)
	var want []subid.Request
	for i := range 50 {
		want = append(want, subid.Request{Owner: fmt.Sprintf("tenant%d", i)})
	}
	began := time.Now()
	grants, plan, err := subid.PlanAll(t.Context(), h, want...)
	require.NoError(t, err)
	t.Logf("50 tenants beside 8000 lines: %v", time.Since(began))
	require.Len(t, plan.Changes, 2, "each file is written once")
	for i, g := range grants {
		assert.Equal(t, g.UID, g.GID)
		for _, other := range grants[:i] {
			assert.False(t, g.UID.Overlaps(other.UID), "%v %v", g, other)
		}
	}
	assert.Equal(t, 8050, strings.Count(string(plan.Changes[0].After), "\n"))

	_, plan, err = subid.PlanAll(t.Context(), h, append(want, subid.Request{Owner: "x", Start: 100000})...)
	assert.ErrorIs(t, err, subid.ErrOverlap)
	assert.Empty(t, plan.Changes, "all or nothing")
	_, _, err = subid.PlanAll(t.Context(), h, subid.Request{Owner: "alice"}, subid.Request{Owner: "1000"})
	assert.ErrorContains(t, err, `"1000" is requested twice`)
	_, _, err = subid.PlanAll(t.Context(), h, subid.Request{Owner: "a", Start: 700000000}, subid.Request{Owner: "b", Start: 700000000})
	assert.ErrorIs(t, err, subid.ErrOverlap, "of two in one batch")
	grants, _, err = subid.PlanAll(t.Context(), hosttest.Tree(t, accountFiles), subid.Request{Owner: "a", Start: 100000}, subid.Request{Owner: "b"})
	require.NoError(t, err)
	assert.Equal(t, "165536:65536", grants[1].UID.String(), "beside what the batch has with a start of its own")
}

func TestSlotsOfAFleet(t *testing.T) {
	h := hosttest.Tree(t, accountFiles+"-- etc/subuid --\nbob:165536:65536\n")
	want := subid.Request{Owner: "dockremap", Slot: new(uint32(2)), Count: 65536, Policy: subid.Policy{Min: 100000}}
	grant, _, err := subid.Plan(t.Context(), h, want)
	require.NoError(t, err)
	assert.Equal(t, "231072:65536", grant.UID.String())
	want.Slot = new(uint32(1))
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.ErrorIs(t, err, subid.ErrOverlap)
	want.Slot = new(uint32(4000000))
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.ErrorIs(t, err, subid.ErrInvalid)
}

func TestWithinAndFree(t *testing.T) {
	lines := []byte("tenants:1000000:200000\nother:1065536:10\n")
	s := subid.Set{UID: subid.Parse(subid.UIDFile, lines), GID: subid.Parse(subid.GIDFile, lines)}
	r, err := s.Within("tenants", subid.Request{})
	require.NoError(t, err)
	assert.Equal(t, "1000000:65536", r.String())
	r, err = s.Within("tenants", subid.Request{Policy: subid.Policy{Avoid: []subid.Range{r}}})
	require.NoError(t, err)
	assert.Equal(t, "1065546:65536", r.String(), "behind the other owner's")
	_, err = s.Within("tenants", subid.Request{Count: 150000})
	assert.ErrorIs(t, err, subid.ErrExhausted)
	_, err = s.Within("nobody", subid.Request{})
	assert.ErrorIs(t, err, subid.ErrExhausted)

	total, largest, err := s.Free(subid.Policy{Min: 100000, Max: 400000, Avoid: []subid.Range{{Start: 200000, Count: 1}}})
	require.NoError(t, err)
	assert.EqualValues(t, 300000, total)
	assert.Equal(t, "200001:200000", largest.String())
}

func TestAgainst(t *testing.T) {
	one := subid.Parse("one", []byte("dockremap:100000:65536\n"))
	two := subid.Parse("two", []byte("x:1:1\ndockremap:165535:65536\n"))
	three := subid.Parse("three", []byte("dockremap:300000:65536\n"))
	list, err := one.Against(t.Context(), three)
	require.NoError(t, err)
	assert.Empty(t, list)
	t.Run("overlaps within a file are not between hosts", func(t *testing.T) {
		own := subid.Parse("own", []byte("x:100000:65536\ny:120000:10\n"))
		for _, others := range [][]*subid.File{nil, {three}} {
			list, err := own.Against(t.Context(), others...)
			require.NoError(t, err)
			assert.Empty(t, list)
		}
	})
	t.Run("a line inside of another meets too", func(t *testing.T) {
		own := subid.Parse("own", []byte("x:100000:65536\ny:120000:10\n"))
		list, err := one.Against(t.Context(), own)
		require.NoError(t, err)
		assert.Len(t, list, 2)
	})
	list, err = one.Against(t.Context(), three, two)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "two:2: hosts-meet: dockremap:165535:65536 overlaps dockremap:100000:65536 of one:1", list[0].String())
}

func TestRangeText(t *testing.T) {
	var r subid.Range
	require.NoError(t, r.Set("100000:65536"))
	assert.Equal(t, "100000:65536", r.String())
	for _, bad := range []string{"", "1", "1:", ":1", "01:1", "1:2:3", " 1:2", "0x1:2", "4294967295:1", "1:4294967295", "1:0"} {
		assert.ErrorIs(t, r.Set(bad), subid.ErrInvalid, bad)
	}
	assert.Equal(t, subid.Range{Start: 100000, Count: 65536}, r, "a failed one changes nothing")
}

// A text form of Range took the place of every struct that has one inside.
func TestRangesInJSONKeepWhatIsBesideThem(t *testing.T) {
	for want, v := range map[string]any{
		`{"start":1,"count":2,"name":"x","soft":true}`:              subid.Reserved{Range: subid.Range{Start: 1, Count: 2}, Name: "x", Soft: true},
		`{"file":"f","line":3,"owner":"alice","start":1,"count":2}`: subid.Claim{File: "f", Line: 3, Owner: "alice", Range: subid.Range{Start: 1, Count: 2}},
	} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, want, string(data))
	}
}
