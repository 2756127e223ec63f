package idspace

import (
	"slices"

	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// namespaces adds the extents of the namespaces that exist: to the intervals
// that are the very same IDs, else as intervals of their own.
func (s *Space) namespaces(list []Namespace) {
	at := map[subid.Range][]int{}
	for i, v := range s.intervals {
		if v.Kind != Reserved {
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
				s.intervals = append(s.intervals, Interval{Range: r, Kind: Live})
			}
			for _, i := range at[r] {
				if e.HostID != 0 || s.intervals[i].Kind == Live {
					s.intervals[i].use(e.ID, ns.Name)
				}
			}
		}
	}
	for i, v := range s.intervals {
		if v.Kind == Live {
			s.intervals[i].Names = v.namespaces()
		}
	}
}

// joined returns the extents of a map, those that continue one another as one:
// in the initial namespace of a container the kernel shows what was written.
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

// use notes that a namespace has the interval's IDs, from id on.
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

// namespaces returns the names of all that use the interval.
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
