package idspace

import (
	"slices"

	"github.com/usernskit/usernskit/subid"
)

// lastID is the last ID: 4294967295 is (uid_t)-1.
const lastID = 1<<32 - 2

// A Gap is a run of unused IDs.
type Gap struct {
	subid.Range
	// For is the purpose of IDs like these, such as "login users"; empty where
	// they are free for anything.
	For string `json:"for"`
}

// Gaps returns what lies between the intervals, cut where its meaning changes.
// A namespace with the host's IDs from 0 on does not count.
func (s Space) Gaps() []Gap {
	var list []Gap
	next := uint64(0) // the first ID not covered yet
	for _, v := range s.intervals {
		if v.background() {
			continue
		}
		if first := uint64(v.Start); first > next {
			list = appendGaps(list, next, first)
		}
		next = max(next, end(v.Range))
	}
	return appendGaps(list, next, lastID+1)
}

// background reports whether a namespace has the host's own IDs.
func (v Interval) background() bool { return v.Kind == KindLive && v.Start == 0 }

func end(r subid.Range) uint64 { return uint64(r.Start) + uint64(r.Count) }

// appendGaps appends the gap from first to before end, cut at the borders of the
// zones in it.
func appendGaps(list []Gap, first, end64 uint64) []Gap {
	add := func(to uint64, why string) {
		if to > first {
			list = append(list, Gap{subid.Range{Start: uint32(first), Count: uint32(to - first)}, why})
			first = to
		}
	}
	for _, r := range subid.ReservedRanges() {
		if end(r.Range) > first && uint64(r.Start) < end64 {
			add(min(uint64(r.Start), end64), "")
			add(min(end(r.Range), end64), r.Name)
		}
	}
	add(end64, "")
	return list
}

// maxPartners is how many overlaps of one interval with earlier ones are
// reported: a file of a thousand equal lines would have half a million.
const maxPartners = 16

// An Overlap is IDs that two intervals must not share.
type Overlap struct {
	subid.Range          // what both have
	A           Interval `json:"a"`
	B           Interval `json:"b"` // it begins where A does, or after
}

// Overlaps returns ranges of different owners that share IDs, ranges with an
// account's or a reserved ID, and namespaces with the ID of an account. A
// namespace may have IDs of a subordinate range, and one ID of an account other
// than root, as any user can make it.
func (s Space) Overlaps() []Overlap {
	var list []Overlap
	for _, p := range s.pairs() {
		list = append(list, p.overlap())
	}
	return list
}

// A holder is an interval, or a zone without subordinate ranges.
type holder struct {
	Interval
	index int // in Space.intervals; -1 for a zone
}

type pair struct{ a, b holder }

func (p pair) overlap() Overlap {
	stop := min(end(p.a.Range), end(p.b.Range))
	shared := subid.Range{Start: p.b.Start, Count: uint32(stop - uint64(p.b.Start))}
	return Overlap{shared, p.a.Interval, p.b.Interval}
}

func (s Space) pairs() []pair {
	var list []pair
	var open []holder          // begun and not ended, in order
	told := make(map[int]bool) // namespaces with one account named already
	for _, b := range s.holders() {
		open = slices.DeleteFunc(open, func(a holder) bool { return end(a.Range) <= uint64(b.Start) })
		partners := 0
		for _, a := range open {
			if partners == maxPartners {
				break
			}
			if !clash(a.Interval, b.Interval) || a.Kind == KindLive && told[a.index] {
				continue
			}
			if a.Kind == KindLive { // it may have all other accounts too: one is enough
				told[a.index] = true
			}
			partners++
			list = append(list, pair{a, b})
		}
		open = append(open, b)
	}
	return list
}

func (s Space) holders() []holder {
	var list []holder
	for i, v := range s.intervals {
		list = append(list, holder{v, i})
	}
	for _, r := range subid.ReservedRanges() {
		if zone(r) && !r.Soft {
			list = append(list, holder{Interval{Range: r.Range, Kind: KindReserved, Names: []string{r.Name}}, -1})
		}
	}
	slices.SortStableFunc(list, func(a, b holder) int { return order(a.Interval, b.Interval) })
	return list
}

// clash reports whether a and b, which overlap, must not.
func clash(a, b Interval) bool {
	if a.Kind > b.Kind {
		a, b = b, a
	}
	sub := func(k Kind) bool { return k == KindOwner || k == KindRemap }
	switch {
	case sub(a.Kind) && sub(b.Kind):
		return a.Names[0] != b.Names[0]
	case b.Kind == KindLive:
		return a.Kind == KindAccount && (b.Count > 1 || b.Start == 0)
	case sub(b.Kind):
		return true // with an account, or reserved
	}
	return false
}
