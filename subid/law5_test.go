package subid_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// A smallSpace is eight IDs of a host, and what each of them means there.
type smallSpace struct {
	base         int64
	taken        model           // by what a reader finds, an account, a group, or a range that is granted
	hard, soft   model           // reserved
	slots        model           // of all UIDs
	given        map[int64]int64 // slots of accounts, to their UIDs
	uids         map[string]int64
	bothByUID    bool
	slotLen, max int64
}

const (
	smallSize = 8
	firstUID  = 1000
	lastUID   = 1002 // six of the eight IDs are in slots
)

// sized makes a preset small: so many IDs become one.
func sized(program string, pods, ids uint32) subid.Request {
	r := preset(program, pods)
	r.Count, r.Policy.Align, r.AllowSmall = r.Count/ids, r.Policy.Align/ids, true
	return r
}

// allocate is the dumbest allocation: the slot of the owner's UID, if it is as
// long as what is wanted and free, or else the lowest range that meets nothing;
// then one in IDs that are reserved softly; then the highest in slots that no
// account has, outside those and in them.
func (m *smallSpace) allocate(want subid.Request) (start int64, ok bool) {
	count, align := int64(want.Count), int64(max(want.Policy.Align, 1))
	first, last := m.base, m.max
	if want.Policy.Max != 0 {
		last = int64(want.Policy.Max)
	}
	uid, known := m.uids[want.Owner]
	fits := func(start int64, bad ...func(id int64) bool) bool {
		for id := start; id < start+count; id++ {
			if id < first || id > last || m.taken[id] || m.hard[id] {
				return false
			}
			for _, b := range bad {
				if b(id) {
					return false
				}
			}
		}
		return start%align == 0
	}
	ofOthers := func(id int64) bool { have, is := m.given[id]; return is && !(known && have == uid) }
	if want.Slot != nil {
		start = m.base + int64(*want.Slot)*count
		return start, fits(start, ofOthers)
	}
	if known && m.bothByUID && count == m.slotLen && want.Policy.Max == 0 {
		if start = m.base + (uid-firstUID)*m.slotLen; fits(start, ofOthers) {
			return start, true
		}
	}
	soft := func(id int64) bool { return m.soft[id] }
	inSlot := func(id int64) bool { return m.slots[id] }
	inGiven := func(id int64) bool { _, is := m.given[id]; return is }
	for start = first; start <= last; start++ {
		if fits(start, inSlot, soft) {
			return start, true
		}
	}
	for start = first; start <= last; start++ {
		if fits(start, inSlot) {
			return start, true
		}
	}
	for start = last; start >= first; start-- {
		if fits(start, inGiven, soft) {
			return start, true
		}
	}
	for start = last; start >= first; start-- {
		if fits(start, inGiven) {
			return start, true
		}
	}
	return 0, false
}

