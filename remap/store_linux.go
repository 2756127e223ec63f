package remap

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
)

// lockStore keeps dockerd from starting on a store until unlock, and reports
// whether a dockerd runs on it already: a running one holds the lock of its list of
// volumes. A dockerd that starts waits for the lock for one second only, so call
// unlock soon.
func lockStore(h usernskit.Host, store string) (unlock func(), running bool, err error) {
	name, err := h.Path(path.Join(store, "volumes/metadata.db"))
	if err != nil {
		return nil, false, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, false, nil // no dockerd was ever started on it
	}
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if running = errors.Is(err, unix.EWOULDBLOCK); err != nil && !running {
		f.Close()
		return nil, false, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { f.Close() }, running, nil
}

// oneFileSystem reports whether files can be renamed from one directory to another.
// That is true of a missing one, which will be made on the file system of its parent.
func oneFileSystem(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) != nil || unix.Stat(b, &y) != nil || x.Dev == y.Dev
}
