//go:build unix

package facts

import (
	"io/fs"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inodeOf returns owner and mode of a file.
func InodeOf(info fs.FileInfo) Inode {
	n := Inode{Mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		n.UID, n.GID = st.Uid, st.Gid
	}
	return n
}

// deviceOf returns what tells a file from every other.
func deviceOf(info fs.FileInfo) (dev, ino uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino // Dev is signed on some systems
	}
	return 0, 0
}

// hasACL reports whether a file has an access ACL, acl(5). One that cannot be
// asked is taken to have one: its mode alone then tells nothing for sure.
func hasACL(path string) bool {
	if runtime.GOOS != "linux" {
		return false // nobody else keeps one under this name
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
