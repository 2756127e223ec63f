package hostfs

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// swap puts temp under the name real. Between the last look at the old file
// and a plain rename(2) another program's new file could come in and be lost;
// renameat2(2) gives us the file that was really displaced, and where that is
// not the one we know, it goes back.
func (w Writer) swap(temp *renameio.PendingFile, real string, before []byte) error {
	if before == nil {
		err := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, real, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			return ErrChanged
		}
		if !unsupported(err) {
			return err // Cleanup finds no file: it has its name
		}
		return temp.CloseAtomicallyReplace()
	}
	err := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, real, unix.RENAME_EXCHANGE)
	if unsupported(err) {
		return temp.CloseAtomicallyReplace()
	}
	if errors.Is(err, unix.ENOENT) {
		return ErrChanged // removed by someone since we looked
	}
	if err != nil {
		return err
	}
	displaced, err := os.Open(temp.Name())
	if err == nil {
		var data []byte
		data, err = io.ReadAll(io.LimitReader(displaced, int64(len(before))+1))
		displaced.Close()
		if err == nil && bytes.Equal(data, before) {
			return w.step("remove old")
		}
	}
	back := unix.Renameat2(unix.AT_FDCWD, temp.Name(), unix.AT_FDCWD, real, unix.RENAME_EXCHANGE)
	return errors.Join(ErrChanged, err, back)
}

// unsupported: the kernel (before 3.15) or the file system has no renameat2
// with flags.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP)
}
