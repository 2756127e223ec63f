package userns

import (
	"fmt"
	"math"

	"github.com/moby/sys/user"
)

// An OCIMapping has the fields of LinuxIDMapping in the OCI runtime
// specification, name by name, so that Go converts between them:
//
//	specs.LinuxIDMapping(m) and userns.OCIMapping(m)
//
// Its JSON is what stands under linux.uidMappings of a bundle's config.json.
type OCIMapping struct {
	ContainerID uint32 `json:"containerID"`
	HostID      uint32 `json:"hostID"`
	Size        uint32 `json:"size"`
}

// IDMaps returns the map as moby/sys/user has it, whose types are also those of
// runc's libcontainer/user. It never returns nil, which moby/sys/user takes for
// "every ID is itself": the zero Map gives an empty list, which maps nothing
// there either.
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

// OCI returns the map as the OCI runtime specification has it.
func (m Map) OCI() []OCIMapping {
	var out []OCIMapping
	for _, e := range m.Extents() {
		out = append(out, OCIMapping{ContainerID: e.ID, HostID: e.HostID, Size: e.Count})
	}
	return out
}

// FromOCI is [NewMap] for the mappings of the OCI runtime specification.
func FromOCI(maps []OCIMapping) (Map, error) {
	extents := make([]Extent, len(maps))
	for i, om := range maps {
		extents[i] = Extent{ID: om.ContainerID, HostID: om.HostID, Count: om.Size}
	}
	return NewMap(extents...)
}
