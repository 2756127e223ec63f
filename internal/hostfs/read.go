package hostfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// A Root is the directory taken for "/". The empty Root is "/".
type Root string

// Dir returns the root's directory on this machine, absolute and clean.
func (r Root) Dir() (string, error) {
	if r == "" || r == "/" {
		return "/", nil
	}
	dir, err := filepath.Abs(string(r))
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrBadRoot, err)
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %v", ErrBadRoot, err) // not fs.ErrNotExist: that would say that a file is absent
	case !info.IsDir():
		return "", fmt.Errorf("%w: %s is not a directory", ErrBadRoot, dir)
	}
	if strings.Contains(string(r), "..") {
		if meant, err := os.Stat(string(r)); err != nil || !os.SameFile(info, meant) {
			return "", fmt.Errorf("%w: %s: \"..\" behind a symbolic link; write it without", ErrBadRoot, r)
		}
	}
	return dir, nil
}

// Resolve returns where path is on this machine, all symbolic links resolved
// inside the root. Missing elements are kept as they are.
func (r Root) Resolve(path string) (string, error) {
	dir, err := r.Dir()
	if err != nil {
		return "", err
	}
	target, err := securejoin.SecureJoin(dir, path)
	if err != nil {
		return "", hostError("resolve", path, err)
	}
	return target, nil
}

// resolveDir is Resolve for all but the last element of path.
func (r Root) resolveDir(path string) (string, error) {
	path = filepath.Clean("/" + path)
	dir, err := r.Resolve(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// ReadFile reads a regular file of at most limit bytes. It never blocks on a
// FIFO and never follows a link out of the root.
func (r Root) ReadFile(path string, limit int64) ([]byte, error) {
	f, size, err := r.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The size is only a hint (files of /proc have 0), so one byte more than
	// the limit is read.
	var buf bytes.Buffer
	buf.Grow(int(min(size, limit)) + bytes.MinRead)
	if _, err = buf.ReadFrom(io.LimitReader(f, limit+1)); err == nil && int64(buf.Len()) > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if err != nil {
		return nil, hostError("read", path, err)
	}
	return buf.Bytes(), nil // not nil for an empty file
}

// open opens a regular file and returns its size.
func (r Root) open(path string) (*os.File, int64, error) {
	target, err := r.Resolve(path)
	if err != nil {
		return nil, 0, err
	}
	f, err := openRead(target)
	if err != nil {
		return nil, 0, hostError("open", path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, 0, hostError("read", path, err)
	}
	return f, info.Size(), nil
}

// ReadDir lists a directory in the order of the names.
func (r Root) ReadDir(path string) ([]fs.DirEntry, error) {
	target, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadDir(target)
	return list, hostError("readdir", path, err)
}

// Stat describes what path leads to.
func (r Root) Stat(path string) (fs.FileInfo, error) {
	if dir, err := r.Dir(); err != nil {
		return nil, err
	} else if dir == "/" {
		// The kernel knows links that have no path, such as /proc/self/ns/user.
		info, err := os.Stat("/" + path)
		return info, hostError("stat", path, err)
	}
	target, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(target) // the links are resolved; what is left is not one
	return info, hostError("stat", path, err)
}

// Lstat describes path itself.
func (r Root) Lstat(path string) (fs.FileInfo, error) {
	target, err := r.resolveDir(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(target)
	return info, hostError("lstat", path, err)
}

// PathError names the path as on the host in an error of the os package.
func PathError(op, path string, err error) error { return hostError(op, path, explain(err)) }

// hostError makes err a [*fs.PathError] that names the path as on the host.
func hostError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	// Not errors.As: it would keep one of several joined errors and drop the others.
	if inner, ok := err.(*fs.PathError); ok { //nolint:errorlint // see above
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// openRead opens without waiting for a FIFO's writer.
func openRead(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
}
