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
	// The top reaches furthest so far. Where it is of the same line as c, who
	// has an ID of c as well has one of the top, and has been found then.
	var top claim
	found := map[int]Problem{}
	for _, c := range all {
		if _, known := found[c.line]; !known && c.line != top.line && c.Overlaps(top.Range) {
			p := Problem{ID: Overlap, Text: fmt.Sprintf("%s overlaps %s of line %d", named(c.owner, c.Range), named(top.owner, top.Range), top.line)}
			if c.Range == top.Range && c.owner == top.owner {
				p = Problem{ID: Duplicate, Text: fmt.Sprintf("%s stands on line %d already: whoever uses both gets an invalid map", named(c.owner, c.Range), top.line)}
			}
			found[c.line] = p
		}
		if c.end() > top.end() {
			top = c
		}
	}
	return found
}

func byStart(a, b claim) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.line, b.line))
}
