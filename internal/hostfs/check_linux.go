package hostfs

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Check looks whether path can be replaced or made, before anything is
// written. Its errors are [ErrNotRegular], [ErrHardLinked], [ErrBindMounted],
// [ErrImmutable], [ErrReadOnly] or [fs.ErrPermission], with the path.
func (w Writer) Check(path string) error {
	real, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	var st unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, real, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	switch {
	case err == nil:
		if err := checkFile(st); err != nil {
			return hostError("replace", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return hostError("stat", path, err)
	}
	dir := filepath.Dir(real)
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
		return ErrReadOnly
	}
	return explain(unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS))
}

// explain names the errors that the kernel gives a number only.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return ErrReadOnly
	case errors.Is(err, unix.EBUSY):
		return ErrBindMounted
	}
	return err
}
