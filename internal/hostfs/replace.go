package hostfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// A Meta is what a file has besides its content.
type Meta struct {
	Mode     fs.FileMode       // permissions, setuid, setgid and sticky
	UID, GID int               // the owner; -1: that of the process that makes the file
	Xattrs   map[string][]byte // SELinux label, POSIX ACL and user attributes
}

// NewMeta is the Meta of a new file that belongs to the process that makes it.
func NewMeta(mode fs.FileMode) Meta { return Meta{Mode: mode, UID: -1, GID: -1} }

// Meta reads what the file that path leads to has besides its content.
func (r Root) Meta(path string) (Meta, error) {
	target, err := r.Resolve(path)
	if err != nil {
		return Meta{}, err
	}
	info, err := os.Lstat(target)
	if err != nil {
		return Meta{}, hostError("stat", path, err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	xattrs, err := readXattrs(target)
	if err != nil {
		return Meta{}, hostError("read extended attributes of", path, err)
	}
	return Meta{Mode: info.Mode() & modeBits, UID: int(owner.Uid), GID: int(owner.Gid), Xattrs: xattrs}, nil
}

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// A Writer replaces files below a root. Every path is followed through symbolic
// links to the file itself; the links stay.
type Writer struct {
	Root Root
	// Fault, if set, is called before each step with the step's name and fails
	// the step with the error it returns. Tests set it.
	Fault func(step string) error
}

func (w Writer) step(name string) error {
	if w.Fault == nil {
		return nil
	}
	return w.Fault(name)
}

// A step is a part of a write that can fail, or be the last before a crash.
type step struct {
	name string
	do   func() error
}

// run runs steps in order until one fails.
func (w Writer) run(steps ...step) error {
	for _, s := range steps {
		err := w.step(s.name)
		if err == nil {
			err = s.do()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Replace makes path hold data, in one step: a program that reads it sees the old
// file or the new one, also after a crash. before is the content that the caller
// last read, nil for no file: if the file holds something else, Replace returns
// [ErrChanged] and leaves it as it is.
//
// The new file is made in the directory of the old one, on the same file system
// and with the directory's SELinux type, and gets the owner, mode and
// attributes of meta before it has its name.
func (w Writer) Replace(path string, before, data []byte, meta Meta) (err error) {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	defer func() { err = hostError("replace", path, err) }()
	if err := w.step("create"); err != nil {
		return err
	}
	temp, err := renameio.NewPendingFile(tempName+filepath.Base(target),
		renameio.WithTempDir(filepath.Dir(target)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return explain(err)
	}
	defer temp.Cleanup()
	return w.run(
		step{"write", func() error { _, err := temp.Write(data); return err }},
		step{"owner", func() error { return setOwner(temp.File, meta) }},
		step{"mode", func() error { return setMode(temp.File, meta) }},
		step{"xattrs", func() error { return setXattrs(temp.File, meta) }},
		step{"sync", func() error {
			if err := temp.Sync(); err != nil {
				return err
			}
			return w.holds(path, before)
		}},
		step{"rename", func() error { return explain(w.swap(temp, target, before)) }},
		step{"sync directory", func() error { return SyncDir(filepath.Dir(target)) }},
	)
}

// setOwner comes before the mode: chown(2) clears setuid.
func setOwner(f *os.File, m Meta) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	have := info.Sys().(*syscall.Stat_t)
	if (m.UID < 0 || m.UID == int(have.Uid)) && (m.GID < 0 || m.GID == int(have.Gid)) {
		return nil
	}
	return f.Chown(m.UID, m.GID)
}

// setMode comes before the attributes: an ACL is written over the mode's group
// bits.
func setMode(f *os.File, m Meta) error {
	if err := dropACL(f, m); err != nil {
		return err
	}
	return f.Chmod(m.Mode & modeBits)
}

// Remove unlinks the file that path leads to, if it still holds before.
func (w Writer) Remove(path string, before []byte) (err error) {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	defer func() { err = hostError("remove", path, err) }()
	if err := w.holds(path, before); err != nil {
		return err
	}
	return w.run(
		step{"unlink", func() error { return explain(os.Remove(target)) }},
		step{"sync directory", func() error { return SyncDir(filepath.Dir(target)) }},
	)
}

// holds returns [ErrChanged] unless path holds data; nil means no file.
func (w Writer) holds(path string, data []byte) error {
	now, err := w.Root.ReadFile(path, int64(len(data)))
	switch {
	case errors.Is(err, fs.ErrNotExist) && data == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrTooLarge):
		return ErrChanged
	case err != nil:
		return err
	case data == nil || !bytes.Equal(now, data):
		return ErrChanged
	}
	return nil
}

// MkdirAll makes the missing directories on the way to path.
func (w Writer) MkdirAll(path string, mode fs.FileMode) error {
	missing, err := w.Missing(path)
	if err != nil {
		return err
	}
	for _, dir := range missing {
		if err := w.step("mkdir"); err != nil {
			return err
		}
		if err := mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return hostError("mkdir for", path, explain(err))
		}
		if err := SyncDir(filepath.Dir(dir)); err != nil {
			return hostError("mkdir for", path, err)
		}
	}
	return nil
}

// mkdir makes a directory with this mode whatever the umask. Bits that it has
// beyond that, such as its parent's setgid, stay.
func mkdir(dir string, mode fs.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil || info.Mode()&mode == mode {
		return err
	}
	return os.Chmod(dir, info.Mode()&modeBits|mode)
}

// Missing returns the directories that MkdirAll would make, as paths on this
// machine, the outermost first.
func (w Writer) Missing(path string) ([]string, error) {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return nil, err
	}
	var missing []string
	for dir := filepath.Dir(target); ; dir = filepath.Dir(dir) {
		_, err := os.Lstat(dir)
		if err == nil {
			return missing, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return nil, hostError("stat directory of", path, err)
		}
		missing = append([]string{dir}, missing...)
	}
}

// tempName is what the names of our temporary files begin with: renameio puts a
// dot before it, and a random number at the end.
const tempName = "usernskit~"

// Sweep removes the temporary files that interrupted replacements of path left.
func (w Writer) Sweep(path string) error {
	target, err := w.Root.Resolve(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(target)
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		number, ok := strings.CutPrefix(e.Name(), "."+tempName+filepath.Base(target))
		if ok && e.Type().IsRegular() && strings.Trim(number, "0123456789") == "" {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return hostError("remove the temporary files of", path, err)
}

// SyncDir makes a rename or unlink in dir, a path on this machine, last through a
// power cut.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
