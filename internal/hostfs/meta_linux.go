package hostfs

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Meta reads what the file that path leads to has besides its content.
func (r Root) Meta(path string) (Meta, error) {
	real, err := r.Resolve(path)
	if err != nil {
		return Meta{}, err
	}
	info, err := os.Lstat(real)
	if err != nil {
		return Meta{}, hostError("stat", path, err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	xattrs, err := readXattrs(real)
	if err != nil {
		return Meta{}, hostError("read extended attributes of", path, err)
	}
	return Meta{Mode: info.Mode() & modeBits, UID: int(owner.Uid), GID: int(owner.Gid), Xattrs: xattrs}, nil
}

// readXattrs reads the attributes that a replaced file must not lose. The
// hashes and signatures of IMA and EVM are left out: they are of the old
// content, and the kernel makes its own.
func readXattrs(real string) (map[string][]byte, error) {
	list, err := getx(func(buf []byte) (int, error) { return unix.Llistxattr(real, buf) })
	switch {
	case errors.Is(err, unix.ENOTSUP):
		return nil, nil
	case err != nil || len(list) == 0:
		return nil, err
	}
	xattrs := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name == "security.ima" || name == "security.evm" {
			continue
		}
		value, err := getx(func(buf []byte) (int, error) { return unix.Lgetxattr(real, name, buf) })
		if errors.Is(err, unix.ENODATA) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, err
		}
		xattrs[name] = value
	}
	return xattrs, nil
}

// getx calls a function of the xattr family with a buffer that is large enough.
func getx(call func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := call(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		buf := make([]byte, size)
		n, err := call(buf)
		if errors.Is(err, unix.ERANGE) {
			continue // it has grown meanwhile
		}
		return buf[:max(n, 0)], err
	}
}

const accessACL = "system.posix_acl_access"

// setMeta gives f the owner, the mode and the attributes of m, in this order:
// chown(2) clears setuid, and an ACL is written over the mode's group bits. An
// ACL that f was born with, by the directory's default, goes where m is that of
// an old file without one: chmod(2) would only set its mask.
func (w Writer) setMeta(f *os.File, m Meta) error {
	if err := w.step("owner"); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	have := info.Sys().(*syscall.Stat_t)
	if (m.UID >= 0 && m.UID != int(have.Uid)) || (m.GID >= 0 && m.GID != int(have.Gid)) {
		if err := f.Chown(m.UID, m.GID); err != nil {
			return err
		}
	}
	if err := w.step("mode"); err != nil {
		return err
	}
	if _, ok := m.Xattrs[accessACL]; !ok && m.UID >= 0 {
		err := unix.Fremovexattr(int(f.Fd()), accessACL)
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return &os.PathError{Op: "remove " + accessACL, Path: f.Name(), Err: err}
		}
	}
	if err := f.Chmod(m.Mode & modeBits); err != nil {
		return err
	}
	if err := w.step("xattrs"); err != nil {
		return err
	}
	fd := int(f.Fd())
	for name, value := range m.Xattrs {
		have, err := getx(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
		if err == nil && bytes.Equal(have, value) {
			continue // a label that the directory gave is often the right one
		}
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
			return &os.PathError{Op: "set " + name, Path: f.Name(), Err: err}
		}
	}
	return nil
}
