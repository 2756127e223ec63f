package subid

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/accounts"
)

// A Set is all that a host says about subordinate IDs, read once by [Read].
//
// Set{UID: Parse(UIDFile, uid), GID: Parse(GIDFile, gid)} is a host of which
// nothing is known but the two files: its limits are the defaults of
// shadow-utils, and no range is kept off an account.
type Set struct {
	UID, GID *File // /etc/subuid and /etc/subgid

	lookup        *accounts.Lookup   // nil where nothing is known but the files
	users, groups []accounts.Account // that are listed, and owners that are not
	open          map[string]error   // owners of whom nobody can tell whether they exist
	noPasswd      error              // the same for all owners that are not listed
	uid, gid      window
	symlinks      []string // which of the two files is a symbolic link
	subidSource   string   // what nsswitch.conf names for subid, if not files
	unseen        []string // why accounts may exist that are not in users and groups
}

// files returns both files, each with the accounts that use IDs of its kind.
func (s *Set) files() []*File { return []*File{s.UID, s.GID} }

// both calls do for both files at once, each with its place in files. Of two
// errors it returns that of the first file.
func (s *Set) both(do func(i int, f *File) error) error {
	second := make(chan error)
	go func() { second <- do(1, s.GID) }()
	err := do(0, s.UID)
	return cmp.Or(err, <-second)
}

// A Claim is a hold on some IDs: a range of one of the two files, or a single
// ID in /etc/passwd or /etc/group.
type Claim struct {
	File  string // "" for an account that only getent(1) knows
	Line  int    // from 1; 0 where there is no File
	Owner string // as it stands there
	Range Range
}

// Owners returns who holds an ID: all lines that give it to someone as any
// reader reads them, then accounts and groups of that very ID. A UID and a GID
// of one number are one ID here.
func (s *Set) Owners(id uint32) []Claim {
	list := s.claimsOf(func(_ string, r Range) bool { return r.Contains(id) })
	for _, holders := range [][]accounts.Account{s.users, s.groups} {
		for _, a := range holders {
			if a.ID == id {
				list = append(list, Claim{a.File, a.Line, a.Name, Range{id, 1}})
			}
		}
	}
	return list
}

// Claims returns every hold on an ID that the host tells of: by users first the
// lines of /etc/subuid and then the accounts, by groups those of /etc/subgid and
// the groups. A line that readers do not read alike comes once for each range
// that one of them finds there.
func (s *Set) Claims() (users, groups []Claim) {
	return s.UID.held(s.users), s.GID.held(s.groups)
}

func (f *File) held(holders []accounts.Account) []Claim {
	var list []Claim
	line := 0 // where the claims of the last line begin
	for l, r := range f.claims() {
		if n := len(list); n == 0 || list[n-1].Line != l.Number {
			line = n
		}
		if c := (Claim{f.name, l.Number, l.Owner, r}); !slices.Contains(list[line:], c) {
			list = append(list, c)
		}
	}
	for _, a := range holders {
		list = append(list, Claim{a.File, a.Line, a.Name, Range{a.ID, 1}})
	}
	return list
}

// Held returns what an owner holds in the two files, by name or UID: lines
// under the one are found by the other too where there is an account.
func (s *Set) Held(owner string) []Claim {
	o, _ := s.owner(owner, nil)
	return s.claimsOf(func(owner string, _ Range) bool { return o.is(owner) })
}

// claimsOf returns the lines' claims that want.
func (s *Set) claimsOf(want func(owner string, r Range) bool) []Claim {
	var list []Claim
	for _, f := range s.files() {
		for _, c := range f.held(nil) {
			if want(c.Owner, c.Range) {
				list = append(list, c)
			}
		}
	}
	return list
}

// Owners returns who holds an ID on a host: [Set.Owners] of what [Read] reads.
// An account that the host does not list is asked for by its number.
func Owners(ctx context.Context, h usernskit.Host, id uint32) ([]Claim, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return nil, err
	}
	s.find(ctx, strconv.FormatUint(uint64(id), 10))
	return s.Owners(id), ctx.Err()
}
