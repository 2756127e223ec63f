package subid

import (
	"io/fs"
	"strconv"

	"github.com/usernskit/usernskit"
)

// A Mapped is what a dockerd makes of one of the two files for the account that
// it remaps to.
type Mapped struct {
	// Readings are the extents of the map in the order of the container's IDs,
	// as dockerd holds them. Without any, and without an error, the account has
	// no line, and dockerd does not start.
	Readings []Reading
	// Refused is why dockerd does not start with the file: there is none, which
	// matches [fs.ErrNotExist], or it cannot read it.
	Refused error
	// Unsure is why it cannot be told whose some of the lines are.
	Unsure error
}

// Mapped returns the map that a dockerd builds for containers where
// "userns-remap" names the account ("dockremap" for "default"). The reader is
// [Dockerd], or [Dockerd27] for dockerd 20.10 to 27. The kernel may still refuse
// the map: numbers may be no IDs, and ranges may overlap.
func (s *Set) Mapped(r Reader, account string) (uid, gid Mapped) {
	o, _ := s.owner(account, nil)
	return s.mapped(s.UID, r, o), s.mapped(s.GID, r, o)
}

func (s *Set) mapped(f *File, r Reader, o Owner) (m Mapped) {
	if f == nil || f.absent && f.text == "" {
		name := ""
		if f != nil {
			name = f.name
		}
		m.Refused = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		return m
	}
	if m.Readings, m.Refused = f.As(r, o); m.Refused != nil {
		return m
	}
	next := int64(0)
	for i := range m.Readings {
		m.Readings[i].ID = next
		next += m.Readings[i].Count
	}
	if o.UID == nil {
		m.Unsure = s.numbered(f)
	}
	return m
}

// numbered is why a line under a UID may be one of any account.
func (s *Set) numbered(f *File) error {
	if len(s.open) == 0 && s.noPasswd == nil {
		return nil
	}
	for l := range f.claims() {
		if _, err := strconv.ParseUint(l.Owner, 10, 32); err != nil {
			continue
		}
		if _, known := s.user(l.Owner); known {
			continue
		}
		if err := s.whyOpen(l.Owner); err != nil {
			return &usernskit.FileError{File: f.name, Line: l.Number, Err: err}
		}
	}
	return nil
}
