package subid

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/internal/accounts"
)

// readAccounts reads the accounts that the host lists, and looks up every owner
// of the two files that is not among them, by name or by number.
func (s *Set) readAccounts(ctx context.Context, l *accounts.Lookup) error {
	s.lookup, s.open = l, map[string]error{}
	if !l.Asks(accounts.Passwd) {
		_, s.noPasswd = l.All(ctx, accounts.Passwd)
	}
	for db, list := range map[accounts.DB]*[]accounts.Account{accounts.Passwd: &s.users, accounts.Group: &s.groups} {
		var gap error
		if *list, gap = l.All(ctx, db); gap != nil {
			s.unseen = append(s.unseen, gap.Error())
		}
	}
	slices.Sort(s.unseen)
	if l.Asks(accounts.Passwd) {
		s.find(ctx, s.unlisted()...)
	}
	return ctx.Err()
}

// whyOpen is why nobody can tell whether an owner exists who is not among the
// accounts; nil where there is none.
func (s *Set) whyOpen(owner string) error {
	if s.lookup == nil {
		return nil
	}
	return cmp.Or(s.open[owner], s.noPasswd)
}

// unlisted returns the owners of the two files that no listed account is.
func (s *Set) unlisted() []string {
	known := make(map[string]bool, 2*len(s.users))
	for _, a := range s.users {
		known[a.Name], known[strconv.FormatUint(uint64(a.ID), 10)] = true, true
	}
	var owners []string
	for _, f := range s.files() {
		for l := range f.claims() {
			if owner := strings.TrimSpace(l.Owner); !known[owner] {
				known[owner] = true
				owners = append(owners, owner)
			}
		}
	}
	return owners
}

// find looks owners up that are not among the accounts that are listed. Those
// that exist join them; of others it may stay open whether they do.
func (s *Set) find(ctx context.Context, owners ...string) {
	s.lookup.Ask(ctx, accounts.Passwd, owners...)
	for _, owner := range owners {
		found := s.lookup.ByName(ctx, accounts.Passwd, owner)
		if uid, err := strconv.ParseUint(owner, 10, 32); err == nil {
			found = s.lookup.ByID(ctx, accounts.Passwd, uint32(uid))
		}
		switch a, ok, err := found.Get(); {
		case err != nil:
			s.open[owner] = err
		case ok && !slices.ContainsFunc(s.users, func(b accounts.Account) bool { return a.Name == b.Name && a.ID == b.ID }):
			s.users = append(s.users, a)
		}
	}
}

// findOwner looks the owner of a request up.
func (s *Set) findOwner(ctx context.Context, name string) {
	if _, known := s.user(name); !known {
		s.find(ctx, name)
	}
}

// where says where an account comes from.
func where(a accounts.Account, group bool) string {
	kind := "account"
	if group {
		kind = "group"
	}
	if a.File == "" {
		return fmt.Sprintf("the %s %s, which getent knows", kind, a.Name)
	}
	return fmt.Sprintf("the %s %s", kind, a.Name)
}

// user finds the account that an owner field means: a number is a UID first,
// as it is to shadow-utils.
func (s *Set) user(owner string) (accounts.Account, bool) {
	uid, err := strconv.ParseUint(owner, 10, 32)
	i := slices.IndexFunc(s.users, func(a accounts.Account) bool { return err == nil && uint64(a.ID) == uid })
	if i < 0 {
		i = slices.IndexFunc(s.users, func(a accounts.Account) bool { return a.Name == owner })
	}
	if i < 0 {
		return accounts.Account{}, false
	}
	return s.users[i], true
}

// owner is who lines under name belong to: the account's lines stand under
// its name or its UID, whichever of them was asked for.
func (s *Set) owner(name string, uid *uint32) (o Owner, known bool) {
	o = Owner{Name: name, UID: uid}
	a, known := s.user(name)
	if known {
		o.Name = a.Name
		if uid == nil {
			o.UID = &a.ID
		}
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil && uid == nil {
		o.UID = new(uint32(n))
	}
	return o, known
}
