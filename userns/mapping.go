package userns

import (
	"fmt"
	"math"

	"github.com/moby/sys/user"
)

// A Mapping is the maps of a namespace: one for its users and one for its
// groups.
type Mapping struct{ UID, GID Map }

// IsZero reports whether neither map was written.
func (m Mapping) IsZero() bool { return m.UID.IsZero() && m.GID.IsZero() }

// Equal reports whether both maps are equal, see [Map.Equal].
func (m Mapping) Equal(o Mapping) bool { return m.UID.Equal(o.UID) && m.GID.Equal(o.GID) }

// String returns both maps on one line.
func (m Mapping) String() string {
	if m.UID.Equal(m.GID) {
		return m.UID.String()
	}
	return "users " + m.UID.String() + "; groups " + m.GID.String()
}

// ToHost translates a user and a group of the namespace to the host, as ints
// for chown and tar code. The error matches [ErrUnmapped] where the namespace
// lacks one of them, and where a number is not an ID: -1, which means "leave
// it" to chown(2), and all past 4294967294.
func (m Mapping) ToHost(uid, gid int) (hostUID, hostGID int, err error) {
	return pairOf(uid, gid, m.UID.ToHost, m.GID.ToHost, "in the namespace")
}

// ToContainer is the inverse of [Mapping.ToHost].
func (m Mapping) ToContainer(hostUID, hostGID int) (uid, gid int, err error) {
	return pairOf(hostUID, hostGID, m.UID.ToContainer, m.GID.ToContainer, "on the host")
}

func pairOf(uid, gid int, user, group func(uint32) (uint32, bool), where string) (toUID, toGID int, err error) {
	if toUID, err = translate(uid, user, "user", where); err != nil {
		return 0, 0, err
	}
	if toGID, err = translate(gid, group, "group", where); err != nil {
		return 0, 0, err
	}
	return toUID, toGID, nil
}

func translate(id int, by func(uint32) (uint32, bool), what, where string) (int, error) {
	if id < 0 || uint64(id) >= math.MaxUint32 {
		return 0, fmt.Errorf("%w: %d is not a %s ID", ErrUnmapped, id, what)
	}
	to, ok := by(uint32(id))
	if !ok {
		return 0, fmt.Errorf("%w: %s %d %s", ErrUnmapped, what, id, where)
	}
	return int(to), nil
}

// FromRanges returns the map that dockerd makes of ranges of host IDs, as lines
// of /etc/subuid give them: the namespace's IDs count up from 0 through one
// range after the other. A subid.Range is such a range.
func FromRanges[R ~struct{ Start, Count uint32 }](ranges ...R) (Map, error) {
	extents := make([]Extent, len(ranges))
	next := uint64(0)
	for i, r := range ranges {
		host := struct{ Start, Count uint32 }(r)
		if next > math.MaxUint32 {
			return Map{}, &extentError{i, Extent{HostID: host.Start, Count: host.Count}, "has no IDs left inside the namespace"}
		}
		extents[i] = Extent{ID: uint32(next), HostID: host.Start, Count: host.Count}
		next += uint64(host.Count)
	}
	return NewMap(extents...)
}

// IDMaps returns the map as moby/sys/user has it, whose types are also those of
// runc's libcontainer/user. The zero Map gives an empty list and not nil, which
// means "every ID is itself" to moby/sys/user.
func (m Map) IDMaps() []user.IDMap {
	out := []user.IDMap{}
	for _, e := range m.Extents() {
		out = append(out, user.IDMap{ID: int64(e.ID), ParentID: int64(e.HostID), Count: int64(e.Count)})
	}
	return out
}

// FromIDMaps is [NewMap] for the extents of moby/sys/user. Numbers that are
// negative or past 32 bits are errors, as is an empty list: nil would mean
// "every ID is itself" to moby/sys/user and "no ID" here.
func FromIDMaps(maps []user.IDMap) (Map, error) {
	extents := make([]Extent, len(maps))
	for i, im := range maps {
		for _, n := range []int64{im.ID, im.ParentID, im.Count} {
			if n < 0 || n > math.MaxUint32 {
				return Map{}, fmt.Errorf("%w: extent %d has the number %d", ErrInvalidMap, i+1, n)
			}
		}
		extents[i] = Extent{ID: uint32(im.ID), HostID: uint32(im.ParentID), Count: uint32(im.Count)}
	}
	return NewMap(extents...)
}
