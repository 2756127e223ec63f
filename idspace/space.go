package idspace

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
)

// IDs is [Users] or [Groups]: a host has one space of each. Its text is "UID"
// or "GID".
type IDs = enum.Of[idsNames]

type idsNames struct{}

func (idsNames) Names() (string, []string) { return "IDs", []string{"UID", "GID"} }

const (
	Users IDs = iota
	Groups
)

// A Kind says what an [Interval] is.
type Kind = enum.Of[kindNames]

type kindNames struct{}

func (kindNames) Names() (string, []string) {
	return "Kind", []string{"account", "reserved", "owner", "remap", "live"}
}

const (
	KindAccount  Kind = iota // a user or group of the host
	KindReserved             // see [subid.ReservedRanges]
	KindOwner                // a subordinate range
	KindRemap                // a subordinate range of the account that dockerd remaps to
	KindLive                 // IDs of a namespace that are not exactly those of an interval above
)

// Sources are what a [Space] is made from.
type Sources struct {
	Set *subid.Set
	// Remap is the account that dockerd remaps to; empty if it does not.
	Remap string
	// Namespaces are those that exist now. Several names may have one mapping.
	Namespaces []Namespace
	// Caption names the host and the time in pictures; may be empty.
	Caption string
}

// A Namespace is a user namespace that exists, or a container in it.
type Namespace struct {
	Name    string // for people: a container's name, or a command
	Mapping userns.Mapping
}

// An Interval is a run of IDs that someone holds.
type Interval struct {
	subid.Range
	Kind Kind `json:"kind"`
	// Names are the account, the owner, the namespaces, or the purpose of
	// reserved IDs. An owner's UID is shown as the name of its account.
	Names []string `json:"names"`
	// File and Line are where it is written; File may be empty.
	File string `json:"file"`
	Line int    `json:"line"`
	// Uses are namespaces that have exactly these IDs, or will have.
	Uses []Use `json:"uses"`
}

// A Use tells which IDs an [Interval] has inside namespaces.
type Use struct {
	ID uint32 `json:"id"` // what the first ID of the interval is inside
	// Names are the namespaces; none means future containers of dockerd.
	Names []string `json:"names"`
}

// A Space is the use of all user or group IDs.
type Space struct {
	IDs     IDs    `json:"ids"`
	Caption string `json:"-"`
	// Intervals are who holds which IDs, in the order of the first ID. They may
	// overlap.
	Intervals []Interval `json:"intervals"`
	// Gaps are what is between the intervals, cut where its meaning changes. A
	// namespace with the host's IDs from 0 on does not count as an interval.
	Gaps     []Gap     `json:"gaps"`
	Overlaps []Overlap `json:"overlaps"` // at most 16 of an interval with earlier ones
}

// New returns the space of users or groups.
func New(of IDs, from Sources) Space {
	s := Space{IDs: of, Caption: from.Caption, Intervals: []Interval{}}
	s.claims(from)
	for _, r := range subid.ReservedRanges() {
		if !zone(r) { // a zone is shown as the purpose of gaps
			s.Intervals = append(s.Intervals, reserved(r))
		}
	}
	slices.SortStableFunc(s.Intervals, order)
	s.namespaces(from.Namespaces)
	slices.SortStableFunc(s.Intervals, order)
	s.Gaps, s.Overlaps = gaps(s.Intervals), overlaps(s.Intervals)
	return s
}

// title returns the first line of a picture.
func (s Space) title() string {
	return s.IDs.String() + " space of " + cmp.Or(text.Visible(s.Caption), "the host")
}

// order sorts by start, larger first, then by kind.
func order(a, b Interval) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
}

// claims adds the accounts and the ranges of owners.
func (s *Space) claims(from Sources) {
	if from.Set == nil {
		return
	}
	users, groups := from.Set.Claims()
	names := map[string]string{} // of accounts, by UID: owners may be numbers in both files
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
		// A range may run past the end: some readers accept it.
		c.Range.Count = uint32(min(uint64(c.Range.Count), 1<<32-uint64(c.Range.Start)))
		v := Interval{Range: c.Range, Kind: KindAccount, Names: []string{c.Owner}, File: c.File, Line: c.Line, Uses: []Use{}}
		if c.File == subid.UIDFile || c.File == subid.GIDFile {
			v.Kind = KindOwner
			if name := names[c.Owner]; name != "" {
				v.Names[0] = name
			}
			if e, ok := extents[c.Line]; ok && e.Start == int64(c.Range.Start) && (c.Owner == from.Remap || v.Names[0] == from.Remap) {
				v.Kind, v.Uses = KindRemap, []Use{{ID: uint32(e.ID), Names: []string{}}}
			}
		}
		s.Intervals = append(s.Intervals, v)
	}
}

// extents returns the extents of the map that dockerd makes, by line number.
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

// reserved returns the interval of a reserved range.
func reserved(r subid.Reserved) Interval {
	return Interval{Range: r.Range, Kind: KindReserved, Names: []string{r.Name}, Uses: []Use{}}
}

// zone reports whether others may have IDs of the reserved range: accounts, or
// owners if it is soft.
func zone(r subid.Reserved) bool { return r.Soft || r.Start <= 1000 }

// namespaces adds the extents of namespaces: to the intervals with exactly
// these IDs, else as new intervals. An extent from ID 0 on is always a new one,
// so that the row of root does not hide it.
func (s *Space) namespaces(list []Namespace) {
	at := map[subid.Range][]int{}
	for i, v := range s.Intervals {
		if v.Kind != KindReserved && v.Start > 0 {
			at[v.Range] = append(at[v.Range], i)
		}
	}
	for _, ns := range list {
		m := ns.Mapping.UID
		if s.IDs == Groups {
			m = ns.Mapping.GID
		}
		for _, e := range joined(m) {
			r := subid.Range{Start: e.HostID, Count: e.Count}
			if at[r] == nil {
				at[r] = []int{len(s.Intervals)}
				s.Intervals = append(s.Intervals, Interval{Range: r, Kind: KindLive})
			}
			for _, i := range at[r] {
				s.Intervals[i].use(e.ID, ns.Name)
			}
		}
	}
}

// joined returns the extents of a map. Compose has made one of those that
// continue one another.
func joined(m userns.Map) []userns.Extent {
	every, _ := userns.NewMap(userns.Extent{Count: math.MaxUint32}) // is valid
	m, _ = m.Compose(every)                                         // has no more extents than before
	return m.Extents()
}

// use records that a namespace has the interval's IDs, from id on.
func (v *Interval) use(id uint32, name string) {
	i := slices.IndexFunc(v.Uses, func(u Use) bool { return u.ID == id })
	if i < 0 {
		i = len(v.Uses)
		v.Uses = append(v.Uses, Use{ID: id})
	}
	if !slices.Contains(v.Uses[i].Names, name) {
		v.Uses[i].Names = append(v.Uses[i].Names, name)
	}
	if v.Kind == KindLive && !slices.Contains(v.Names, name) {
		v.Names = append(v.Names, name)
	}
}
