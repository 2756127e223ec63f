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

// readAccounts reads the listed accounts, and looks up the other owners of the
// files by name or number.
func (s *Set) readAccounts(ctx context.Context, l *known.Lookup) error {
	s.lookup, s.open = l, map[string]error{}
	var gap, groupGap error
	s.users, gap = l.All(ctx, known.Passwd)
	s.groups, groupGap = l.All(ctx, known.Group)
	s.unseen(gap)
	s.unseen(groupGap)
	if !l.Asks(known.Passwd) {
		s.noPasswd = gap
		return ctx.Err()
	}
	listed := make(map[string]bool, 2*len(s.users))
	for _, a := range s.users {
		listed[a.Name], listed[strconv.FormatUint(uint64(a.ID), 10)] = true, true
	}
	// If the sources list every account, only 1000 other owners are looked up:
	// getent needs 15 s for 65,000.
	most := math.MaxInt
	if gap == nil && l.Lists(known.Passwd) {
		most = 1000
	}
	var owners []string
	for _, f := range s.files() {
		for l := range f.claims() {
			if owner := strings.TrimSpace(l.Owner); !listed[owner] {
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
func (s *Set) find(ctx context.Context, owners ...string) (failed error) {
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

// whyOpen returns why an owner's existence is unknown, or nil.
func (s *Set) whyOpen(owner string) error { return cmp.Or(s.open[owner], s.noPasswd) }

// user finds the account that an owner field means: a number is a UID first,
// as it is to shadow-utils.
func (s *Set) user(owner string) (known.Account, bool) {
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

// owner returns the account that an owner field means: its lines may be under
// the name or the UID.
func (s *Set) owner(name string, uid *uint32) (o reader.Owner, exists bool) {
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

// numbered returns why it is not known which account a line under a UID belongs
// to, or nil.
func (s *Set) numbered(f *File) error {
	if len(s.open) == 0 && s.noPasswd == nil {
		return nil
	}
	for l := range f.claims() {
		if _, err := strconv.ParseUint(l.Owner, 10, 32); err != nil {
			continue
		}
		_, exists := s.user(l.Owner)
		if err := s.whyOpen(l.Owner); err != nil && !exists {
			return &usernskit.FileError{File: l.File, Line: l.Line, Err: err}
		}
	}
	return nil
}

// meetsAccount refuses a range with the UID of an account in subuid, or with
// the GID of an account or group in subgid.
func (s *Set) meetsAccount(f *File, owner string, r Range) error {
	for _, a := range s.users {
		id := a.ID
		if f == s.GID {
			id = a.GID
		}
		if r.Contains(id) {
			return accountError("account", a, owner, r, id)
		}
	}
	for _, a := range s.groups {
		if f == s.GID && r.Contains(a.ID) {
			return accountError("group", a, owner, r, a.ID)
		}
	}
	return nil
}

func accountError(kind string, a known.Account, owner string, r Range, id uint32) error {
	whose := "the " + kind + " " + a.Name
	if a.File == "" {
		whose += ", which getent knows"
	}
	return conflict(ErrOverlap, owner, r, Claim{a.File, a.Line, a.Name, Range{id, 1}},
		"%s overlaps %d, the ID of %s", named(owner, r), id, whose)
}

// missing returns what is wrong with an owner that is not a listed account: it
// does not exist, or whether it exists is unknown. An empty ID means neither.
func (s *Set) missing(owner string) (id ProblemID, why string) {
	open := s.whyOpen(owner)
	switch {
	case s.lookup == nil || open == nil && owner == Dockremap && s.hasUseradd(): // dockerd makes it
		return "", ""
	case open == nil:
		return ProblemDanglingOwner, noAccount(owner)
	case s.open[owner] != nil:
		return ProblemAccountsUnseen, fmt.Sprintf("whether the account %s exists is not known: %v", owner, open)
	}
	return "", "" // the accounts of the host could not be read: a note says so
}

// noAccount describes the consequences of an owner without an account.
func noAccount(owner string) string {
	text := fmt.Sprintf("the account %s does not exist: ", owner)
	switch owner {
	case Dockremap:
		return text + "dockerd makes it, but finds neither useradd nor adduser, and will stop"
	case containers:
		return text + "podman and CRI-O read the lines by its name, but find nothing where they are built with libsubid 4.20 or later"
	case kubelet:
		return text + "the kubelet ignores its lines until it exists"
	}
	return text + "shadow-utils from 4.20 on does not see its lines, and userdel will never remove them"
}

// hasUseradd reports whether dockerd finds a program to make dockremap.
func (s *Set) hasUseradd() bool {
	if s.host == nil {
		return true
	}
	found, err := known.HasUseradd(s.host)
	return found || err != nil
}
