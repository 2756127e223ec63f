package userns

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// MaxExtents is a limit of the kernel; InitialUserNS and InitialPIDNS are the
// inodes of the initial user and PID namespace, the same on every Linux
// (include/linux/proc_ns.h).
const (
	// MaxExtents is how many lines a uid_map or gid_map may have: 340 since
	// Linux 4.15, 5 before (user_namespaces(7)).
	MaxExtents = 340

	InitialUserNS uint64 = 0xEFFFFFFD // PROC_USER_INIT_INO
	InitialPIDNS  uint64 = 0xEFFFFFFC // PROC_PID_INIT_INO
)

var (
	// ErrInvalidMap is matched by the errors of a map that the kernel would
	// refuse.
	ErrInvalidMap = errors.New("not a valid ID map")

	// ErrUnmapped is matched when an ID has no counterpart: by
	// [Mapping.ToHost], and by [ParseMap] for a map whose first host ID reads
	// 4294967295, because the process that read it has no number for that ID in
	// its own namespace.
	ErrUnmapped = errors.New("ID is not mapped")

	// ErrNotSupported: this system does not have user namespaces, or this
	// kernel cannot answer.
	ErrNotSupported = errors.New("user namespaces are not supported here")
)

// An Extent maps Count IDs of a user namespace, from ID on, to as many IDs
// outside of it, from HostID on. It is one line of uid_map or gid_map.
type Extent struct {
	ID     uint32 // the first ID inside the namespace
	HostID uint32 // the first ID outside
	Count  uint32 // how many IDs in a row
}

// String returns the extent as a line of uid_map without its padding.
func (e Extent) String() string { return fmt.Sprintf("%d %d %d", e.ID, e.HostID, e.Count) }

// check returns why the kernel (map_write) refuses e by itself, or "". The number
// 4294967295 is (uid_t)-1, which is not an ID.
func (e Extent) check() string {
	switch {
	case e.Count == 0:
		return "maps no ID"
	case e.ID > math.MaxUint32-e.Count:
		return "reaches past 4294967294 inside the namespace"
	case e.HostID > math.MaxUint32-e.Count:
		return "reaches past 4294967294 on the host"
	}
	return ""
}

// cut returns the part of e for the IDs from lo to hi, both included. e must
// have one of them.
func (e Extent) cut(lo, hi uint32) Extent {
	lo, hi = max(lo, e.ID), min(hi, e.ID+e.Count-1)
	return Extent{ID: lo, HostID: e.HostID + (lo - e.ID), Count: hi - lo + 1}
}

// An extentError reports which extent of a map the kernel would refuse, and why.
// It matches ErrInvalidMap.
type extentError struct {
	index  int // from 0
	extent Extent
	why    string
}

func (e *extentError) Error() string {
	return fmt.Sprintf("extent %d (%v) %s", e.index+1, e.extent, e.why)
}

func (e *extentError) Unwrap() error { return ErrInvalidMap }

// A Map translates the user or group IDs of a user namespace to those of the
// host and back. It cannot be changed, is cheap to copy, and may be used from
// several goroutines.
//
// The zero Map maps no ID: it is the map of a namespace whose uid_map was not
// written yet. That is the opposite of a nil []user.IDMap of moby/sys/user,
// which means "every ID is itself"; see [Map.IDMaps].
type Map struct {
	// The only extent, or the first of several. Most maps have one, which needs
	// no pointer to look up.
	first Extent
	more  *table // nil for fewer than two extents
}

// A table holds the extents of a map that has several.
type table struct {
	given      []Extent // in the given order
	ids, hosts side
}

// NewMap returns the map of the extents, which may come in any order. It fails
// with an error that matches [ErrInvalidMap] where the kernel would (map_write,
// user_namespaces(7)): no extent or more than [MaxExtents], a Count of 0, an ID
// past 4294967294, or two extents that share an ID on either side.
func NewMap(extents ...Extent) (Map, error) {
	switch n := len(extents); {
	case n == 0:
		return Map{}, fmt.Errorf("%w: no extent", ErrInvalidMap)
	case n > MaxExtents:
		return Map{}, fmt.Errorf("%w: %d extents, and the kernel takes %d", ErrInvalidMap, n, MaxExtents)
	}
	for i, e := range extents {
		if why := e.check(); why != "" {
			return Map{}, &extentError{i, e, why}
		}
	}
	if len(extents) == 1 {
		return Map{first: extents[0]}, nil
	}
	byID := slices.Clone(extents)
	slices.SortStableFunc(byID, func(a, b Extent) int { return cmp.Compare(a.ID, b.ID) })
	for i, e := range byID[1:] {
		if before := byID[i]; e.ID-before.ID < before.Count {
			return Map{}, overlapError(extents, before, e, "shares IDs inside the namespace with")
		}
	}
	byHost := slices.Clone(byID)
	slices.SortStableFunc(byHost, func(a, b Extent) int { return cmp.Compare(a.HostID, b.HostID) })
	for i, e := range byHost[1:] {
		if before := byHost[i]; e.HostID-before.HostID < before.Count {
			return Map{}, overlapError(extents, before, e, "shares host IDs with")
		}
	}
	for i, e := range byHost {
		byHost[i] = Extent{ID: e.HostID, HostID: e.ID, Count: e.Count}
	}
	return Map{first: extents[0], more: &table{slices.Clone(extents), newSide(byID), newSide(byHost)}}, nil
}

