package subid

import (
	"fmt"

	"github.com/usernskit/usernskit/internal/accounts"
)

// existing returns the lines that an owner has in a file, in order, where
// they are fit to be built on: every reader reads them alike, nobody else has
// any of their IDs, and none of them means something else. Besides it returns
// the first line for which strict readers refuse the file, if there is one.
func (s *Set) existing(f *File, o Owner) (own []claim, refused Line, err error) {
	if n := f.longLine(); n > 0 {
		return nil, Line{}, &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: n,
			Why: fmt.Sprintf("a line that %v cannot hold: it refuses the whole file", Dockerd)}
	}
	own, refused, err = f.owned(o)
	if err == nil && len(own) > 0 {
		err = s.usable(f, o, own)
	}
	if err != nil {
		return nil, Line{}, err
	}
	return own, refused, nil
}

// usable refuses lines of an owner that must not be built on.
func (s *Set) usable(f *File, o Owner, own []claim) error {
	// dockerd 27 reads what stands under the UID only, dockerd 28 both.
	for _, l := range own[1:] {
		if l.owner != own[0].owner {
			return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: l.line, Owner: o.Name, Holder: l.owner, Have: l.Range,
				Why: fmt.Sprintf("readers differ about lines under %q and under %q, name and UID of one account: keep one kind", own[0].owner, l.owner)}
		}
	}
	for i, c := range own {
		if err := checkReserved(f.name, c.line, o.Name, c.Range); err != nil {
			return err
		}
		for _, d := range own[:i] {
			if d.Overlaps(c.Range) {
				return overlapError(f.name, c.line, c.owner, c.Range, d.owner, d.Range)
			}
		}
		if err := s.meetsAccount(f == s.UID, c.owner, c.Range); err != nil {
			return err
		}
	}
	for l, have := range f.claims() {
		for _, c := range own {
			if l.Number != c.line && l.Owner != c.owner && have.Overlaps(c.Range) {
				return overlapError(f.name, l.Number, c.owner, c.Range, l.Owner, have)
			}
		}
	}
	return nil
}

// owned returns the lines of an owner. One that any reader reads differently
// from the others is an error. In the same pass it finds the first line that is
// not three fields.
func (f *File) owned(o Owner) (own []claim, refused Line, err error) {
	for l, r := range f.entries() {
		if r.Count == 0 && refused.Number == 0 && refusing(l.Text) {
			refused = l
		}
		if !f.holds(o, l, r) {
			continue
		}
		if r.Count == 0 {
			return nil, Line{}, f.unsafe(l, r)
		}
		own = append(own, claim{r, f.name, l.Number, l.Owner})
	}
	return own, refused, nil
}

// checkReserved refuses IDs of a range that has another meaning. The soft ones
// pass: see Plan.
func checkReserved(file string, line int, owner string, r Range) error {
	for _, x := range reservedTable {
		if !x.Soft && x.Overlaps(r) {
			return &ConflictError{Err: ErrReserved, File: file, Line: line, Owner: owner, Want: r, Holder: x.Name, Have: x.Range,
				Why: fmt.Sprintf("%s has IDs of %d to %d, reserved: %s", named(owner, r), x.Start, x.Last(), x.Name)}
		}
	}
	return nil
}

// meetsAccount refuses the ID of an account or group: of the accounts for both
// files, of groups for subgid only.
func (s *Set) meetsAccount(uid bool, owner string, r Range) error {
	for _, a := range s.users {
		if r.Contains(a.ID) && uid {
			return accountError(a, false, owner, r, a.ID)
		}
		if r.Contains(a.GID) && !uid {
			return accountError(a, false, owner, r, a.GID)
		}
	}
	for _, a := range s.groups {
		if r.Contains(a.ID) && !uid {
			return accountError(a, true, owner, r, a.ID)
		}
	}
	return nil
}

func accountError(a accounts.Account, group bool, owner string, r Range, id uint32) error {
	return &ConflictError{Err: ErrOverlap, File: a.File, Line: a.Line, Owner: owner, Want: r, Holder: a.Name, Have: Range{id, 1},
		Why: fmt.Sprintf("%s overlaps %d, the ID of %s", named(owner, r), id, where(a, group))}
}
