package userns

import (
	"cmp"
	"slices"
)

// A table holds the extents of a map that has several.
type table struct {
	given  []Extent // in the order in which they were given
	byID   index
	byHost index // its extents are flipped: ID is the host's
}

func newTable(extents []Extent) *table {
	t := &table{given: slices.Clone(extents)}
	flipped := make([]Extent, len(extents))
	for i, e := range extents {
		flipped[i] = e.flipped()
	}
	t.byID, t.byHost = newIndex(t.given), newIndex(flipped)
	return t
}

// toHost is kept out of line so that Map.ToHost, which nearly always ends
// before it, is inlined.
//
//go:noinline
func (t *table) toHost(id uint32) (uint32, bool) {
	if t == nil {
		return 0, false
	}
	return t.byID.lookup(id)
}

// toContainer is kept out of line as toHost is.
//
//go:noinline
func (t *table) toContainer(host uint32) (uint32, bool) {
	if t == nil {
		return 0, false
	}
	return t.byHost.lookup(host)
}

// An index finds the extent of an ID. It cuts the span of the extents into
// slots of equal width and notes for each where the search begins, so that it
// mostly ends there as well; where many extents crowd into one slot it halves.
type index struct {
	extents []Extent // in the order of ID
	base    uint32   // the lowest ID
	shift   uint8    // a slot is 1<<shift IDs wide
	slots   []uint16 // the last extent that begins at or before the slot; one more at the end
}

// newIndex makes the index of extents that share no ID, or of any extents to
// look for those that do: see [index.crossing]. It may keep the slice.
func newIndex(extents []Extent) index {
	byID := func(a, b Extent) int { return cmp.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(extents, byID) { // the kernel sorts more than five
		extents = slices.Clone(extents)
		slices.SortFunc(extents, byID)
	}
	x := index{extents: extents, base: extents[0].ID}
	last := extents[len(extents)-1]
	span := last.ID + last.Count - 1 - x.base
	for slots := uint32(4 * len(extents)); span>>x.shift >= slots; {
		x.shift++
	}
	x.slots = make([]uint16, span>>x.shift+2)
	at := 0
	for i := range x.slots {
		begin := uint64(x.base) + uint64(i)<<x.shift
		for at+1 < len(extents) && uint64(extents[at+1].ID) <= begin {
			at++
		}
		x.slots[i] = uint16(at)
	}
	return x
}

// crossing returns two neighbours that share an ID, if there are any.
func (x *index) crossing() (a, b Extent, ok bool) {
	for i := 1; i < len(x.extents); i++ {
		a, b = x.extents[i-1], x.extents[i]
		if a.ID+a.Count > b.ID {
			return a, b, true
		}
	}
	return a, b, false
}

// find returns the last extent that begins at or before id; the first if none
// does.
func (x *index) find(id uint32) int {
	slot := int((id - x.base) >> x.shift)
	if slot >= len(x.slots)-1 {
		if id < x.base {
			return 0
		}
		return len(x.extents) - 1
	}
	lo, hi := int(x.slots[slot]), int(x.slots[slot+1])
	for lo < hi {
		mid := (lo + hi + 1) >> 1
		if x.extents[mid].ID <= id {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

func (x *index) lookup(id uint32) (uint32, bool) {
	e := &x.extents[x.find(id)]
	if off := id - e.ID; off < e.Count {
		return e.HostID + off, true
	}
	return 0, false
}
