package subid

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// A span is the IDs from first to last.
type span struct{ first, last uint32 }

// spans is a set of IDs, sorted by their first except while it is collected.
type spans []span

func (s *spans) add(r Range) {
	if r.Count > 0 {
		*s = append(*s, span{r.Start, uint32(min(r.end()-1, math.MaxUint32))})
	}
}

func byFirst(a, b span) int { return cmp.Compare(a.first, b.first) }

func (s spans) sort() spans {
	slices.SortFunc(s, byFirst)
	return s
}

// insert adds a range to sorted spans.
func (s *spans) insert(r Range) {
	at, _ := slices.BinarySearchFunc(*s, span{r.Start, 0}, byFirst)
	*s = slices.Insert(*s, at, span{r.Start, uint32(r.end() - 1)})
}

// holes yields the ranges from first to last that are in none of the lists, in
// order.
func holes(first, last uint32, lists []spans) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		low := uint64(first)
		hole := func(end uint64) bool { // up to end, not included
			end = min(end, uint64(last)+1)
			return end <= low || yield(Range{uint32(low), uint32(min(end-low, math.MaxUint32))})
		}
		rest := slices.Clone(lists)
		for {
			var next *spans // the list that goes on with the lowest ID
			for i, list := range rest {
				if len(list) > 0 && (next == nil || list[0].first < (*next)[0].first) {
					next = &rest[i]
				}
			}
			if next == nil {
				break
			}
			if !hole(uint64((*next)[0].first)) {
				return
			}
			low = max(low, uint64((*next)[0].last)+1)
			*next = (*next)[1:]
		}
		hole(math.MaxUint64)
	}
}

// choose returns the lowest or the highest range that fits the policy and is in
// none of the lists. If there is none, it returns the largest hole and false.
func choose(p Policy, highest bool, lists []spans) (r Range, ok bool) {
	var largest Range
	for hole := range holes(p.Min, p.Max, lists) {
		if off := hole.Start % max(p.Align, 1); off != 0 {
			skip := p.Align - off
			if skip >= hole.Count {
				continue
			}
			hole.Start, hole.Count = hole.Start+skip, hole.Count-skip
		}
		switch {
		case hole.Count >= p.Count && !highest:
			return Range{hole.Start, p.Count}, true
		case hole.Count >= p.Count:
			start := hole.Start + (hole.Count - p.Count)
			r, ok = Range{start - (start-hole.Start)%max(p.Align, 1), p.Count}, true
		case hole.Count > largest.Count:
			largest = hole
		}
	}
	if ok {
		return r, true
	}
	return largest, false
}

// taken returns the IDs in use: those of accounts and groups, then those that any
// program reads in either file, commented lines included. It leaves out owners for
// which leave is true. Reserved ranges are not included. Each file has a list of
// its own, since useradd sorts it: a sorted list is sorted again in no time.
func (s *Set) taken(leave func(owner string) bool) []spans {
	var accounts spans
	for _, a := range s.users {
		accounts = append(accounts, span{a.ID, a.ID}, span{a.GID, a.GID})
	}
	for _, a := range s.groups {
		accounts = append(accounts, span{a.ID, a.ID})
	}
	lists := []spans{accounts.sort()}
	for _, f := range s.files() {
		if f != s.UID && f.text == s.UID.text {
			continue // the same lines again
		}
		lines := make(spans, 0, strings.Count(f.text, "\n")+1)
		for l := range f.allClaims() {
			if leave == nil || !leave(l.Owner) {
				lines.add(l.Range)
			}
		}
		lists = append(lists, lines.sort())
	}
	return lists
}

// offLimits returns the IDs that a policy excludes although they are not taken,
// sorted: reserved IDs (soft ones only if soft is true), Policy.Avoid, and the
// slots of all possible UIDs or, if all is false, of the accounts.
func (s *Set) offLimits(p Policy, soft, all bool) (list spans) {
	for _, x := range reservedTable {
		if soft || !x.Soft {
			list.add(x.Range)
		}
	}
	for _, f := range s.files() {
		w := s.window(f)
		if all {
			list.add(w.slots())
			continue
		}
		for _, a := range s.users {
			slot, _ := w.slot(a.ID)
			list.add(slot)
		}
	}
	for _, avoid := range p.Avoid {
		list.add(avoid)
	}
	return list.sort()
}

