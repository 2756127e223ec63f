//go:build !linux

package hostfs

import (
	"os"
	"syscall"
)

// Meta reads what the file that path leads to has besides its content. Here
// that is owner and mode.
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
	return Meta{Mode: info.Mode() & modeBits, UID: int(owner.Uid), GID: int(owner.Gid)}, nil
}

func (w Writer) setMeta(f *os.File, m Meta) error {
	if err := w.step("owner"); err != nil {
		return err
	}
	if m.UID >= 0 || m.GID >= 0 {
		if err := f.Chown(m.UID, m.GID); err != nil {
			return err
		}
	}
	if err := w.step("mode"); err != nil {
		return err
	}
	return f.Chmod(m.Mode & modeBits)
}
