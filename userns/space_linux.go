package userns

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A space is a user namespace seen through the two maps of one of its
// processes. As long as the files are open the namespace exists, with or
// without a process, and so its inode number is not given to another one.
type space struct {
	uid, gid *os.File // nil: the kernel has no such file
	mapping  Mapping
	final    bool // both maps are written, which happens once
	kept     bool // a scan keeps it open for the next process
}

func (d procDir) openSpace() (*space, error) {
	s := &space{}
	for name, to := range map[string]**os.File{"uid_map": &s.uid, "gid_map": &s.gid} {
		f, err := d.file(name)
		if errors.Is(err, unix.ENOENT) && d.alive() {
			continue
		}
		if err != nil {
			s.close()
			return nil, err
		}
		*to = f
	}
	return s, nil
}

// release closes s unless it is kept. It may be nil.
func (s *space) release() {
	if s != nil && !s.kept {
		s.close()
	}
}

func (s *space) close() {
	for _, f := range []*os.File{s.uid, s.gid} {
		if f != nil {
			f.Close()
		}
	}
}

// read returns the maps, and reads them again as long as one is not written.
func (s *space) read() (Mapping, error) {
	if s.final {
		return s.mapping, nil
	}
	s.mapping = Mapping{}
	for _, m := range []struct {
		file *os.File
		to   *Map
	}{{s.uid, &s.mapping.UID}, {s.gid, &s.mapping.GID}} {
		if m.file == nil {
			continue
		}
		data, err := readAll(m.file, nil)
		if err == nil {
			*m.to, err = ParseMap(m.file.Name(), data)
		}
		if err != nil {
			return Mapping{}, err
		}
	}
	s.final = !s.mapping.UID.IsZero() && !s.mapping.GID.IsZero()
	return s.mapping, nil
}
