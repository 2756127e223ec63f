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

// gaps returns the IDs between the intervals, cut at the borders of reserved
// ranges.
func gaps(intervals []Interval) []Gap {
	list := []Gap{}
	next := uint64(0) // the first ID not covered yet
	for _, v := range intervals {
		if !v.background() {
			list = appendGaps(list, next, uint64(v.Start))
			next = max(next, end(v.Range))
		}
	}
	return appendGaps(list, next, lastID+1)
}

// background reports whether v is a namespace with the host's IDs from 0 on.
func (v Interval) background() bool { return v.Kind == KindLive && v.Start == 0 }

func end(r subid.Range) uint64 { return uint64(r.Start) + uint64(r.Count) }

// appendGaps appends the gap from first on that ends before stop, cut at the
// borders of reserved ranges.
func appendGaps(list []Gap, first, stop uint64) []Gap {
	add := func(to uint64, why string) {
		if to = min(to, stop); to > first {
			list = append(list, Gap{subid.Range{Start: uint32(first), Count: uint32(to - first)}, why})
			first = to
		}
	}
	for _, r := range subid.ReservedRanges() {
		add(uint64(r.Start), "")
		add(end(r.Range), r.Name)
	}
	add(stop, "")
	return list
}

// maxPartners is how many overlaps of one interval with earlier ones are
// reported: a file of a thousand equal lines would have half a million.
const maxPartners = 16

// An Overlap is a run of IDs that two intervals must not share: ranges of
// different owners, a range and an account's or a reserved ID, or a namespace
// and the ID of an account. A namespace may have IDs of a subordinate range. It
// may also have the one ID of an account other than root, since any user can
// make such a namespace.
type Overlap struct {
	subid.Range            // what both have
	Between     []Interval `json:"between"` // two, in the order of their first IDs
	places      [2]int     // the index of each in the intervals; -1 for a zone
}

// overlaps returns the overlaps of intervals, which are in order, with each other
// and with the zones that no subordinate range may have.
func overlaps(intervals []Interval) []Overlap {
	type holder struct {
		Interval
		place int
	}
	var holders []holder
	for i, v := range intervals {
		holders = append(holders, holder{v, i})
	}
	for _, r := range subid.ReservedRanges() {
		if zone(r) && !r.Soft {
			holders = append(holders, holder{reserved(r), -1})
		}
	}
	slices.SortStableFunc(holders, func(a, b holder) int { return order(a.Interval, b.Interval) })
	list := []Overlap{}
	var open []holder           // those that have begun and not ended, in order
	named := make(map[int]bool) // namespaces with an overlap in the list
	for _, b := range holders {
		open = slices.DeleteFunc(open, func(a holder) bool { return end(a.Range) <= uint64(b.Start) })
		partners := 0
		for _, a := range open {
			if partners == maxPartners {
				break
			}
			if !clash(a.Interval, b.Interval) || a.Kind == KindLive && named[a.place] {
				continue
			}
			if a.Kind == KindLive { // it may overlap all accounts: one is enough
				named[a.place] = true
			}
			partners++
			count := min(end(a.Range), end(b.Range)) - uint64(b.Start)
			list = append(list, Overlap{
				Range:   subid.Range{Start: b.Start, Count: uint32(count)},
				Between: []Interval{a.Interval, b.Interval}, places: [2]int{a.place, b.place},
			})
		}
		open = append(open, b)
	}
	return list
}

// clash reports whether a and b, which overlap, must not overlap.
func clash(a, b Interval) bool {
	if a.Kind > b.Kind {
		a, b = b, a
	}
	switch {
	case a.subordinate() && b.subordinate():
		return a.Names[0] != b.Names[0]
	case b.Kind == KindLive:
		return a.Kind == KindAccount && (b.Count > 1 || b.Start == 0)
	}
	return b.subordinate() // with an account, or reserved
}

// subordinate reports whether a line of /etc/subuid or /etc/subgid gives the IDs.
func (v Interval) subordinate() bool { return v.Kind == KindOwner || v.Kind == KindRemap }
