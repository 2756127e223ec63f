package facts

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/userns"
)

// KeepOwner reports whether the owners below a directory are the host's own
// affair: it is one of the system's, or holds one, so that nobody may be told to
// change them for a container.
func KeepOwner(dir string) bool {
	dir = path.Clean(dir)
	whole := []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"}
	for _, system := range append([]string{"/home", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp"}, whole...) {
		if Within(system, dir) {
			return true
		}
	}
	return slices.ContainsFunc(whole, func(system string) bool { return strings.HasPrefix(dir, system+"/") })
}

// Movable returns the ranges, START:COUNT, from which and to which the owners in
// a directory can be moved for containers with a map: from those IDs of the host
// that are the containers' own. That makes no sense for a directory of the system,
// and for an owner that is in neither range; and a map has to be one range, the
// same for users and groups.
func Movable(dir string, uid, gid uint32, m userns.Mapping) (from, to string, ok bool) {
	list := m.UID.Extents()
	if KeepOwner(dir) || len(list) != 1 || m.UID.String() != m.GID.String() {
		return "", "", false
	}
	e := list[0]
	known := func(id uint32) bool { return id < e.Count || id >= e.HostID && id-e.HostID < e.Count }
	if e.ID != 0 || e.HostID < e.Count || !known(uid) || !known(gid) {
		return "", "", false
	}
	return fmt.Sprintf("0:%d", e.Count), fmt.Sprintf("%d:%d", e.HostID, e.Count), true
}
