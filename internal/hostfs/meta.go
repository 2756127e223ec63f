package hostfs

import "io/fs"

// A Meta is what a file has besides its content.
type Meta struct {
	Mode     fs.FileMode       // permissions, setuid, setgid and sticky
	UID, GID int               // the owner; -1 for whoever makes the file
	Xattrs   map[string][]byte // SELinux label, POSIX ACL and user attributes
}

// NewMeta is the Meta of a file that is made by the caller.
func NewMeta(mode fs.FileMode) Meta { return Meta{Mode: mode, UID: -1, GID: -1} }

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
