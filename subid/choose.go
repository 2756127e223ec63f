package subid

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// taken is what may not be given in the files named, in one sorted set: all
// that any reader reads there, the accounts, and what the policy avoids. What
// is reserved is not among it.
func (s *Set) taken(p Policy, files ...*File) spans {
	// Whoever pairs ranges has the same text in both files.
	if len(files) == 2 && files[0].text == files[1].text {
		files = files[:1]
	}
	room := 2*len(s.users) + len(s.groups) + len(p.Avoid)
	for _, f := range files {
		room += strings.Count(f.text, "\n") + 1
	}
	t := make(spans, 0, room)
	for _, f := range files {
		t.addFile(f)
	}
	for _, a := range s.users {
		t.add(a.ID, a.ID)
		t.add(a.GID, a.GID)
	}
	for _, a := range s.groups {
		t.add(a.ID, a.ID)
	}
	for _, r := range p.Avoid {
		t.addRange(r)
	}
	return t.sort()
}

// choose finds the lowest range that is free in all the files. It goes into
// the soft reserved IDs only where nothing else is free, and says so, or where
// the limits start in there: then that is what the administrator wants.
func (s *Set) choose(p Policy, owner string, files ...*File) (Range, []usernskit.Warning, error) {
	taken := s.taken(p, files...)
	if !softAt(p.Min) {
		if r, ok := taken.choose(reservedSpans, p); ok {
			return r, nil, nil
		}
	}
	r, ok := taken.choose(hardSpans, p)
	if !ok {
		return Range{}, nil, &ExhaustedError{Min: p.Min, Max: p.Max, Count: p.Count, Align: p.Align, Largest: r}
	}
	return r, s.softWarning(p, owner, r), nil
}

// softAt reports whether an ID is a soft reserved one.
func softAt(id uint32) bool {
	for _, x := range reservedTable {
		if x.Soft && x.Contains(id) {
			return true
		}
	}
	return false
}

func (s *Set) softWarning(p Policy, owner string, r Range) []usernskit.Warning {
	for _, x := range reservedTable {
		if x.Soft && x.Overlaps(r) && !softAt(p.Min) {
			return []usernskit.Warning{{ID: ReservedIDs, Text: fmt.Sprintf(
				"%s has IDs of %d to %d: %s; keep those off this host", named(owner, r), x.Start, x.Last(), x.Name)}}
		}
	}
	return nil
}

// free tells whether a range is free in all the files, or who has some of it.
func (s *Set) free(p Policy, owner string, r Range, files ...*File) error {
	if err := checkReserved("", 0, owner, r); err != nil {
		return err
	}
	for _, f := range files {
		if l, have, ok := f.meets(r); ok {
			return overlapError(f.name, l.Number, owner, r, l.Owner, have)
		}
		if err := s.meetsAccount(f == s.UID, owner, r); err != nil {
			return err
		}
	}
	for _, have := range p.Avoid {
		if have.Overlaps(r) {
			return &ConflictError{Err: ErrOverlap, Owner: owner, Want: r, Have: have,
				Why: fmt.Sprintf("%s overlaps %v, which is to be avoided", named(owner, r), have)}
		}
	}
	return nil
}

// Find returns a free range for nobody in particular: what [Plan] would give
// to an owner who has none, and what there is to know about it. The request's
// owner is ignored.
func Find(ctx context.Context, h usernskit.Host, want Request) (Grant, []usernskit.Warning, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return Grant{}, nil, err
	}
	return s.Find(want)
}

// Find is the function [Find] on what was read already.
func (s *Set) Find(want Request) (Grant, []usernskit.Warning, error) {
	want.Owner, want.UID = "", nil
	j, err := s.job(want)
	if err == nil {
		err = j.fresh()
	}
	if err != nil {
		return Grant{}, nil, err
	}
	j.warnUnseen()
	return j.grant, j.plan.Warnings, nil
}

// fresh finds ranges for an owner who has none in either file.
func (j *job) fresh() error {
	r := Range{j.want.Start, j.policy.Count}
	if j.want.Start != 0 {
		if err := j.set.free(j.policy, j.want.Owner, r, j.set.files()...); err != nil {
			return err
		}
		j.warn(j.set.softWarning(j.policy, j.want.Owner, r)...)
		j.grant.UID, j.grant.GID = r, r
		return nil
	}
	r, warnings, err := j.set.choose(j.policy, j.want.Owner, j.set.files()...)
	if errors.Is(err, ErrExhausted) && j.want.UnpairedOK {
		return errors.Join(j.freshIn(j.set.UID, &j.grant.UID), j.freshIn(j.set.GID, &j.grant.GID))
	}
	j.warn(warnings...)
	j.grant.UID, j.grant.GID = r, r
	return err
}

// freshIn finds a range that is free in one file.
func (j *job) freshIn(f *File, r *Range) error {
	policy, err := j.want.Policy.resolve(j.set.uid, j.set.uid)
	if f == j.set.GID {
		policy, err = j.want.Policy.resolve(j.set.gid, j.set.gid)
	}
	if err != nil {
		return err
	}
	policy.Count = j.policy.Count
	found, warnings, err := j.set.choose(policy, j.want.Owner, f)
	j.warn(warnings...)
	*r = found
	return err
}
