// Package hostread reads each file of a host once and keeps the first error: a
// file that could not be read is never taken for one that is not there.
package hostread

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/usernskit/usernskit/internal/distro"
)

// A Host is where the files are; usernskit.Host is one.
type Host interface {
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)
}

// Files has the files of a host that were read.
type Files struct {
	Err  error // the first error that is not about a missing file
	host Host
	data map[string][]byte
}

// New returns a reader that has read nothing.
func New(h Host) *Files { return &Files{host: h, data: map[string][]byte{}} }

// Note keeps err if it is the first error that is not about a missing file.
func (f *Files) Note(err error) {
	if f.Err == nil && err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		f.Err = err
	}
}

// Read returns a file's bytes, nil if it is missing or could not be read.
func (f *Files) Read(name string) []byte {
	data, known := f.data[name]
	if known || name == "" {
		return data
	}
	data, err := f.host.ReadFile(name)
	f.Note(err)
	switch {
	case err != nil:
		data = nil
	case data == nil:
		data = []byte{}
	}
	f.data[name] = data
	return data
}

// Exists reports whether there is a file or directory of that name.
func (f *Files) Exists(name string) bool {
	_, err := f.host.Stat(name)
	f.Note(err)
	return err == nil
}

// First returns the first of names that exists, "" if none does.
func (f *Files) First(names ...string) string {
	for _, name := range names {
		if f.Exists(name) {
			return name
		}
	}
	return ""
}

// List returns the files of a directory whose names end in one of the
// suffixes, in order. Hidden ones are left out.
func (f *Files) List(dir string, suffixes ...string) (names []string) {
	all, err := f.host.ReadDir(dir)
	f.Note(err)
	for _, d := range all {
		ends := func(suffix string) bool { return strings.HasSuffix(d.Name(), suffix) }
		if slices.ContainsFunc(suffixes, ends) && !strings.HasPrefix(d.Name(), ".") && !d.IsDir() {
			names = append(names, path.Join(dir, d.Name()))
		}
	}
	return names
}

// Release returns the host's distribution.
func (f *Files) Release() distro.Release {
	return distro.Parse(f.Read(f.First("/etc/os-release", "/usr/lib/os-release")), f.Read("/etc/redhat-release"))
}
