package userns

// A table holds the extents of a map that has several.
type table struct {
	given   []Extent // in the order in which they were given
	extents []Extent // in the order of ID; the very slice if that is the same
	byID    index    // of the extents
	order   []uint16 // the places of the extents, in the order of HostID
	byHost  index    // of order
}

// newTable keeps the slice. It fails if two extents share an ID on either side.
func newTable(given []Extent) (*table, error) {
	n := len(given)
	// To allocate takes longer than all that follows. So there is no second list
	// of extents for the other side, and the small numbers share one piece.
	numbers := make([]uint16, 3*n+2)
	t := &table{given: given, extents: given, order: numbers[:n]}
	var buf [MaxExtents]uint32
	ids := buf[:n]

	inOrder, low, high := true, ^uint32(0), uint32(0)
	for i, e := range given {
		inOrder = inOrder && e.ID >= high
		ids[i], low, high = e.ID, min(low, e.ID), max(high, e.ID)
	}
	t.byID = newIndex(ids, low, high, numbers[n:2*n+1])
	if !inOrder { // the kernel shows more than five in order
		t.byID.sort(ids, t.order)
		t.extents = make([]Extent, n)
		for i, place := range t.order {
			t.extents[i] = given[place]
		}
	}
	end := uint32(0)
	for i, e := range t.extents {
		if e.ID < end {
			return nil, clash(given, t.extents[i-1], e, "shares IDs inside the namespace with")
		}
		end = e.ID + e.Count
	}

	low, high = ^uint32(0), 0
	for i, e := range t.extents {
		ids[i], low, high = e.HostID, min(low, e.HostID), max(high, e.HostID)
	}
	t.byHost = newIndex(ids, low, high, numbers[2*n+1:])
	t.byHost.sort(ids, t.order)
	end = 0
	for i, place := range t.order {
		e := &t.extents[place]
		if e.HostID < end {
			return nil, clash(given, t.extents[t.order[i-1]], *e, "shares host IDs with")
		}
		end = e.HostID + e.Count
	}
	return t, nil
}

// toHost is kept out of line so that Map.ToHost, which nearly always ends
// before it, is inlined.
//
//go:noinline
func (t *table) toHost(id uint32) (uint32, bool) {
	if t == nil {
		return 0, false
	}
	at := t.reach(id)
	e := &t.extents[at-below(id, t.extents[at].ID)]
	if off := id - e.ID; off < e.Count {
		return e.HostID + off, true
	}
	return 0, false
}

// toContainer is toHost by the other side. Code for both sides, told which one
// as it runs, takes twice the time.
//
//go:noinline
func (t *table) toContainer(host uint32) (uint32, bool) {
	if t == nil {
		return 0, false
	}
	lo, hi := t.byHost.slot(host)
	for hi-lo > 1 {
		if mid := (lo + hi) >> 1; t.extents[t.order[mid]].HostID <= host {
			lo = mid
		} else {
			hi = mid
		}
	}
	e := &t.extents[t.order[hi-below(host, t.extents[t.order[hi]].HostID)]]
	if off := host - e.HostID; off < e.Count {
		return e.ID + off, true
	}
	return 0, false
}

// find returns the place of the last extent that begins at or before id, or 0.
func (t *table) find(id uint32) int {
	if id < t.byID.base {
		return 0
	}
	at := t.reach(id)
	return at - below(id, t.extents[at].ID)
}

// reach is find, or one more. For an ID below all extents it is the last place.
func (t *table) reach(id uint32) int {
	lo, hi := t.byID.slot(id)
	for hi-lo > 1 {
		if mid := (lo + hi) >> 1; t.extents[mid].ID <= id {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// below is 1 if id is below first, else 0: without a branch, which IDs in no
// order would often send the wrong way.
func below(id, first uint32) int { return int((uint64(id) - uint64(first)) >> 63) }
