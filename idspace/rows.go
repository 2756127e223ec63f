package idspace

import (
	"slices"

	"github.com/usernskit/usernskit/subid"
)

// A row is a line of a picture: an interval, several shown as one, or a gap.
type row struct {
	Interval        // with the names of all intervals of the row
	index    int    // of the first of these in Space.Intervals
	ids      uint64 // how many IDs are held
	gap      bool
	purpose  string  // of a gap: what it is for
	red      bool    // part of an overlap
	clashes  []other // the overlaps to explain here
}

// An other is what a row overlaps with.
type other struct {
	Interval             // not the row's own
	index    int         // of it in Space.Intervals; -1 for a zone
	shared   subid.Range // what both have
}

// rows returns the lines of a picture in the order of their first ID.
func (s Space) rows() []row {
	all := make([]row, 0, 2*len(s.Intervals))
	for i, v := range s.Intervals {
		all = append(all, row{Interval: v, index: i, ids: uint64(v.Count)})
	}
	for _, o := range overlaps(s.Intervals) {
		there, here := 0, 1
		if o.places[here] < 0 { // a zone has no row
			there, here = here, there
		}
		r := &all[o.places[here]]
		r.red = true
		r.clashes = append(r.clashes, other{o.Between[there], o.places[there], o.Range})
		if o.places[there] >= 0 {
			all[o.places[there]].red = true
		}
	}
	for _, g := range gaps(s.Intervals) {
		all = append(all, row{Interval: Interval{Range: g.Range}, gap: true, purpose: g.For})
	}
	slices.SortStableFunc(all, func(a, b row) int { return order(a.Interval, b.Interval) })
	return merged(all)
}

// merged joins rows that are shown as one.
func merged(all []row) []row {
	var list []row
	last := -1 // the last row in list that is not a gap
	for _, r := range all {
		switch {
		case r.gap:
		case last < 0:
			last = len(list)
		case r.Kind == KindReserved && list[last].Kind == KindAccount && list[last].Range == r.Range:
			continue // the account nobody is its reserved ID
		case list[last].joins(r):
			list = list[:last+1] // without the gaps between accounts
			v := &list[last]
			v.Count = uint32(end(r.Range) - uint64(v.Start))
			v.ids += r.ids
			if !slices.Contains(v.Names, r.Names[0]) {
				v.Names = append(slices.Clip(v.Names), r.Names...)
			}
			if v.red {
				v.clashes[0].shared.Count += r.clashes[0].shared.Count
			}
			continue
		default:
			last = len(list)
		}
		list = append(list, r)
	}
	return list
}

// joins reports whether r goes into the same row as v, which is before it: both
// are accounts of one zone, or adjacent reserved ranges that overlap nothing or
// the same interval.
func (v row) joins(r row) bool {
	switch {
	case v.Kind != r.Kind || v.red != r.red || len(v.Uses)+len(r.Uses) > 0:
		return false
	case v.Kind == KindAccount:
		return !v.red && v.Start > 0 && zoneOf(v.Start) == zoneOf(r.Start)
	case v.Kind == KindReserved:
		return end(v.Range) == uint64(r.Start) &&
			(!v.red || len(v.clashes) == 1 && len(r.clashes) == 1 && v.clashes[0].index == r.clashes[0].index)
	}
	return false
}

// zoneOf returns the first ID of the reserved range that an ID is in, or 0.
func zoneOf(id uint32) uint32 {
	for _, r := range subid.ReservedRanges() {
		if r.Contains(id) {
			return r.Start
		}
	}
	return 0
}