// overlapError returns the error about two extents, with the place of the later
// one.
func overlapError(extents []Extent, e, f Extent, how string) error {
	i, j := slices.Index(extents, e), slices.Index(extents, f)
	if i == j { // the same line twice
		j += 1 + slices.Index(extents[j+1:], f)
	}
	i, j = min(i, j), max(i, j)
	return &extentError{j, extents[j], fmt.Sprintf("%s %v", how, extents[i])}
}

// IsZero reports whether m maps no ID at all.
func (m Map) IsZero() bool { return m.first.Count == 0 }

// Extents returns the extents in the order in which [NewMap] or the file had
// them. The kernel itself sorts them by ID when there are more than five.
func (m Map) Extents() []Extent {
	switch {
	case m.more != nil:
		return slices.Clone(m.more.given)
	case m.IsZero():
		return nil
	}
	return []Extent{m.first}
}

// ToHost returns the host ID of an ID in the namespace, and false if it is not
// mapped. It takes O(log n) for n extents and allocates nothing.
func (m Map) ToHost(id uint32) (host uint32, ok bool) {
	if off := id - m.first.ID; off < m.first.Count {
		return m.first.HostID + off, true
	}
	if m.more == nil {
		return 0, false
	}
	return m.more.ids.translate(id)
}

// ToContainer returns the ID in the namespace of a host ID, and false if it is
// not mapped. It costs as much as [Map.ToHost].
func (m Map) ToContainer(host uint32) (id uint32, ok bool) {
	if off := host - m.first.HostID; off < m.first.Count {
		return m.first.ID + off, true
	}
	if m.more == nil {
		return 0, false
	}
	return m.more.hosts.translate(host)
}

// A side holds the extents of a map in the order of their IDs on one side: for
// the host's side, with ID and HostID exchanged. To find an ID it looks into one
// of many slots of equal width, in which usually an extent or two begin. With
// 340 extents this is more than 15 times as fast as moby/sys/user; a binary
// search of them all is 10 times as fast.
type side struct {
	extents []Extent
	shift   uint8    // a slot is 1<<shift IDs wide
	last    []uint16 // the index of the last extent that begins before each slot, or 0
}

func newSide(extents []Extent) side {
	n := len(extents)
	base, span := extents[0].ID, extents[n-1].ID-extents[0].ID
	s := side{extents: extents, shift: uint8(bits.Len32(span / uint32(n)))}
	s.last = make([]uint16, span>>s.shift+2)
	for i, e := range extents {
		s.last[(e.ID-base)>>s.shift+1] = uint16(i)
	}
	for i := 1; i < len(s.last); i++ {
		s.last[i] = max(s.last[i], s.last[i-1])
	}
	return s
}

// find returns the index of the last extent that begins at or before id, or 0.
func (s *side) find(id uint32) int {
	off := id - s.extents[0].ID
	if off > id {
		return 0 // it is before the first
	}
	slot := min(off>>(s.shift&31), uint32(len(s.last)-2))
	lo, hi := int(s.last[slot]), int(s.last[slot+1])
	for hi-lo > 1 {
		if mid := (lo + hi) >> 1; s.extents[mid].ID <= id {
			lo = mid
		} else {
			hi = mid
		}
	}
	// Without a branch, which random IDs would often mispredict.
	return hi - int((uint64(id)-uint64(s.extents[hi].ID))>>63)*(hi-lo)
}

func (s *side) translate(id uint32) (uint32, bool) {
	e := &s.extents[s.find(id)]
	if off := id - e.ID; off < e.Count {
		return e.HostID + off, true
	}
	return 0, false
}

// HostRanges translates count IDs of the namespace, from id on: the extents of
// the map, cut to that range, in the order of their IDs. IDs that are not
// mapped are left out. A range past 4294967295 ends there.
func (m Map) HostRanges(id, count uint32) []Extent {
	if m.IsZero() || count == 0 {
		return nil
	}
	last := id + count - 1
	if last < id {
		last = ^uint32(0)
	}
	sorted := []Extent{m.first}
	if m.more != nil {
		sorted = m.more.ids.extents[m.more.ids.find(id):]
	}
	var out []Extent
	for _, e := range sorted {
		if e.ID > last {
			break
		}
		if e.ID+e.Count-1 >= id {
			out = append(out, e.cut(id, last))
		}
	}
	return out
}

const noIDs = "no IDs"

// String returns the extents on one line, as in "0 100000 65536, 65536 200000 10",
// or "no IDs".
func (m Map) String() string {
	if m.IsZero() {
		return noIDs
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(m.text()), "\n"), "\n", ", ")
}

// text returns the map as it is written to uid_map.
func (m Map) text() (b []byte) {
	for _, e := range m.Extents() {
		b = append(append(b, e.String()...), '\n')
	}
	return b
}

// Equal reports whether m and o map the same IDs to the same IDs. The extents
// themselves may differ.
func (m Map) Equal(o Map) bool { return slices.Equal(m.joined(), o.joined()) }

// joined returns the extents in the order of their IDs. Those that continue each
// other on both sides become one.
func (m Map) joined() []Extent {
	extents := m.Extents()
	slices.SortFunc(extents, func(a, b Extent) int { return cmp.Compare(a.ID, b.ID) })
	return join(extents)
}

// join does this in place for a list that is in the order of IDs.
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

// Compose returns the map of a namespace inside a namespace: m leads from the
// inner to the outer one, outer from there to the host. An ID is mapped if both
// map it. The result has as few extents as possible; more than [MaxExtents] are
// an error, which cannot happen with maps of real namespaces: the kernel takes
// only extents that each lie inside one of the outer namespace's.
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
