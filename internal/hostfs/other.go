//go:build !linux

package hostfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/google/renameio/v2"
)

// Check reports whether path can be replaced or made, before anything is
// written. On this system it checks only for regular files and hard links.
func (w Writer) Check(path string) error {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	info, err := os.Lstat(target)
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

func explain(err error) error { return err }

// readXattrs reads nothing on this system: a Meta has owner and mode.
func readXattrs(target string) (map[string][]byte, error) { return nil, nil }

func dropACL(f *os.File, m Meta) error { return nil }

func setXattrs(f *os.File, m Meta) error { return nil }

// swap puts temp under the name target.
func (w Writer) swap(temp *renameio.PendingFile, target string, before []byte) error {
	return os.Rename(temp.Name(), target)
}

// A ShadowLock holds no locks: only Linux has shadow-utils.
type ShadowLock struct{}

// LockShadow takes no lock: a tree on another system has no useradd running.
func (w Writer) LockShadow(ctx context.Context, files ...string) (*ShadowLock, error) {
	return &ShadowLock{}, nil
}

// Covers is true: there are no locks.
func (l *ShadowLock) Covers(files []string) bool { return true }

// Unlock does nothing.
func (l *ShadowLock) Unlock() error { return nil }