// Law 5 in a space of eight IDs with all there is at once: each set of lines,
// each mode of login.defs for the two files, accounts with slots of their own,
// reserved IDs, presets alone and in batches.
func TestEveryBatchInASmallSpace(t *testing.T) {
	slot := func(n, count uint32) subid.Request {
		return subid.Request{Owner: fmt.Sprint("fleet", n), Slot: &n, Count: count, AllowSmall: true}
	}
	tenant := func(n, count uint32) subid.Request {
		return subid.Request{Owner: fmt.Sprint("tenant", n), Count: count, AllowSmall: true}
	}
	granted, refused := 0, 0
	for _, base := range []int64{524284, 2147352569} {
		podman := sized("podman", 0, 1<<19) // eight long: it needs more room
		podman.Policy.Max = uint32(base + 2*smallSize - 3)
		batches := [][]subid.Request{
			{sized("docker", 0, 32768)},
			{sized("kubelet", 1, 32768)},
			{sized("kubelet", 2, 32768)},
			{podman},
			{slot(1, 2)},
			{sized("docker", 0, 32768), sized("kubelet", 1, 32768)},
			{sized("kubelet", 1, 32768), sized("docker", 0, 32768), tenant(1, 1)},
			{tenant(1, 1), podman, tenant(2, 1)},
			{slot(0, 2), tenant(1, 2), slot(2, 2)},
			{tenant(1, 3), slot(7, 1), tenant(2, 1)},
		}
		for mode := range 4 { // a bit for each file
			for accounts := range 1 << 4 {
				if mode == 0 && accounts&7 != 0 {
					continue // they have no slots, and no ID that is in the space
				}
				space := smallSpace{base: base, hard: model{}, soft: model{}, slots: model{}, slotLen: 2, max: base + smallSize - 1, bothByUID: mode == 3}
				for _, r := range subid.ReservedRanges() {
					for id := base; id < base+2*smallSize; id++ {
						if r.Contains(uint32(id)) {
							space.hard[id], space.soft[id] = space.hard[id] || !r.Soft, space.soft[id] || r.Soft
						}
					}
				}
				limits, passwd, group := fmt.Sprintf("UID_MIN %d\nUID_MAX %d\n", firstUID, lastUID), "root:x:0:0::/:\n", ""
				for i, kind := range []string{"UID", "GID"} {
					limits += fmt.Sprintf("SUB_%s_MIN %d\nSUB_%s_MAX %d\nSUB_%s_COUNT %d\n", kind, base, kind, space.max, kind, space.slotLen)
					if mode>>i&1 == 1 {
						limits += "SUB_" + kind + "_DETERMINISTIC yes\n"
					}
				}
				space.uids, space.given = map[string]int64{}, map[int64]int64{}
				for uid := int64(firstUID); uid <= lastUID && mode != 0; uid++ {
					for id := base + (uid-firstUID)*space.slotLen; id < base+(uid-firstUID+1)*space.slotLen; id++ {
						space.slots[id] = true
					}
				}
				fixed := []int64{}
				for i, name := range []string{"dockremap", "kubelet", "other"} {
					if accounts>>i&1 == 0 {
						continue
					}
					uid := int64(firstUID + i)
					space.uids[name] = uid
					passwd += fmt.Sprintf("%s:x:%d:100::/:\n", name, uid)
					for id := base + int64(i)*space.slotLen; id < base+int64(i+1)*space.slotLen && mode != 0; id++ {
						space.given[id] = uid
					}
				}
				if accounts>>3&1 == 1 {
					group, fixed = fmt.Sprintf("g:x:%d:\n", base+5), append(fixed, base+5)
				}
				h := hosttest.Tree(t, "-- etc/passwd --\n"+passwd+"-- etc/group --\n"+group+defs(limits))
				s, err := subid.Read(t.Context(), h)
				require.NoError(t, err)
				for set := range 1 << smallSize {
					taken, texts := model{}, [2]string{}
					for i := smallSize - 1; i >= 0; i-- { // never sorted
						if set>>i&1 == 1 {
							line := fmt.Sprintf([]string{"a:%d:1", "b:0x%x:1", " c:%d:1\r"}[i%3], base+int64(i))
							taken[base+int64(i)] = true
							texts[i%2] += line + "\n"
						}
					}
					s.UID, s.GID = subid.Parse(subid.UIDFile, []byte(texts[0])), subid.Parse(subid.GIDFile, []byte(texts[1]))
					for n, batch := range batches {
						space.taken = model{}
						for id := range taken {
							space.taken[id] = true
						}
						for _, id := range fixed {
							space.taken[id] = true
						}
						want, all := []string{}, true
						for _, request := range batch {
							start, ok := space.allocate(request)
							if all = all && ok; !all {
								break
							}
							for id := start; id < start+int64(request.Count); id++ {
								space.taken[id] = true
							}
							want = append(want, fmt.Sprintf("%s:%d:%d", request.Owner, start, request.Count))
						}
						grants, plan, err := s.Plan(t.Context(), batch...)
						if all != (err == nil) {
							require.Equal(t, all, err == nil, "base %d mode %02b accounts %04b set %08b batch %d: want %v: %v", base, mode, accounts, set, n, want, err)
						}
						if !all {
							refused++
							if len(grants)+len(plan.Changes) > 0 {
								require.Fail(t, "some of a batch that is refused", "%v", grants)
							}
							continue
						}
						granted++
						for i, g := range grants {
							if got := g.Owner + ":" + g.UID.String(); got != want[i] || g.UID != g.GID {
								require.Equal(t, want, grants, "base %d mode %02b accounts %04b set %08b batch %d", base, mode, accounts, set, n)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d batches granted, %d refused", granted, refused)
	assert.Greater(t, granted, 20000)
	assert.Greater(t, refused, 20000)
}
