//go:build !linux

package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Check looks whether path can be replaced or made, before anything is
// written. Here it knows regular files and hard links.
func (w Writer) Check(path string) error {
	real, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	info, err := os.Lstat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return hostError("stat", path, err)
	case !info.Mode().IsRegular():
		return hostError("replace", path, ErrNotRegular)
	case info.Sys().(*syscall.Stat_t).Nlink > 1:
		return hostError("replace", path, ErrHardLinked)
	}
	return nil
}

func explain(err error) error {
	if errors.Is(err, syscall.EROFS) {
		return ErrReadOnly
	}
	return err
}
