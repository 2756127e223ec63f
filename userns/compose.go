package userns

import (
	"cmp"
	"fmt"
	"slices"
)

// Compose returns the map of a namespace inside a namespace: m leads from the
// inner to the outer one, outer from there to the host. An ID is mapped if both
// map it. The result has as few extents as say so; more than [MaxExtents] of
// them are an error, which the kernel cannot bring about, since it takes an
// inner extent only where one outer extent holds all of it (see [Map.Split]).
//
// Maps read below /proc from the host's own namespace are composed already.
func (m Map) Compose(outer Map) (Map, error) {
	var out []Extent
	for _, e := range m.Extents() {
		for _, p := range outer.HostRanges(e.HostID, e.Count) {
			out = append(out, Extent{ID: e.ID + (p.ID - e.HostID), HostID: p.HostID, Count: p.Count})
		}
	}
	if len(out) == 0 {
		return Map{}, nil
	}
	slices.SortFunc(out, func(a, b Extent) int { return cmp.Compare(a.ID, b.ID) })
	return NewMap(join(out)...)
}

// Split returns m cut so that each extent lies inside one extent of parent, the
// map of the namespace that m leads to. Only so does the kernel take m for a
// child of that namespace: it answers EPERM where two parent extents are needed
// to cover one line, even if they touch. The error matches [ErrUnmapped] where
// parent lacks an ID, [ErrInvalidMap] where more than [MaxExtents] result.
func (m Map) Split(parent Map) (Map, error) {
	var out []Extent
	for _, e := range m.Extents() {
		next := e.HostID
		for _, p := range parent.HostRanges(e.HostID, e.Count) {
			if p.ID != next {
				break
			}
			out = append(out, Extent{ID: e.ID + (p.ID - e.HostID), HostID: p.ID, Count: p.Count})
			next = p.ID + p.Count
		}
		if next != e.HostID+e.Count {
			return Map{}, fmt.Errorf("%w: the parent namespace has no ID %d, which %v needs", ErrUnmapped, next, e)
		}
	}
	if len(out) == 0 {
		return Map{}, nil
	}
	return NewMap(out...)
}
