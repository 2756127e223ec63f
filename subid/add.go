package subid

import "strings"

// Add gives a range to an owner on a line of its own: after all others, or
// before the first NIS line ("+" or "-"), since useradd is blind to what
// stands behind one and would give the range away again. An owner with a line
// behind it gets the new one at the very end, since dockerd puts ranges into a
// container in the order of the lines.
//
// Every byte before and after stays. The new line ends in "\n" also where
// others end in "\r\n", because shadow-utils ignores those; a last line
// without a newline gets one, for the same reason. A line that says the same
// already is left alone and no other is added.
//
// A range that meets one of another line, as any reader reads it, is
// [ErrOverlap] and names that line. A NUL byte on the line before is
// [ErrUnsafeLine]: shadow-utils takes the next line for its continuation.
func (f *File) Add(owner string, r Range) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if err := checkRange(owner, r); err != nil {
		return err
	}
	at, pos := -1, 0
	var above, last Line // what the new line comes after, or would at the end
	var met Line         // the first with some of r, where none is odd
	var taken Range
	odd := false
	for l, have := range f.entries() {
		odd = odd || have.Count == 0
		if met.Number == 0 && have.Overlaps(r) {
			met, taken = l, have
		}
		switch {
		case l.Owner == owner && have == r:
			return nil
		case l.Owner == owner:
			at = -1
		case at < 0 && nis(l.Text):
			at, above = pos, last
		}
		pos += len(l.Text) + 1
		last = l
	}
	if at < 0 {
		above = last
	}
	if strings.IndexByte(above.Text, 0) >= 0 {
		return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: above.Number, Owner: owner, Want: r, Holder: above.Owner,
			Why: "a NUL byte, behind which shadow-utils cannot read the line that would follow"}
	}
	if odd { // which takes all the readers to tell
		met, taken, _ = f.meets(r)
	}
	if met.Number > 0 {
		return overlapError(f.name, met.Number, owner, r, met.Owner, taken)
	}
	line := named(owner, r) + "\n"
	switch {
	case at >= 0:
		f.text = f.text[:at] + line + f.text[at:]
	case f.text != "" && !strings.HasSuffix(f.text, "\n"):
		f.text += "\n" + line
	default:
		f.text += line
	}
	return nil
}

// meets returns the first line that gives some of r to anyone.
func (f *File) meets(r Range) (Line, Range, bool) {
	for l, have := range f.claims() {
		if have.Overlaps(r) {
			return l, have, true
		}
	}
	return Line{}, Range{}, false
}

// nis reports whether shadow-utils takes a line for an entry of NIS.
func nis(text string) bool {
	return text != "" && (text[0] == '+' || text[0] == '-')
}
