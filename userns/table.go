package userns

import "slices"

// A table holds the extents of a map that has several.
type table struct {
	given  []Extent // in the order in which they were given
	byID   index
	byHost index // its extents are flipped: ID is the host's
}

// newTable keeps the slice.
func newTable(extents []Extent) *table {
	byHost := make([]Extent, len(extents))
	for i, e := range extents {
		byHost[i] = e.flipped()
	}
	return &table{given: extents, byID: newIndex(inOrder(extents)), byHost: newIndex(inOrder(byHost))}
}

// inOrder returns the extents in the order of ID: the very slice if they are,
// as the kernel shows more than five. Sorting numbers, ID above place, takes a
// third of the time of sorting extents.
func inOrder(extents []Extent) []Extent {
	sorted := true
	for i := 1; i < len(extents); i++ {
		sorted = sorted && extents[i-1].ID <= extents[i].ID
	}
	if sorted {
		return extents
	}
	keys := make([]uint64, len(extents))
	for i, e := range extents {
		keys[i] = uint64(e.ID)<<32 | uint64(i)
	}
	slices.Sort(keys)
	list := make([]Extent, len(extents))
	for i, k := range keys {
		list[i] = extents[uint32(k)]
	}
	return list
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

// newIndex makes the index of extents in the order of ID. They may share IDs,
// if only to find that out: see [index.crossing].
func newIndex(extents []Extent) index {
	x := index{extents: extents, base: extents[0].ID}
	last := extents[len(extents)-1]
	span := last.ID + last.Count - 1 - x.base
	for slots := uint32(4 * len(extents)); span>>x.shift >= slots; {
		x.shift++
	}
	x.slots = make([]uint16, span>>x.shift+2)
	done := uint64(0)
	for i, e := range extents[1:] {
		// Extent i holds for the slots that begin before the next extent does.
		// A slot that begins past 32 bits is beyond every ID.
		first := min((uint64(e.ID-x.base)+1<<x.shift-1)>>x.shift, uint64(len(x.slots)))
		for ; done < first; done++ {
			x.slots[done] = uint16(i)
		}
	}
	for ; done < uint64(len(x.slots)); done++ {
		x.slots[done] = uint16(len(extents) - 1)
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
