package idspace

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit/internal/enum"
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
	KindLive                 // IDs that a namespace uses and no line gives
)

// Sources are what a [Space] is made from.
type Sources struct {
	Set *subid.Set
	// Remap is the account that dockerd remaps to; empty if it does not.
	Remap string
	// Namespaces are those that exist now. Several names may have one mapping.
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

// A Use is what an [Interval] is inside of namespaces.
type Use struct {
	ID uint32 `json:"id"` // what the first ID of the interval is inside
	// Names are the namespaces; none means future containers of dockerd.
	Names []string `json:"names"`
}

// A Space is the use of all user or group IDs.
type Space struct {
	IDs       IDs
	intervals []Interval
}

// New returns the space of users or groups.
func New(of IDs, from Sources) Space {
	s := Space{IDs: of}
	s.claims(from)
	s.reserved()
	slices.SortStableFunc(s.intervals, order)
	s.namespaces(from.Namespaces)
	slices.SortStableFunc(s.intervals, order)
	return s
}

// order sorts by start, larger first, then by kind.
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
		v := Interval{Range: c.Range, Kind: KindAccount, Names: []string{c.Owner}, File: c.File, Line: c.Line}
		if c.File == subid.UIDFile || c.File == subid.GIDFile {
			v.Kind = KindOwner
			if name := names[c.Owner]; name != "" {
				v.Names[0] = name
			}
			if e, ok := extents[c.Line]; ok && e.Start == int64(c.Range.Start) && (c.Owner == from.Remap || v.Names[0] == from.Remap) {
				v.Kind, v.Uses = KindRemap, []Use{{ID: uint32(e.ID), Names: []string{}}}
			}
		}
		s.intervals = append(s.intervals, v)
	}
}

// extents returns dockerd's ranges for containers, by line.
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

// reserved adds the reserved ranges, except those that only are the place for
// accounts or ranges: these are shown as the purpose of a gap.
func (s *Space) reserved() {
	for _, r := range subid.ReservedRanges() {
		if !zone(r) {
			s.intervals = append(s.intervals, Interval{Range: r.Range, Kind: KindReserved, Names: []string{r.Name}})
		}
	}
}

// zone reports whether accounts may have IDs of the reserved range.
func zone(r subid.Reserved) bool { return r.Soft || r.Start <= 1000 }

// namespaces adds the extents of namespaces: to the intervals with exactly
// these IDs, else as new intervals.
func (s *Space) namespaces(list []Namespace) {
	at := map[subid.Range][]int{}
	for i, v := range s.intervals {
		if v.Kind != KindReserved {
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
			if at[r] == nil || e.HostID == 0 { // never hide a namespace in the row of root
				at[r] = append(at[r], len(s.intervals))
				s.intervals = append(s.intervals, Interval{Range: r, Kind: KindLive})
			}
			for _, i := range at[r] {
				if e.HostID != 0 || s.intervals[i].Kind == KindLive {
					s.intervals[i].use(e.ID, ns.Name)
				}
			}
		}
	}
	for i, v := range s.intervals {
		if v.Kind == KindLive {
			s.intervals[i].Names = v.namespaces()
		}
	}
}

// joined returns the extents of a map, those that continue one another as one.
func joined(m userns.Map) []userns.Extent {
	var list []userns.Extent
	for _, e := range m.Extents() {
		if n := len(list) - 1; n >= 0 && list[n].ID+list[n].Count == e.ID && list[n].HostID+list[n].Count == e.HostID {
			list[n].Count += e.Count
			continue
		}
		list = append(list, e)
	}
	return list
}

// use records that a namespace has the interval's IDs, from id on.
func (v *Interval) use(id uint32, name string) {
	i := slices.IndexFunc(v.Uses, func(u Use) bool { return u.ID == id })
	if i < 0 {
		i = len(v.Uses)
		v.Uses = append(v.Uses, Use{ID: id})
	}
	if !slices.Contains(v.Uses[i].Names, name) {
		v.Uses[i].Names = append(slices.Clone(v.Uses[i].Names), name)
	}
}

// namespaces returns the names of all namespaces that use the interval.
func (v Interval) namespaces() []string {
	var list []string
	for _, u := range v.Uses {
		for _, name := range u.Names {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// Namespaces collects what the processes of [userns.FS.Processes] run in: each
// container once, and each user namespace that is in no container. A container
// has the name that name returns for its ID, else the beginning of the ID;
// other namespaces are named after their first process. Name may be nil.
//
// A namespace whose maps were not written yet is left out. The error joins
// those of the processes; the list holds the others.
func Namespaces(processes iter.Seq2[userns.Process, error], name func(containerID string) string) ([]Namespace, error) {
	type key struct {
		container string
		userNS    uint64
		mapping   string // where the kernel does not show us the namespace
	}
	seen := map[key]bool{}
	var list []Namespace
	var failed []error
	for p, err := range processes {
		if err != nil {
			failed = append(failed, err)
			continue
		}
		k := key{p.ContainerID, p.UserNS, ""}
		if p.UserNS == 0 {
			k.mapping = p.Mapping.String()
		}
		if p.Mapping.IsZero() || seen[k] {
			continue
		}
		seen[k] = true
		list = append(list, Namespace{called(p, name), p.Mapping})
	}
	return list, errors.Join(failed...)
}

func called(p userns.Process, name func(string) string) string {
	if p.ContainerID == "" {
		return fmt.Sprintf("%s[%d]", p.Command, p.PID)
	}
	if name != nil {
		if known := name(p.ContainerID); known != "" {
			return known
		}
	}
	return p.ContainerID[:min(12, len(p.ContainerID))]
}
