package hostfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Check reports whether path can be replaced or made, before anything is
// written. Its errors are [ErrNotRegular], [ErrHardLinked], [ErrBindMounted],
// [ErrImmutable], [unix.EROFS] or [fs.ErrPermission], with the path.
func (w Writer) Check(path string) error {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	var st unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, target, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	switch {
	case err == nil:
		if err := checkFile(st); err != nil {
			return hostError("replace", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return hostError("stat", path, err)
	}
	dir := filepath.Dir(target)
	if missing, err := w.Missing(path); err != nil {
		return err
	} else if len(missing) > 0 {
		dir = filepath.Dir(missing[0])
	}
	return hostError("replace", path, checkDir(dir))
}

func checkFile(st unix.Statx_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return ErrNotRegular
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return ErrBindMounted
	case st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0:
		return ErrImmutable
	case st.Nlink > 1:
		return ErrHardLinked
	}
	return nil
}

func checkDir(dir string) error {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, &st); err != nil {
		return err
	}
	if st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
		return ErrImmutable
	}
	var fsys unix.Statfs_t
	if err := unix.Statfs(dir, &fsys); err != nil {
		return err
	}
	if fsys.Flags&unix.ST_RDONLY != 0 {
		return unix.EROFS
	}
	return explain(unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS))
}

// explain turns EBUSY, which the kernel gives for a mount point, into
// [ErrBindMounted].
func explain(err error) error {
	if errors.Is(err, unix.EBUSY) {
		return ErrBindMounted
	}
	return err
}

// readXattrs reads the attributes that a replaced file must not lose. It leaves
// out the hashes and signatures of IMA and EVM, which are for the old content:
// the kernel makes new ones.
func readXattrs(target string) (map[string][]byte, error) {
	list, err := getx(func(buf []byte) (int, error) { return unix.Llistxattr(target, buf) })
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
		value, err := getx(func(buf []byte) (int, error) { return unix.Lgetxattr(target, name, buf) })
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
			continue // it has grown since
		}
		return buf[:max(n, 0)], err
	}
}

const accessACL = "system.posix_acl_access"

// dropACL removes the ACL that f has from the directory's default if m has none:
// chmod(2) would only set its mask.
func dropACL(f *os.File, m Meta) error {
	if _, ok := m.Xattrs[accessACL]; ok || m.UID < 0 {
		return nil
	}
	err := unix.Fremovexattr(int(f.Fd()), accessACL)
	if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
		return &os.PathError{Op: "remove " + accessACL, Path: f.Name(), Err: err}
	}
	return nil
}

func setXattrs(f *os.File, m Meta) error {
	fd := int(f.Fd())
	for name, value := range m.Xattrs {
		have, err := getx(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
		if err == nil && bytes.Equal(have, value) {
			continue // the directory's label is often right
		}
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
			return &os.PathError{Op: "set " + name, Path: f.Name(), Err: err}
		}
	}
	return nil
}

// swap puts temp under the name target. A plain rename(2) could lose a file
// that another program put there after the last check; renameat2(2) returns the
// displaced file, and if it is not the expected one, it is put back.
func (w Writer) swap(temp *renameio.PendingFile, target string, before []byte) error {
	if before == nil {
		err := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, target, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			return ErrChanged
		}
		if !unsupported(err) {
			return err // without an error Cleanup finds no file: it has its new name
		}
		return os.Rename(temp.Name(), target)
	}
	err := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, target, unix.RENAME_EXCHANGE)
	if unsupported(err) {
		return os.Rename(temp.Name(), target)
	}
	if errors.Is(err, unix.ENOENT) {
		return ErrChanged // another program removed it since the check
	}
	if err != nil {
		return err
	}
	displaced, err := openRead(temp.Name()) // it may be a FIFO
	if err == nil {
		var data []byte
		data, err = io.ReadAll(io.LimitReader(displaced, int64(len(before))+1))
		displaced.Close()
		if err == nil && bytes.Equal(data, before) {
			return w.step("remove old")
		}
	}
	back := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, target, unix.RENAME_EXCHANGE)
	return errors.Join(ErrChanged, err, back)
}

// unsupported: the kernel (before 3.15) or the file system has no renameat2
// with flags.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP)
}
