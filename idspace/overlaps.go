package idspace

import (
	"slices"

	"github.com/usernskit/usernskit/subid"
)

// maxPartners is how many overlaps of one interval with earlier ones are
// reported: a file of a thousand equal lines would have half a million.
const maxPartners = 16

// An Overlap is IDs that two hold who should not share them.
type Overlap struct {
	subid.Range          // what both have
	A, B        Interval // B begins where A does, or after
}

// Overlaps returns what must not be: ranges of different owners that share IDs,
// a range with an account's or a reserved ID in it, and a namespace that has the
// ID of an account. A namespace may have IDs of a subordinate range, and one ID
// of an account that is not root: so does everyone who makes a namespace without
// the help of /etc/subuid.
func (s Space) Overlaps() []Overlap {
	var list []Overlap
	for _, p := range s.pairs() {
		list = append(list, p.overlap())
	}
	return list
}

// A holder is an interval, or a zone that no subordinate range may reach into.
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
	told := make(map[int]bool) // namespaces of which one account has been named
	for _, b := range s.holders() {
		open = slices.DeleteFunc(open, func(a holder) bool { return end(a.Range) <= uint64(b.Start) })
		partners := 0
		for _, a := range open {
			if partners == maxPartners {
				break
			}
			if !clash(a.Interval, b.Interval) || a.Kind == Live && told[a.index] {
				continue
			}
			if a.Kind == Live { // it may have every other account too: one says it all
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
			list = append(list, holder{Interval{Range: r.Range, Kind: Reserved, Names: []string{r.Name}}, -1})
		}
	}
	slices.SortStableFunc(list, func(a, b holder) int { return order(a.Interval, b.Interval) })
	return list
}

// clash reports whether a and b, which overlap, should not.
func clash(a, b Interval) bool {
	if a.Kind > b.Kind {
		a, b = b, a
	}
	sub := func(k Kind) bool { return k == Owner || k == Remap }
	switch {
	case sub(a.Kind) && sub(b.Kind):
		return a.Names[0] != b.Names[0]
	case b.Kind == Live:
		return a.Kind == Account && (b.Count > 1 || b.Start == 0)
	case sub(b.Kind):
		return true // with an account, or reserved
	}
	return false
}
