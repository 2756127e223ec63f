package idspace

import (
	"fmt"
	"path"
	"strings"

	"github.com/usernskit/usernskit/subid"
)

// A Meaning is one thing that an ID of the host is.
type Meaning struct {
	IDs      IDs
	Interval Interval
	// Nth is the place of the ID in the interval, from 0: what it is inside of a
	// namespace is Use.ID + Nth.
	Nth uint32
}

// Describe returns all that an ID of the host is, in the order of
// [Space.Intervals], and last the purpose that is meant for IDs like it. There
// is nothing for an ID that is free for anything.
func (s Space) Describe(id uint32) []Meaning {
	var list []Meaning
	taken := false
	for _, v := range s.intervals {
		if v.Contains(id) {
			taken = taken || v.Kind != Reserved && !v.background()
			list = append(list, Meaning{s.IDs, v, id - v.Start})
		}
	}
	for _, r := range subid.ReservedRanges() {
		if zone(r) && r.Contains(id) && !(taken && r.Start <= 1000) {
			v := Interval{Range: r.Range, Kind: Reserved, Names: []string{r.Name}}
			list = append(list, Meaning{s.IDs, v, id - r.Start})
		}
	}
	return list
}

// String returns the meaning in words, "container UID 1000 of dockremap (subuid
// line 3)" for one.
func (m Meaning) String() string {
	v := m.Interval
	var words string
	switch v.Kind {
	case Account:
		words = "the user " + printable(v.Names[0])
		if m.IDs == Groups {
			words = "the group " + printable(v.Names[0])
		}
	case Reserved:
		return "reserved: " + v.Names[0]
	case Remap:
		words = fmt.Sprintf("container %s %d of %s", m.IDs, v.Uses[0].ID+m.Nth, printable(v.Names[0]))
	case Owner:
		words = fmt.Sprintf("subordinate %s %d of %s", m.IDs, m.Nth, printable(v.Names[0]))
	}
	if v.File != "" {
		words += fmt.Sprintf(" (%s)", v.place())
	}
	for _, u := range v.Uses {
		if len(u.Names) == 0 {
			continue
		}
		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("%s %d in %s", m.IDs, u.ID+m.Nth, strings.Join(printables(u.Names), ", "))
	}
	return words
}

// place says where the interval stands: "subuid line 3".
func (v Interval) place() string {
	if v.File == "" {
		return ""
	}
	return fmt.Sprintf("%s line %d", path.Base(v.File), v.Line)
}

// who names the interval in a sentence about another one.
func (v Interval) who() string {
	names := strings.Join(printables(v.Names), ", ")
	if v.File == "" {
		return names
	}
	return fmt.Sprintf("%s (%s)", names, v.place())
}
