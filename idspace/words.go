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
	// Nth is the place of the ID in the interval, from 0: inside a namespace
	// the ID is Use.ID + Nth.
	Nth uint32 `json:"nth"`
	// Text is the meaning in words: "container UID 1000 of dockremap (subuid line 3)".
	Text     string   `json:"text"`
	Interval Interval `json:"interval"`
}

// Describe returns all uses of an ID, in the order of Intervals, and last the
// purpose of IDs like it. It returns nothing for an ID that is free for anything.
func (s Space) Describe(id uint32) []Meaning {
	list := []Meaning{}
	add := func(v Interval) { list = append(list, Meaning{id - v.Start, s.words(v, id-v.Start), v}) }
	taken := false
	for _, v := range s.Intervals {
		if v.Contains(id) {
			taken = taken || v.Kind != KindReserved && !v.background()
			add(v)
		}
	}
	for _, r := range subid.ReservedRanges() {
		if zone(r) && r.Contains(id) && !(taken && r.Start <= 1000) {
			add(reserved(r))
		}
	}
	return list
}

// words returns what the nth ID of an interval is.
func (s Space) words(v Interval, nth uint32) string {
	var list []string
	name := joinNames(v.Names)
	switch v.Kind {
	case KindAccount:
		list = []string{"the " + map[IDs]string{Users: "user ", Groups: "group "}[s.IDs] + name}
	case KindReserved:
		return "reserved: " + name
	case KindRemap:
		list = []string{fmt.Sprintf("container %s %d of %s", s.IDs, v.Uses[0].ID+nth, name)}
	case KindOwner:
		list = []string{fmt.Sprintf("subordinate %s %d of %s", s.IDs, nth, name)}
	}
	if v.File != "" {
		list[0] += fmt.Sprintf(" (%s)", v.place())
	}
	for _, u := range v.Uses {
		if len(u.Names) > 0 {
			list = append(list, fmt.Sprintf("%s %d in %s", s.IDs, u.ID+nth, joinNames(u.Names)))
		}
	}
	return strings.Join(list, ", ")
}

// place returns where the interval is written: "subuid line 3".
func (v Interval) place() string { return fmt.Sprintf("%s line %d", path.Base(v.File), v.Line) }

// joinNames returns names fit for a terminal: an owner field can hold any byte
// but ":" and "\n", escape sequences too.
func joinNames(names []string) string {
	list := slices.Clone(names)
	for i, name := range list {
		list[i] = text.Visible(name)
	}
	return strings.Join(list, ", ")
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
	most := max(width/2+1, 1) // with ", " between them, more do not fit
	for n := min(len(names), most); n > 0; n-- {
		text := joinNames(names[:n])
		if more := len(names) - n; more > 0 {
			text += " and " + strconv.Itoa(more) + " more"
		}
		if n == 1 || utf8.RuneCountInString(text) <= width {
			return text
		}
	}
	return ""
}

// gapWords describes a gap.
func (r row) gapWords() string {
	text := grouped(uint64(r.Count)) + " free"
	if r.purpose != "" {
		text += " for " + r.purpose
	}
	return text
}

// words describes the overlap with a row.
func (o other) words() string {
	how := "also of"
	switch o.Kind {
	case KindReserved:
		how = "reserved:"
	case KindLive:
		how = "also in the map of"
	}
	text := text.Span(o.shared.Start, o.shared.Count) + " " + how + " " + joinNames(o.Names)
	if o.File != "" {
		text += " (" + o.place() + ")"
	}
	return text
}

// kindTitles name the kinds in the legend of a picture.
var kindTitles = [...]string{"account", "reserved", "subordinate range", "dockerd's range", "in use"}

// legend returns the kinds that occur in a picture, and whether overlaps do.
func legend(rows []row) (kinds []Kind, red bool) {
	for _, r := range rows {
		if !r.gap && !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
		red = red || r.red
	}
	slices.Sort(kinds)
	return kinds, red
}
