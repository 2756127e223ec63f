package userns

import (
	"fmt"
	"math"
)

// MaxExtents is how many lines a uid_map or gid_map may have: 340 since Linux
// 4.15, 5 before (user_namespaces(7)).
const MaxExtents = 340

// An Extent maps Count IDs of a user namespace, from ID on, to as many IDs
// outside of it, from HostID on. It is one line of uid_map or gid_map.
type Extent struct {
	ID     uint32 // the first ID inside the namespace
	HostID uint32 // what the first ID is outside
	Count  uint32 // how many IDs in a row
}

// String returns the extent as a line of uid_map without its padding.
func (e Extent) String() string { return fmt.Sprintf("%d %d %d", e.ID, e.HostID, e.Count) }

// check says what the kernel has against e on its own. The ID 4294967295 is
// (uid_t)-1 and stands for no ID; new_idmap_permitted's caller map_write
// refuses it, and ranges that wrap.
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

// cut returns the part of e for the IDs from lo to hi, both included. The
// caller knows that there is one.
func (e Extent) cut(lo, hi uint32) Extent {
	lo, hi = max(lo, e.ID), min(hi, e.ID+e.Count-1)
	return Extent{ID: lo, HostID: e.HostID + (lo - e.ID), Count: hi - lo + 1}
}
