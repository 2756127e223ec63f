package subid

import (
	"cmp"
	"fmt"
	"slices"
)

// A claim is what a reader finds on a line.
type claim struct {
	Range
	file  string
	line  int
	owner string
}

// shared finds the lines with IDs of other lines. Of two such lines the one
// that starts later is reported and the other is named; where both start at
// the same ID, the one further down is reported.
func (f *File) shared() map[int]Problem {
	var all []claim
	sorted := true
	for l, r := range f.claims() {
		c := claim{r, f.name, l.Number, l.Owner}
		sorted = sorted && (len(all) == 0 || byStart(all[len(all)-1], c) <= 0)
		all = append(all, c)
	}
	if !sorted {
		slices.SortFunc(all, byStart)
	}
	// What reaches furthest so far, and what does so on any other line: one
	// line may have two claims, of which neither is against the other.
	var top, second claim
	found := map[int]Problem{}
	for _, c := range all {
		other := top
		if other.line == c.line {
			other = second
		}
		if _, known := found[c.line]; !known && c.Overlaps(other.Range) {
			p := Problem{ID: Overlap, Text: fmt.Sprintf("%s overlaps %s of line %d", named(c.owner, c.Range), named(other.owner, other.Range), other.line)}
			if c.Range == other.Range && c.owner == other.owner {
				p = Problem{ID: Duplicate, Text: fmt.Sprintf("%s stands on line %d already: whoever uses both gets an invalid map", named(c.owner, c.Range), other.line)}
			}
			found[c.line] = p
		}
		switch {
		case c.end() > top.end() && c.line != top.line:
			top, second = c, top
		case c.end() > top.end():
			top = c
		case c.end() > second.end() && c.line != top.line:
			second = c
		}
	}
	return found
}

func byStart(a, b claim) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.line, b.line))
}
