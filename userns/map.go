package userns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Map translates the user or group IDs of a user namespace to those of the
// host and back. It cannot be changed, costs nothing to copy, and may be used
// from several goroutines.
//
// The zero Map maps no ID: it is the map of a namespace whose uid_map was not
// written yet. That is the opposite of a nil []user.IDMap of moby/sys/user,
// which stands for "every ID is itself"; see [Map.IDMaps].
type Map struct {
	// The only extent, or the first of several: nearly every map has one, and is
	// then looked up without following a pointer. shift is host-id.
	pair
	count, shift uint32

	more *table // nil for fewer than two extents
}

// A pair is of a type of its own because the compiler keeps structs of up to
// four fields in registers. With five, a lookup takes twice the time.
type pair struct{ id, host uint32 }

// NewMap returns the map of the extents, which may come in any order. It fails
// with an error that matches [ErrInvalidMap] where the kernel would (map_write,
// user_namespaces(7)): no extent or more than [MaxExtents], a Count of 0, an ID
// past 4294967294, or two extents that share an ID on either side.
func NewMap(extents ...Extent) (Map, error) { return newMap(slices.Clone(extents)) }

// newMap is NewMap for a slice that it may keep.
func newMap(extents []Extent) (Map, error) {
	switch n := len(extents); {
	case n == 0:
		return Map{}, fmt.Errorf("%w: no extent", ErrInvalidMap)
	case n > MaxExtents:
		return Map{}, fmt.Errorf("%w: %d extents, and the kernel takes %d", ErrInvalidMap, n, MaxExtents)
	}
	for i, e := range extents {
		if why := e.check(); why != "" {
			return Map{}, &ExtentError{Index: i, Extent: e, Why: why}
		}
	}
	if len(extents) == 1 {
		return mapOf(extents[0], nil), nil
	}
	t, err := newTable(extents)
	if err != nil {
		return Map{}, err
	}
	return mapOf(extents[0], t), nil
}

func mapOf(first Extent, more *table) Map {
	return Map{pair: pair{first.ID, first.HostID}, count: first.Count, shift: first.HostID - first.ID, more: more}
}

// clash is the error about two extents; the one that came later is to blame.
func clash(extents []Extent, e, f Extent, how string) error {
	i, j := slices.Index(extents, e), slices.Index(extents, f)
	if i == j { // the same line twice
		j += 1 + slices.Index(extents[j+1:], f)
	}
	i, j = min(i, j), max(i, j)
	return &ExtentError{Index: j, Extent: extents[j], Why: fmt.Sprintf("%s %v", how, extents[i])}
}

// IsZero reports whether m maps no ID at all.
func (m Map) IsZero() bool { return m.count == 0 }

func (m Map) first() Extent { return Extent{ID: m.id, HostID: m.host, Count: m.count} }

// Extents returns the extents as they were given to [NewMap] or stood in the
// file. The kernel itself sorts them by ID when there are more than five.
func (m Map) Extents() []Extent {
	switch {
	case m.more != nil:
		return slices.Clone(m.more.given)
	case m.IsZero():
		return nil
	}
	return []Extent{m.first()}
}

const noIDs = "no IDs"

// String returns the extents on one line, as in "0 100000 65536, 65536 200000 10",
// or "no IDs".
func (m Map) String() string {
	if m.IsZero() {
		return noIDs
	}
	var b strings.Builder
	for i, e := range m.Extents() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.String())
	}
	return b.String()
}

// Equal reports whether m and o map the same IDs to the same IDs. How that is
// cut into extents, and their order, does not count.
func (m Map) Equal(o Map) bool { return slices.Equal(m.joined(), o.joined()) }

// Contains reports whether every ID that o maps, m maps to the same host ID.
// Every Map contains the zero Map.
func (m Map) Contains(o Map) bool {
	for _, e := range o.Extents() {
		next := e
		for _, p := range m.HostRanges(e.ID, e.Count) {
			if p.ID != next.ID || p.HostID != next.HostID {
				return false
			}
			next = Extent{ID: next.ID + p.Count, HostID: next.HostID + p.Count, Count: next.Count - p.Count}
		}
		if next.Count != 0 {
			return false
		}
	}
	return true
}

// joined returns the extents in the order of their IDs, those that continue
// each other on both sides made one.
func (m Map) joined() []Extent {
	extents := m.Extents()
	slices.SortFunc(extents, func(a, b Extent) int { return cmp.Compare(a.ID, b.ID) })
	return join(extents)
}

// join joins neighbours of a list that is in the order of IDs, in place.
func join(extents []Extent) []Extent {
	out := extents[:0]
	for _, e := range extents {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.ID+last.Count == e.ID && last.HostID+last.Count == e.HostID {
				last.Count += e.Count
				continue
			}
		}
		out = append(out, e)
	}
	return out
}
