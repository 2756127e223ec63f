package facts

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/userns"
)

// An Inode is what stat(2) shows of a file.
type Inode struct {
	Mode     fs.FileMode
	UID, GID uint32
	Dev, Ino uint64
	Links    uint64
	ACL      bool // has a POSIX ACL, which Mode does not show
}

// A Subject is a process that wants access, with its host IDs.
type Subject struct {
	UID  uint32
	GIDs []uint32 // the effective one and the supplementary ones
	// Map is the container's. Root in it has capabilities, but only over inodes
	// whose owner and group are both mapped.
	Map userns.Mapping
}

// Mapped reports whether both IDs of an owner are in a map.
func Mapped(m userns.Mapping, uid, gid uint32) bool {
	_, u := m.UID.ToContainer(uid)
	_, g := m.GID.ToContainer(gid)
	return u && g
}

// Can reports whether the subject has all of the bits (4 read, 2 write, 1
// execute or search) on an inode, as the kernel's generic_permission does. The
// answer is not known where an ACL decides.
func (s Subject) Can(n Inode, bits fs.FileMode) (yes, known bool) {
	if root, ok := s.Map.UID.ToHost(0); ok && s.UID == root && Mapped(s.Map, n.UID, n.GID) {
		// CAP_DAC_OVERRIDE: all, except executing a file that nobody may execute.
		if n.Mode.IsDir() || bits&1 == 0 || n.Mode&0o111 != 0 {
			return true, true
		}
	}
	perm := n.Mode.Perm()
	if s.UID == n.UID {
		return perm>>6&bits == bits, true // an ACL does not change the owner's entry
	}
	if n.ACL {
		return false, false
	}
	if slices.Contains(s.GIDs, n.GID) {
		return perm>>3&bits == bits, true
	}
	return perm&bits == bits, true
}

// InodeOf returns what is known of a file without its ACL.
func InodeOf(info fs.FileInfo) Inode {
	n := Inode{Mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		n.UID, n.GID = st.Uid, st.Gid
		n.Dev, n.Ino, n.Links = uint64(st.Dev), st.Ino, uint64(st.Nlink) // not of these types on every system
	}
	return n
}

// stat returns what is at a path of a host, and where that is on this machine.
func stat(h usernskit.Host, name string) (n Inode, at string, err error) {
	info, err := h.Stat(name)
	if err != nil {
		return n, "", err
	}
	n = InodeOf(info)
	if at, err = h.Path(name); err == nil {
		n.ACL = hasACL(at)
	}
	return n, at, err
}

// hasACL reports whether a file has an access ACL, acl(5), or may have one.
func hasACL(path string) bool {
	if runtime.GOOS != "linux" {
		return false // no other system has one of this name
	}
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
	switch err {
	case nil:
		return n > 0
	case unix.ENODATA, unix.ENOTSUP:
		return false
	}
	return true
}

// Movable returns two ranges, START:COUNT: containers with the map can use a
// directory if its owners are moved from the one, the container IDs, to the
// other, their host IDs. ok is false for a directory of the system, for an owner
// in neither range, and for a map that is not one range, the same for users and
// groups.
func Movable(dir string, uid, gid uint32, m userns.Mapping) (from, to string, ok bool) {
	list := m.UID.Extents()
	if dirs.IsSystem(dir) || len(list) != 1 || m.UID.String() != m.GID.String() {
		return "", "", false
	}
	e := list[0]
	known := func(id uint32) bool { return id < e.Count || id >= e.HostID && id-e.HostID < e.Count }
	if e.ID != 0 || e.HostID < e.Count || !known(uid) || !known(gid) {
		return "", "", false
	}
	return fmt.Sprintf("0:%d", e.Count), fmt.Sprintf("%d:%d", e.HostID, e.Count), true
}
