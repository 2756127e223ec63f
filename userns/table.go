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

// newTable keeps the slice.
func newTable(extents []Extent) *table {
	n := len(extents)
	byID, byHost := extents, make([]Extent, n)
	for i, e := range extents {
		byHost[i] = e.flipped()
	}
	if !slices.IsSortedFunc(byID, before) { // the kernel sorts more than five
		byID = slices.Clone(byID)
		slices.SortFunc(byID, before)
	}
	slices.SortFunc(byHost, before)
	return &table{given: extents, byID: newIndex(byID), byHost: newIndex(byHost)}
}

func before(a, b Extent) int { return cmp.Compare(a.ID, b.ID) }

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

// newIndex makes the index of extents in the order of ID. They may share IDs,
// if only to find that out: see [index.crossing].
func newIndex(extents []Extent) index {
	x := index{extents: extents, base: extents[0].ID}
	last := extents[len(extents)-1]
	span := last.ID + last.Count - 1 - x.base
	for slots := uint32(4 * len(extents)); span>>x.shift >= slots; {
		x.shift++
	}
	x.slots = make([]uint16, 0, span>>x.shift+2)
	for i, e := range extents[1:] {
		// Extent i holds for the slots that begin before the next extent does.
		// A slot that begins past 32 bits is beyond every ID.
		first := (uint64(e.ID-x.base) + 1<<x.shift - 1) >> x.shift
		for uint64(len(x.slots)) < first {
			x.slots = append(x.slots, uint16(i))
		}
	}
	for len(x.slots) < cap(x.slots) {
		x.slots = append(x.slots, uint16(len(extents)-1))
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
