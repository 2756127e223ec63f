package idspace

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
)

// IDs says which IDs are meant: a host has one space of users and one of groups.
type IDs int

const (
	Users IDs = iota
	Groups
)

// String returns "UID" or "GID".
func (i IDs) String() string {
	if i == Groups {
		return "GID"
	}
	return "UID"
}

// A Kind says what an [Interval] is.
type Kind int

const (
	Account  Kind = iota // a user or group of the host
	Reserved             // IDs with a meaning of their own, see [subid.ReservedRanges]
	Owner                // a subordinate range
	Remap                // a subordinate range of the account that dockerd remaps to
	Live                 // IDs that a namespace uses now, and that no line gives
)

// String returns the kind as a word: "account", "reserved", "owner", "remap" or
// "live".
func (k Kind) String() string {
	return [...]string{"account", "reserved", "owner", "remap", "live"}[k]
}

// Sources are what a [Space] is made from.
type Sources struct {
	Set *subid.Set
	// Remap is the account that dockerd remaps to; empty if it does not.
	Remap string
	// Namespaces are those that exist now. One mapping may come several times,
	// under different names.
	Namespaces []Namespace
}

// A Namespace is a user namespace that exists, or a container in it.
type Namespace struct {
	Name    string // for people: a container's name, or a command
	Mapping userns.Mapping
}

// An Interval is a run of IDs that someone holds.
type Interval struct {
	subid.Range
	Kind Kind
	// Names are the account, the owner or the namespaces, and what IDs are
	// reserved for. An owner's UID is shown as the name of its account.
	Names []string
	// File and Line tell where it stands; File is empty where it does in none.
	File string
	Line int
	// Uses are namespaces that have exactly these IDs, or will have.
	Uses []Use
}

// A Use is what an [Interval] is inside of namespaces.
type Use struct {
	ID uint32 // what the first ID of the interval is inside
	// Names are the namespaces. There are none where dockerd will use the range
	// for containers that do not run yet.
	Names []string
}

// A Space is who holds what, of users or of groups.
type Space struct {
	IDs       IDs
	intervals []Interval
}

// New returns the space of users or groups that the sources tell of.
func New(of IDs, from Sources) Space {
	s := Space{IDs: of}
	s.claims(from)
	s.reserved()
	slices.SortStableFunc(s.intervals, order)
	s.namespaces(from.Namespaces)
	slices.SortStableFunc(s.intervals, order)
	return s
}

// order puts what begins first first, of those the larger, then by kind.
func order(a, b Interval) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
}

// Intervals returns who holds which IDs, in the order of the first ID. They may
// overlap.
func (s Space) Intervals() []Interval { return slices.Clone(s.intervals) }

// claims adds the accounts and the ranges of owners.
func (s *Space) claims(from Sources) {
	if from.Set == nil {
		return
	}
	users, groups := from.Set.Claims()
	names := map[string]string{} // of accounts, by UID: owners may stand as numbers in both files
	for _, c := range users {
		if c.File != subid.UIDFile {
			if uid := strconv.FormatUint(uint64(c.Range.Start), 10); names[uid] == "" {
				names[uid] = c.Owner
			}
		}
	}
	list := users
	if s.IDs == Groups {
		list = groups
	}
	extents := s.extents(from)
	for _, c := range list {
		// A range may run past the end: not every reader minds.
		c.Range.Count = uint32(min(uint64(c.Range.Count), 1<<32-uint64(c.Range.Start)))
		v := Interval{Range: c.Range, Kind: Account, Names: []string{c.Owner}, File: c.File, Line: c.Line}
		if c.File == subid.UIDFile || c.File == subid.GIDFile {
			v.Kind = Owner
			if name := names[c.Owner]; name != "" {
				v.Names[0] = name
			}
			if e, ok := extents[c.Line]; ok && e.Start == int64(c.Range.Start) && (c.Owner == from.Remap || v.Names[0] == from.Remap) {
				v.Kind, v.Uses = Remap, []Use{{ID: uint32(e.ID)}}
			}
		}
		s.intervals = append(s.intervals, v)
	}
}

// extents returns what dockerd maps containers to, by line.
func (s *Space) extents(from Sources) map[int]reader.Reading {
	lines := map[int]reader.Reading{}
	if from.Remap == "" {
		return lines
	}
	m, gid := from.Set.Mapped(reader.Dockerd, from.Remap)
	if s.IDs == Groups {
		m = gid
	}
	for _, r := range m.Readings {
		lines[r.Line] = r
	}
	return lines
}

// reserved adds the reserved ranges but for those that only say where accounts
// or ranges are meant to be: these are shown as what a gap is for.
func (s *Space) reserved() {
	for _, r := range subid.ReservedRanges() {
		if !zone(r) {
			s.intervals = append(s.intervals, Interval{Range: r.Range, Kind: Reserved, Names: []string{r.Name}})
		}
	}
}

// zone reports whether IDs of a reserved range belong to whom the accounts say,
// or to nobody yet.
func zone(r subid.Reserved) bool { return r.Soft || r.Start <= 1000 }
