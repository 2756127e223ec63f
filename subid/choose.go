package subid

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/usernskit/usernskit"
)

// A span is the IDs from first to last.
type span struct{ first, last uint32 }

// spans is a set of IDs. Most functions want it sorted.
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

// holes returns what is free of both sorted lists between first and last, both
// included, in order.
func (s spans) holes(more spans, first, last uint32) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		low := uint64(first)
		hole := func(end uint64) bool { // up to end, not included
			end = min(end, uint64(last)+1)
			return end <= low || yield(Range{uint32(low), uint32(min(end-low, math.MaxUint32))})
		}
		a, b := s, more
		for len(a)+len(b) > 0 {
			if len(a) == 0 || len(b) > 0 && b[0].first < a[0].first {
				a, b = b, a
			}
			if !hole(uint64(a[0].first)) {
				return
			}
			low = max(low, uint64(a[0].last)+1)
			a = a[1:]
		}
		hole(math.MaxUint64)
	}
}

// choose returns the lowest or the highest range of the policy that is not in
// either sorted list, or else the largest hole.
func (s spans) choose(more spans, p Policy, highest bool) (r Range, ok bool) {
	var largest Range
	for hole := range s.holes(more, p.Min, p.Max) {
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

// taken returns the IDs that may not be given in these files, sorted: all that
// any program reads there, and the accounts. Commented ranges are avoided too.
// Reserved ranges are not included, nor those of owners for which leave is
// true.
func (s *Set) taken(leave func(owner string) bool, files ...*File) spans {
	var t spans
	for i, f := range files {
		if i > 0 && f.text == files[0].text {
			continue // as where all ranges are pairs
		}
		for l, r := range f.allClaims() {
			if leave == nil || !leave(l.owner) {
				t.add(r)
			}
		}
	}
	for _, a := range s.users {
		t = append(t, span{a.ID, a.ID}, span{a.GID, a.GID})
	}
	for _, a := range s.groups {
		t = append(t, span{a.ID, a.ID})
	}
	return t.sort()
}

// A choice is one try to find a free range.
type choice struct {
	soft bool // also in IDs of systemd-nspawn
	used bool // also in slots of unused UIDs
}

// choose finds the lowest range that is free in all the files. It uses soft
// reserved IDs only if nothing else is free, or if the administrator's limits
// start in them. If the slots of all UIDs leave nothing, it takes the highest
// range that is not in the slot of an account, since UIDs are given from below.
func (s *Set) choose(taken spans, p Policy, owner string, files ...*File) (r Range, list []usernskit.Warning, err error) {
	var largest Range
	for _, c := range []choice{{false, false}, {true, false}, {false, true}, {true, true}} {
		if !c.soft && softAt(p.Min) || c.used && s.slots(true, files...) == nil {
			continue
		}
		more := append(reservedSpans(!c.soft), s.slots(!c.used, files...)...)
		for _, avoid := range p.Avoid {
			more.add(avoid)
		}
		r, ok := taken.choose(more.sort(), p, c.used)
		if ok {
			return r, s.rangeWarnings(p, owner, nil, r, files...), nil
		}
		if r.Count > largest.Count {
			largest = r
		}
	}
	return Range{}, nil, exhausted(p, largest)
}

func exhausted(p Policy, largest Range) error {
	at := ""
	if p.Align > 1 {
		at = fmt.Sprintf(" at a multiple of %d", p.Align)
	}
	why := fmt.Sprintf("no %d free IDs%s in both files between %d and %d", p.Count, at, p.Min, p.Max)
	if largest.Count == 0 {
		why += ", where all are taken"
	} else {
		why += fmt.Sprintf("; the largest hole is %v", largest)
	}
	return &ConflictError{Err: ErrExhausted, Want: Range{0, p.Count}, Have: largest, Why: why}
}

// slots returns the IDs that shadow-utils gives to UIDs without reading the
// file: of all UIDs, or of existing accounts.
func (s *Set) slots(all bool, files ...*File) (list spans) {
	for _, f := range files {
		w, _ := s.window(f)
		if all {
			list.add(w.slots())
			continue
		}
		for _, a := range s.users {
			if r, ok := w.slot(a.ID); ok {
				list.add(r)
			}
		}
	}
	return list
}

// rangeWarnings returns the warnings about a range: systemd might use it, or it
// is in the slots of other UIDs.
func (s *Set) rangeWarnings(p Policy, owner string, uid *uint32, r Range, files ...*File) (list []usernskit.Warning) {
	for _, x := range reservedTable {
		if x.Soft && x.Overlaps(r) && !softAt(p.Min) {
			list = append(list, usernskit.Warning{ID: string(ProblemReserved), Text: fmt.Sprintf(
				"%s has IDs of %d to %d: %s; keep those off this host", named(owner, r), x.Start, x.Last(), x.Name)})
		}
	}
	for _, f := range files {
		w, _ := s.window(f)
		if n, ok := w.foreignSlot(uid, r); ok {
			return append(list, usernskit.Warning{ID: string(ProblemSlot), Risk: true, Text: fmt.Sprintf(
				"%s has IDs that useradd gives to UID %d without reading %s (%s, deterministic): do not create that account",
				named(owner, r), n, f.name, defsFile)})
		}
	}
	return list
}

// foreignSlot returns the lowest other UID whose slot overlaps the range.
func (w window) foreignSlot(uid *uint32, r Range) (n uint64, ok bool) {
	all := w.slots()
	if !all.Overlaps(r) {
		return 0, false
	}
	if uid != nil {
		if own, ok := w.slot(*uid); ok && r.Start >= own.Start && r.end() <= own.end() {
			return 0, false
		}
	}
	return w.uidOf(max(r.Start, all.Start)), true
}

// free returns nil if a range is free in all the files, else who has some of
// it.
func (s *Set) free(p Policy, o string, uid *uint32, r Range, files ...*File) error {
	if err := checkReserved("", 0, o, r); err != nil {
		return err
	}
	for _, f := range files {
		if l, have, ok := f.meets(r); ok {
			return overlapError(f.name, l.number, o, r, l.owner, have)
		}
		if err := s.meetsAccount(f == s.UID, o, r); err != nil {
			return err
		}
		w, _ := s.window(f)
		for _, a := range s.users {
			if have, ok := w.slot(a.ID); ok && have.Overlaps(r) && (uid == nil || *uid != a.ID) {
				return &ConflictError{Err: ErrOverlap, File: f.name, Owner: o, Want: r, Holder: a.Name, Have: have,
					Why: fmt.Sprintf("%s overlaps %v, which useradd gives to %s, UID %d (%s, deterministic)", named(o, r), have, a.Name, a.ID, defsFile)}
			}
		}
	}
	for _, have := range p.Avoid {
		if have.Overlaps(r) {
			return &ConflictError{Err: ErrOverlap, Owner: o, Want: r, Have: have,
				Why: fmt.Sprintf("%s overlaps %v, which is to be avoided", named(o, r), have)}
		}
	}
	return nil
}

// checkReserved refuses reserved IDs, except soft ones: see Plan.
func checkReserved(file string, line int, owner string, r Range) error {
	for _, x := range reservedTable {
		if !x.Soft && x.Overlaps(r) {
			return &ConflictError{Err: ErrReserved, File: file, Line: line, Owner: owner, Want: r, Holder: x.Name, Have: x.Range,
				Why: fmt.Sprintf("%s has IDs of %d to %d, reserved: %s", named(owner, r), x.Start, x.Last(), x.Name)}
		}
	}
	return nil
}

// Free returns how many IDs are free in both files within the policy, and the
// largest range of them. Reserved IDs do not count, and soft ones only where
// the policy starts in them; nor do slots of UIDs.
func (s *Set) Free(p Policy) (total uint64, largest Range, err error) {
	files := s.files()
	if p, err = s.resolve(p, files...); err != nil {
		return 0, Range{}, err
	}
	more := append(reservedSpans(!softAt(p.Min)), s.slots(true, files...)...)
	for _, avoid := range p.Avoid {
		more.add(avoid)
	}
	for hole := range s.taken(nil, files...).holes(more.sort(), p.Min, p.Max) {
		total += uint64(hole.Count)
		if hole.Count > largest.Count {
			largest = hole
		}
	}
	return total, largest, nil
}

// Within returns a range inside what an owner has in both files, so that an
// owner of many IDs can hand them on: one that is free of other lines, accounts
// and Policy.Avoid. The caller keeps those handed on before and avoids them;
// the files do not change. The request's owner is ignored, and a Start is
// checked.
func (s *Set) Within(owner string, want Request) (Range, error) {
	o, _ := s.owner(owner, nil)
	files := s.files()
	var own [2][]Claim
	for i, f := range files {
		for c := range f.Ranges() {
			if o.Is(c.Owner) {
				own[i] = append(own[i], c)
			}
		}
	}
	p := want.Policy
	p.Count = cmp.Or(want.Count, p.Count, 65536)
	taken := s.taken(o.Is, files...)
	var avoid spans
	for _, r := range p.Avoid {
		avoid.add(r)
	}
	avoid.sort()
	var largest Range
	for _, a := range own[0] {
		for _, b := range own[1] {
			if !a.Range.Overlaps(b.Range) {
				continue
			}
			in := p
			in.Min = max(a.Range.Start, b.Range.Start, p.Min)
			in.Max = min(a.Range.Last(), b.Range.Last(), cmp.Or(p.Max, maxID))
			if want.Start != 0 {
				in.Min, in.Max = max(in.Min, want.Start), min(in.Max, want.Start+p.Count-1)
			}
			if in.Min > in.Max {
				continue
			}
			r, ok := taken.choose(avoid, in, false)
			if ok {
				return r, nil
			}
			if r.Count > largest.Count {
				largest = r
			}
		}
	}
	return Range{}, &ConflictError{Err: ErrExhausted, Owner: owner, Want: Range{want.Start, p.Count}, Have: largest,
		Why: fmt.Sprintf("%s has no %d free IDs left in both files", owner, p.Count)}
}
