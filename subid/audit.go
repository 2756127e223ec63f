package subid

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/accounts"
)

// Audit returns all that is wrong with the subordinate IDs of a host, by file
// and line: [Set.Problems] of what [Read] reads.
func Audit(ctx context.Context, h usernskit.Host) ([]Problem, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return nil, err
	}
	return s.Problems(), nil
}

// Problems returns what both files show by themselves and against each other,
// the accounts and nsswitch.conf, by file and line.
func (s *Set) Problems() []Problem {
	var list []Problem
	for _, path := range s.symlinks {
		list = append(list, Problem{ID: Symlink, File: path, Text: "a symbolic link: useradd, newuidmap and getsubids refuse to open it"})
	}
	for _, f := range s.files() {
		list = append(list, f.Problems()...)
		list = append(list, s.loginUsers(f)...)
	}
	list = append(list, s.owners()...)
	if s.subidSource != "" {
		list = append(list, Problem{ID: NSSIgnored, File: nsswitchFile, Text: s.nssText()})
	}
	for _, text := range s.unseen {
		list = append(list, Problem{ID: AccountsUnseen, File: nsswitchFile, Text: text})
	}
	order := map[string]int{UIDFile: 1, GIDFile: 2, nsswitchFile: 3}
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return list
}

// loginUsers finds the lines that give away IDs of accounts or groups.
func (s *Set) loginUsers(f *File) []Problem {
	held := s.users
	if f == s.GID {
		held = slices.Clone(s.groups)
		for _, a := range s.users {
			a.ID = a.GID
			held = append(held, a)
		}
	}
	held = slices.Clone(held)
	slices.SortStableFunc(held, func(a, b accounts.Account) int { return cmp.Compare(a.ID, b.ID) })
	var list []Problem
	for l, r := range f.claims() {
		first, _ := slices.BinarySearchFunc(held, max(r.Start, 1), func(a accounts.Account, id uint32) int { return cmp.Compare(a.ID, id) })
		after, _ := slices.BinarySearchFunc(held, r.end(), func(a accounts.Account, end uint64) int { return cmp.Compare(uint64(a.ID), end) })
		if first >= after || len(list) > 0 && list[len(list)-1].Line == l.Number {
			continue
		}
		text := fmt.Sprintf("%s gives away ID %d, that of %s", named(l.Owner, r), held[first].ID, held[first].Name)
		if more := after - first - 1; more > 0 {
			text += fmt.Sprintf(", and %d more", more)
		}
		list = append(list, Problem{LoginUserMapped, f.name, l.Number, l.Owner, text})
	}
	return list
}

// A holding is what an owner has in the two files, by plain lines.
type holding struct {
	owner string
	first [2]int // lines
	has   [2][]Range
}

// holdings collects what stands under each key that a line gives, in order.
func (s *Set) holdings(key func(owner string) string) (order []*holding, held map[string]*holding) {
	held = map[string]*holding{}
	for i, f := range s.files() {
		for l, r := range f.Ranges() {
			k := key(l.Owner)
			h := held[k]
			if h == nil {
				h = &holding{owner: l.Owner}
				held[k] = h
				order = append(order, h)
			}
			if h.first[i] == 0 {
				h.first[i] = l.Number
			}
			h.has[i] = append(h.has[i], r)
		}
	}
	return order, held
}

// owners finds what is wrong with an owner over all its lines.
func (s *Set) owners() []Problem {
	byName, byUID := map[string]accounts.Account{}, map[string]accounts.Account{}
	for _, a := range s.users {
		byName[a.Name], byUID[strconv.FormatUint(uint64(a.ID), 10)] = a, a
	}
	var list []Problem
	// at puts a problem under the first line of an owner in a file.
	at := func(h *holding, i int, id, format string, args ...any) {
		list = append(list, Problem{id, s.files()[i].name, h.first[i], h.owner, fmt.Sprintf(format, args...)})
	}
	order, held := s.holdings(func(owner string) string { return owner })
	for _, h := range order {
		_, named := byName[h.owner]
		a, numbered := byUID[h.owner]
		for i := range h.first {
			if h.first[i] == 0 {
				continue
			}
			if !named && !numbered && s.whyOpen(h.owner) == nil {
				at(h, i, DanglingOwner, "no account %q: userdel will never take its lines away, and shadow-utils from 4.20 on sees none of them", h.owner)
			}
			if other := held[a.Name]; numbered && other != nil && other.first[i] > 0 {
				at(h, i, NameAndUIDBoth, "%s is the UID of %s, who has line %d too: dockerd 27 and earlier read this one only, dockerd 28 both", h.owner, a.Name, other.first[i])
			}
			if h.owner == "kubelet" && len(h.has[i]) > 1 {
				at(h, i, KubeletUnaligned, "the kubelet takes one range only, not %s", join(h.has[i]))
			}
		}
	}
	// A line of the UID in one file pairs with one of the name in the other.
	order, _ = s.holdings(func(owner string) string {
		if a, ok := byUID[owner]; ok {
			return a.Name
		}
		return owner
	})
	for _, h := range order {
		if slices.Equal(h.has[0], h.has[1]) {
			continue
		}
		i := 0
		if h.first[0] == 0 {
			i = 1
		}
		at(h, i, UIDGIDDiffer, "%s in %s, %s in %s", joinOr(h.has[0]), UIDFile, joinOr(h.has[1]), GIDFile)
	}
	return list
}

func joinOr(list []Range) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.ReplaceAll(join(list), ", ", " and ")
}
