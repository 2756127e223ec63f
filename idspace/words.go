package idspace

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
)

// A Meaning is one use of an ID of the host.
type Meaning struct {
	IDs      IDs      `json:"ids"`
	Interval Interval `json:"interval"`
	// Nth is the place of the ID in the interval, from 0: inside a namespace
	// the ID is Use.ID + Nth.
	Nth uint32 `json:"nth"`
}

// Describe returns all uses of an ID, in the order of [Space.Intervals], and
// last the purpose of IDs like it. It returns nothing for an ID that is free
// for anything.
func (s Space) Describe(id uint32) []Meaning {
	var list []Meaning
	taken := false
	for _, v := range s.intervals {
		if v.Contains(id) {
			taken = taken || v.Kind != KindReserved && !v.background()
			list = append(list, Meaning{s.IDs, v, id - v.Start})
		}
	}
	for _, r := range subid.ReservedRanges() {
		if zone(r) && r.Contains(id) && !(taken && r.Start <= 1000) {
			v := Interval{Range: r.Range, Kind: KindReserved, Names: []string{r.Name}}
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
	case KindAccount:
		words = "the user " + text.Visible(v.Names[0])
		if m.IDs == Groups {
			words = "the group " + text.Visible(v.Names[0])
		}
	case KindReserved:
		return "reserved: " + v.Names[0]
	case KindRemap:
		words = fmt.Sprintf("container %s %d of %s", m.IDs, v.Uses[0].ID+m.Nth, text.Visible(v.Names[0]))
	case KindOwner:
		words = fmt.Sprintf("subordinate %s %d of %s", m.IDs, m.Nth, text.Visible(v.Names[0]))
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

// place says where the interval is written: "subuid line 3".
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

// printables returns names fit for a terminal: an owner field can hold any byte
// but ":" and "\n", escape sequences too.
func printables(names []string) []string {
	list := slices.Clone(names)
	for i, name := range list {
		list[i] = text.Visible(name)
	}
	return list
}

// span writes the first and the last ID of a run.
func span(first, count uint32) string {
	s := strconv.FormatUint(uint64(first), 10)
	if count > 1 {
		s += "-" + strconv.FormatUint(uint64(first)+uint64(count)-1, 10)
	}
	return s
}

// ids is span with the number of IDs.
func ids(first, count uint32) string {
	if count == 1 {
		return span(first, count)
	}
	return fmt.Sprintf("%s (%d IDs)", span(first, count), count)
}

// grouped writes a number with a comma at every third place.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// some returns the names that fit in width columns, and how many more there
// are.
func some(names []string, width int) string {
	names = printables(names)
	for n := len(names); n > 0; n-- {
		text := strings.Join(names[:n], ", ")
		if more := len(names) - n; more > 0 {
			text += " and " + strconv.Itoa(more) + " more"
		}
		if utf8.RuneCountInString(text) <= width || n == 1 {
			return text
		}
	}
	return ""
}
