package subid

import (
	"strings"

	"github.com/usernskit/usernskit/subid/reader"
)

// Add gives a range to an owner on a new line: at the end, or before an NIS
// line ("+" or "-"), since useradd does not see what follows one. The new line
// is always after those of the owner, since dockerd puts ranges into a
// container in the order of the lines.
//
// Every byte before and after stays. The new line ends in "\n" even if others
// end in "\r\n", because shadow-utils ignores those; a last line without a
// newline gets one, for the same reason. If the same line exists, nothing is
// added.
//
// If the range overlaps another line as any program reads it, the error is
// [ErrOverlap] and names that line. If the line before has a NUL byte, it is
// [ErrUnsafeLine]: to shadow-utils the next line continues that one.
func (f *File) Add(owner string, r Range) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if err := checkRange(owner, r); err != nil {
		return err
	}
	for c := range f.RangesOf(owner) {
		if c.Range == r {
			return nil
		}
	}
	if have, ok := f.meets(r); ok {
		return overlapError(owner, r, have)
	}
	return f.insert(Claim{Owner: owner, Range: r})
}

// insert writes a line for each claim: before the first NIS line that no line
// of these owners follows, or else at the end.
func (f *File) insert(list ...Claim) error {
	var lines strings.Builder
	owners := map[string]bool{}
	for _, c := range list {
		lines.WriteString(named(c.Owner, c.Range) + "\n")
		owners[c.Owner] = true
	}
	at := -1
	var above, last line // what the new lines follow, or would at the end
	for l := range f.lines() {
		switch {
		case at >= 0 && owners[l.Owner]:
			at = -1
		case at < 0 && nis(l.text):
			at, above = l.at, last
		}
		last = l
	}
	if at < 0 {
		above = last
	}
	if strings.IndexByte(above.text, 0) >= 0 {
		return conflict(ErrUnsafeLine, list[0].Owner, list[0].Range, above.Claim, "a NUL byte: shadow-utils cannot read a line that follows it")
	}
	if f.text != "" && !strings.HasSuffix(f.text, "\n") {
		f.text += "\n"
	}
	if at < 0 {
		at = len(f.text)
	}
	f.text = f.text[:at] + lines.String() + f.text[at:]
	return nil
}

// meets returns the first claim that overlaps r.
func (f *File) meets(r Range) (have Claim, ok bool) {
	for l := range f.claims() {
		if l.Overlaps(r) {
			return l.Claim, true
		}
	}
	return Claim{}, false
}

// nis reports whether a line is an NIS entry to shadow-utils.
func nis(text string) bool {
	return text != "" && (text[0] == '+' || text[0] == '-')
}

// Remove takes the IDs of r from an owner with exactly this name: whole lines,
// the start or the end of a line, or its middle, which leaves two lines. IDs
// that the owner does not have are not an error.
//
// Every other byte stays. If programs differ about a line of the owner with IDs
// of r, the error is [ErrUnsafeLine] and nothing is removed;
// [Set.PlanRelease] removes such lines too.
func (f *File) Remove(owner string, r Range) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if r.Count == 0 {
		return checkRange(owner, r)
	}
	for l := range f.claims() {
		if l.Owner != owner || !l.Overlaps(r) {
			continue
		}
		if _, alike := plain(l.text); alike.Count == 0 {
			return l.unsafe()
		}
	}
	f.rewrite(func(l line) (string, bool) {
		if l.Owner != owner || !l.Overlaps(r) {
			return l.text, true
		}
		var left []string
		if l.Start < r.Start {
			left = append(left, named(l.Owner, Range{l.Start, r.Start - l.Start}))
		}
		if r.end() < l.end() {
			left = append(left, named(l.Owner, Range{uint32(r.end()), uint32(l.end() - r.end())}))
		}
		return strings.Join(left, "\n"), len(left) > 0
	})
	return nil
}

// release removes every line that any program reads as o's, under the name or
// the UID, and returns how many. Every other byte stays.
func (f *File) release(o reader.Owner) int {
	released := 0
	f.rewrite(func(l line) (string, bool) {
		found := l.Count > 0 && o.Is(l.Owner)
		if l.Count == 0 {
			for other := range reader.Line(l.text) {
				found = found || o.Is(other.Owner)
			}
		}
		if found {
			released++
		}
		return l.text, !found
	})
	return released
}

// rewrite replaces every line by what edit returns, or drops it. Line endings
// stay as they are.
func (f *File) rewrite(edit func(line) (string, bool)) {
	var b strings.Builder
	b.Grow(len(f.text) + 64)
	for l := range f.lines() {
		end := l.at + len(l.text)
		if text, ok := edit(l); ok {
			b.WriteString(text)
			b.WriteString(f.text[end:min(end+1, len(f.text))])
		}
	}
	if b.String() != f.text {
		f.text, f.absent = b.String(), false
	}
}
