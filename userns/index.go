package userns

import (
	"cmp"
	"math/bits"
	"slices"
)

// An index says where in a sorted list of IDs to look for one. It cuts the span
// of the list into slots of equal width, at most as many as there are IDs, and
// notes for each which IDs are in it: mostly none or one. Where many crowd into
// one slot it is for the search to halve them.
type index struct {
	base  uint32   // the lowest ID
	shift uint8    // a slot is 1<<shift IDs wide
	last  []uint16 // the place of the last ID before each slot, or 0; one more at the end
}

// newIndex makes the index of the IDs, which need not be sorted yet, from low
// to high. The room is for one number more than there are IDs, and all zeros.
func newIndex(ids []uint32, low, high uint32, room []uint16) index {
	shift := bits.Len32((high - low) / uint32(len(ids)))
	x := index{base: low, shift: uint8(shift), last: room[:(high-low)>>shift+2]}
	ends := x.last[1:]
	for _, id := range ids {
		ends[(id-low)>>(shift&31)]++
	}
	end := ^uint16(0) // places begin at 0, so one less than how many there were
	for i, n := range ends {
		end += n
		ends[i] = end
	}
	return x
}

// slot returns the places lo and hi between which the last ID is that is not
// above id, both included. An id below all IDs is taken for one above all.
func (x *index) slot(id uint32) (lo, hi int) {
	slot := min((id-x.base)>>(x.shift&31), uint32(len(x.last)-2)) // an int of 32 bits does not hold an ID
	return int(x.last[slot]), int(x.last[slot+1])
}

// sort fills in which of the IDs is at each place, for equal ones in the order
// in which they came. It counted them already, and so only has to put them down.
func (x *index) sort(ids []uint32, order []uint16) {
	var buf [MaxExtents + 1]uint16
	ends := buf[:copy(buf[:], x.last[1:])]
	for i := len(ids) - 1; i >= 0; i-- {
		end := &ends[(ids[i]-x.base)>>(x.shift&31)]
		order[*end] = uint16(i)
		*end--
	}
	for i := 1; i < len(order); i++ {
		if id := ids[order[i]]; id < ids[order[i-1]] { // they share a slot
			lo, hi := x.slot(id)
			slices.SortStableFunc(order[lo:hi+1], func(a, b uint16) int { return cmp.Compare(ids[a], ids[b]) })
		}
	}
}