// choose finds the lowest range that is free in both files. It uses soft
// reserved IDs only if nothing else is free, or if the administrator's limits
// start in them. If the slots of all UIDs leave nothing, it takes the highest
// range that is not in the slot of an account, since UIDs are assigned upwards.
func (s *Set) choose(taken []spans, p Policy, owner string) (Range, []usernskit.Warning, error) {
	var largest Range
	for _, used := range []bool{false, true} { // also in slots of unused UIDs
		for _, soft := range []bool{false, true} { // also in IDs of systemd-nspawn
			if !soft && softAt(p.Min) || used && s.window(s.UID).slots().Count+s.window(s.GID).slots().Count == 0 {
				continue
			}
			r, ok := choose(p, used, append(taken, s.offLimits(p, !soft, !used)))
			if ok {
				return r, s.rangeWarnings(p, owner, nil, r), nil
			}
			if r.Count > largest.Count {
				largest = r
			}
		}
	}
	at, hole := "", ", where all are taken"
	if p.Align > 1 {
		at = fmt.Sprintf(" at a multiple of %d", p.Align)
	}
	if largest.Count > 0 {
		hole = fmt.Sprintf("; the largest hole is %v", largest)
	}
	return Range{}, nil, conflict(ErrExhausted, "", Range{0, p.Count}, Claim{Range: largest},
		"no %d free IDs%s in both files between %d and %d%s", p.Count, at, p.Min, p.Max, hole)
}

// rangeWarnings returns the warnings about a range: systemd might use it, or it
// overlaps the slots of other UIDs.
func (s *Set) rangeWarnings(p Policy, owner string, uid *uint32, r Range) (list []usernskit.Warning) {
	for _, x := range reservedTable {
		if x.Soft && x.Overlaps(r) && !softAt(p.Min) {
			list = append(list, usernskit.Warning{ID: string(ProblemReserved), Text: fmt.Sprintf(
				"%s has IDs of %d to %d: %s; keep those off this host", named(owner, r), x.Start, x.Last(), x.Name)})
		}
	}
	for _, f := range s.files() {
		if n, ok := s.window(f).foreignSlot(uid, r); ok {
			return append(list, usernskit.Warning{ID: string(ProblemSlot), Risk: true, Text: fmt.Sprintf(
				"%s has IDs that useradd gives to UID %d without reading %s (%s, deterministic): do not create that account",
				named(owner, r), n, f.name, defsFile)})
		}
	}
	return list
}

// foreignSlot returns the lowest UID whose slot overlaps the range outside the
// slot of uid.
func (w *window) foreignSlot(uid *uint32, r Range) (n uint64, ok bool) {
	all := w.slots()
	if !all.Overlaps(r) {
		return 0, false
	}
	at := max(r.Start, all.Start)
	if uid != nil {
		if own, ok := w.slot(*uid); ok && own.Contains(at) {
			if own.end() >= min(r.end(), all.end()) {
				return 0, false
			}
			at = uint32(own.end())
		}
	}
	return w.uidOf(at), true
}

// checkReserved refuses reserved IDs, except soft ones: see Plan.
func checkReserved(owner string, r Range, at Claim) error {
	for _, x := range reservedTable {
		if !x.Soft && x.Overlaps(r) {
			return conflict(ErrReserved, owner, r, Claim{at.File, at.Line, x.Name, x.Range},
				"%s has IDs of %d to %d, reserved: %s", named(owner, r), x.Start, x.Last(), x.Name)
		}
	}
	return nil
}

// Free returns how many IDs are free in both files within the policy, and the
// largest free range. Reserved IDs do not count, except soft ones if the policy
// starts in them; nor do the IDs that useradd computes from a UID.
func (s *Set) Free(p Policy) (total uint64, largest Range, err error) {
	if p, err = s.resolve(p); err != nil {
		return 0, Range{}, err
	}
	for hole := range holes(p.Min, p.Max, append(s.taken(nil), s.offLimits(p, !softAt(p.Min), true))) {
		total += uint64(hole.Count)
		if hole.Count > largest.Count {
			largest = hole
		}
	}
	return total, largest, nil
}

// Within returns a part of the ranges that an owner has in both files, for an
// owner that hands its IDs on. The part does not overlap other owners' lines,
// accounts or Policy.Avoid. The files do not change: the caller records the
// parts and passes them in Policy.Avoid. The request's owner is ignored; if its
// Start is set, the part starts there. [ErrExhausted] means that none is free.
func (s *Set) Within(owner string, want Request) (Range, error) {
	o, _ := s.owner(owner, nil)
	var off spans
	for _, f := range s.files() {
		var own spans
		for c := range f.Ranges() {
			if o.Is(c.Owner) {
				own.add(c.Range)
			}
		}
		for other := range holes(0, maxID, []spans{own.sort()}) {
			off.add(other)
		}
	}
	p := want.Policy
	for _, r := range p.Avoid {
		off.add(r)
	}
	p.Count, p.Max = cmp.Or(want.Count, p.Count, 65536), cmp.Or(p.Max, maxID)
	if want.Start != 0 {
		p.Min, p.Max = max(p.Min, want.Start), min(p.Max, want.Start+p.Count-1)
	}
	r, ok := choose(p, false, append(s.taken(o.Is), off.sort()))
	if !ok {
		return Range{}, conflict(ErrExhausted, owner, Range{want.Start, p.Count}, Claim{Range: r},
			"%s has no %d free IDs left in both files", owner, p.Count)
	}
	return r, nil
}
