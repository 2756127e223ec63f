package facts

import "io/fs"

// An inode is the part of stat(2) that decides on access.
type Inode struct {
	Mode     fs.FileMode
	UID, GID uint32
	ACL      bool // has a POSIX ACL, which Mode does not tell
}

// A subject is who wants access, by IDs of the host.
type Subject struct {
	UID  uint32
	GIDs []uint32 // the effective one and the supplementary ones
	// Root: has the capabilities of a container's root, which reach an inode
	// only where both its owner and its group are mapped.
	Root bool
	// Mapped tell whether an ID is one of the container's.
	MappedUID, MappedGID func(uint32) bool
}

// can reports whether the subject has all of the bits (4 read, 2 write, 1
// execute or search) on an inode, as the kernel's generic_permission does.
// The answer is not known where an ACL has a say.
func (s Subject) Can(n Inode, bits fs.FileMode) (yes, known bool) {
	if s.Root && s.MappedUID(n.UID) && s.MappedGID(n.GID) {
		// CAP_DAC_OVERRIDE: all but executing what nobody may execute.
		if n.Mode.IsDir() || bits&1 == 0 || n.Mode&0o111 != 0 {
			return true, true
		}
	}
	perm := n.Mode.Perm()
	if s.UID == n.UID {
		return perm>>6&bits == bits, true // the owner's entry is no ACL's business
	}
	if n.ACL {
		return false, false
	}
	for _, g := range s.GIDs {
		if g == n.GID {
			return perm>>3&bits == bits, true
		}
	}
	return perm&bits == bits, true
}
