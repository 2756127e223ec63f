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

// accountSet is what is known of the accounts of a host. In a Set without a
// host it is empty, and every name may be an owner.
type accountSet struct {
	lookup        *known.Lookup
	users, groups []known.Account  // that are listed, and owners that are not
	open          map[string]error // owners of whom nobody can tell whether they exist
	noPasswd      error            // the same for all owners that are not listed
	unseen        []string         // why there may be accounts that are not listed
}

// read reads the accounts that the host lists, and looks up every owner of the
// files that is not among them, by name or by number.
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
	// Of sources that list all they have, each is asked by name too, unless that
	// would take longer than all the rest: 65,000 owners are 15 s of getent.
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
	s.find(ctx, owners...) // what stays open is in s.open
	return ctx.Err()
}

// find looks owners up that are not among the accounts that are listed. Those
// that exist join them; of others it may stay open whether they do, of which
// the first is the error.
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

// whyOpen is why nobody can tell whether an owner exists who is not among the
// accounts; nil where there is none.
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

// owner is the one answer to whose lines under a name are: an account's lines
// are under its name or its UID, no matter which of them was asked for.
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

// numbered is why a line under a UID may be one of any account.
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

// where says where an account comes from.
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

// meetsAccount refuses the ID of an account or group: of the accounts for both
// files, of groups for subgid only.
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
