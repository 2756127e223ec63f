package subid

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	known "github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/subid/reader"
)

// accountSet holds a host's accounts. In a Set without a host it is empty, and
// every name may be an owner.
type accountSet struct {
	lookup        *known.Lookup
	users, groups []known.Account  // the listed ones, and owners that were looked up
	open          map[string]error // owners whose existence is unknown
	noPasswd      error            // why, for all owners that are not listed
	unseen        []string         // why there may be accounts that are not listed
}

// read reads the listed accounts, and looks up the other owners of the files by
// name or number.
func (s *accountSet) read(ctx context.Context, l *known.Lookup, files []*File) error {
	s.lookup, s.open = l, map[string]error{}
	var gaps [2]error
	s.users, gaps[0] = l.All(ctx, known.Passwd)
	s.groups, gaps[1] = l.All(ctx, known.Group)
	for _, gap := range gaps {
		if gap != nil {
			s.unseen = append(s.unseen, gap.Error())
		}
	}
	if !l.Asks(known.Passwd) {
		s.noPasswd = gaps[0]
		return ctx.Err()
	}
	listed := make(map[string]bool, 2*len(s.users))
	for _, a := range s.users {
		listed[a.Name], listed[strconv.FormatUint(uint64(a.ID), 10)] = true, true
	}
	// Sources that list everything are asked by name only for a few owners:
	// 65,000 take getent 15 s.
	most := math.MaxInt
	if gaps[0] == nil && l.Lists(known.Passwd) {
		most = 1000
	}
	var owners []string
	for _, f := range files {
		for l := range f.claims() {
			if owner := strings.TrimSpace(l.owner); !listed[owner] {
				if len(owners) == most {
					return ctx.Err()
				}
				listed[owner] = true
				owners = append(owners, owner)
			}
		}
	}
	s.find(ctx, owners...) // unknown ones are in s.open
	return ctx.Err()
}

// find looks up owners that are not listed, and adds those that exist. The
// error is the first whose existence is unknown.
func (s *accountSet) find(ctx context.Context, owners ...string) (failed error) {
	if s.lookup == nil {
		return nil
	}
	s.lookup.Ask(ctx, known.Passwd, owners...)
	for _, owner := range owners {
		found := s.lookup.ByName(ctx, known.Passwd, owner)
		if uid, err := strconv.ParseUint(owner, 10, 32); err == nil {
			found = s.lookup.ByID(ctx, known.Passwd, uint32(uid))
		}
		switch a, ok, err := found.Get(); {
		case err != nil:
			s.open[owner] = err
			failed = cmp.Or(failed, err)
		case ok && !slices.ContainsFunc(s.users, func(b known.Account) bool { return a.Name == b.Name && a.ID == b.ID }):
			s.users = append(s.users, a)
		}
	}
	return cmp.Or(ctx.Err(), failed)
}

// whyOpen is why an owner's existence is unknown, or nil.
func (s *accountSet) whyOpen(owner string) error { return cmp.Or(s.open[owner], s.noPasswd) }

// user finds the account that an owner field means: a number is a UID first,
// as it is to shadow-utils.
func (s *accountSet) user(owner string) (known.Account, bool) {
	uid, err := strconv.ParseUint(owner, 10, 32)
	i := slices.IndexFunc(s.users, func(a known.Account) bool { return err == nil && uint64(a.ID) == uid })
	if i < 0 {
		i = slices.IndexFunc(s.users, func(a known.Account) bool { return a.Name == owner })
	}
	if i < 0 {
		return known.Account{}, false
	}
	return s.users[i], true
}

// owner returns the account of the lines under a name: they are under its name
// or its UID.
func (s *accountSet) owner(name string, uid *uint32) (o reader.Owner, exists bool) {
	o = reader.Owner{Name: name, UID: uid}
	a, exists := s.user(name)
	if exists {
		o.Name = a.Name
		if uid == nil {
			o.UID = &a.ID
		}
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil && uid == nil {
		o.UID = new(uint32(n))
	}
	return o, exists
}

// numbered is why a line under a UID may belong to any account.
func (s *accountSet) numbered(f *File) error {
	if len(s.open) == 0 && s.noPasswd == nil {
		return nil
	}
	for l := range f.claims() {
		if _, err := strconv.ParseUint(l.owner, 10, 32); err != nil {
			continue
		}
		if _, exists := s.user(l.owner); exists {
			continue
		}
		if err := s.whyOpen(l.owner); err != nil {
			return &usernskit.FileError{File: f.name, Line: l.number, Err: err}
		}
	}
	return nil
}

func where(a known.Account, group bool) string {
	kind := "account"
	if group {
		kind = "group"
	}
	if a.File == "" {
		return fmt.Sprintf("the %s %s, which getent knows", kind, a.Name)
	}
	return fmt.Sprintf("the %s %s", kind, a.Name)
}

// meetsAccount refuses the ID of an account in both files, and that of a group
// in subgid.
func (s *accountSet) meetsAccount(uid bool, owner string, r Range) error {
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

func accountError(a known.Account, group bool, owner string, r Range, id uint32) error {
	return &ConflictError{Err: ErrOverlap, File: a.File, Line: a.Line, Owner: owner, Want: r, Holder: a.Name, Have: Range{id, 1},
		Why: fmt.Sprintf("%s overlaps %d, the ID of %s", named(owner, r), id, where(a, group))}
}
