package userns

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A space is a user namespace seen through the two maps of one of its
// processes. As long as the files are open the namespace exists, with or
// without a process, and so its inode number is not given to another one.
type space struct {
	uid, gid *procFile // nil: the kernel has no such file
	mapping  Mapping
	final    bool // both maps are written, which happens once
	kept     bool // a scan keeps it open for the next process
}

func (d procDir) openSpace() (*space, error) {
	s := &space{}
	var err error
	if s.uid, err = d.mapFile("uid_map"); err == nil {
		s.gid, err = d.mapFile("gid_map")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (d procDir) mapFile(name string) (*procFile, error) {
	f, err := d.file(name)
	if errors.Is(err, unix.ENOENT) && d.alive() {
		return nil, nil
	}
	return f, err
}

// release closes s unless it is kept. It may be nil.
func (s *space) release() {
	if s != nil && !s.kept {
		s.close()
	}
}

func (s *space) close() {
	for _, f := range []*procFile{s.uid, s.gid} {
		if f != nil {
			f.close()
		}
	}
}

// read returns the maps, and reads them again as long as one is not written.
// It may use buf meanwhile.
func (s *space) read(buf []byte) (Mapping, error) {
	if s.final {
		return s.mapping, nil
	}
	var m Mapping
	var err error
	if m.UID, err = s.uid.readMap(buf); err == nil {
		m.GID, err = s.gid.readMap(buf)
	}
	if err != nil {
		return Mapping{}, err
	}
	s.mapping, s.final = m, !m.UID.IsZero() && !m.GID.IsZero()
	return m, nil
}

// readMap reads a map. A file that the kernel does not have holds none.
func (f *procFile) readMap(buf []byte) (Map, error) {
	if f == nil {
		return Map{}, nil
	}
	data, err := f.read(buf)
	if err != nil {
		return Map{}, err
	}
	return ParseMap(f.name, data)
}
