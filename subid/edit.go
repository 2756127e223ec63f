package subid

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/subid/reader"
)

// Add gives a range to an owner on a new line: at the end, or before the first
// NIS line ("+" or "-"), since useradd does not see what follows one. An owner
// with a line after it gets the new one at the end, since dockerd puts ranges
// into a container in the order of the lines.
//
// Every byte before and after stays. The new line ends in "\n" also where
// others end in "\r\n", because shadow-utils ignores those; a last line without
// a newline gets one, for the same reason. If the same line exists, nothing is
// added.
//
// A range that overlaps another line, as any program reads it, is [ErrOverlap]
// and names that line. A NUL byte on the line before is [ErrUnsafeLine]: to
// shadow-utils the next line continues it.
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
	if l, have, ok := f.meets(r); ok {
		return overlapError(f.name, l.number, owner, r, l.owner, have)
	}
	return f.insert(Claim{Owner: owner, Range: r})
}

// insert writes a line for each claim. Where NIS lines come first, owners that
// have lines after them get theirs at the end.
func (f *File) insert(list ...Claim) error {
	var lines strings.Builder
	owners := map[string]bool{}
	for _, c := range list {
		lines.WriteString(named(c.Owner, c.Range) + "\n")
		owners[c.Owner] = true
	}
	at := -1
	var above, last line // what the new lines follow, or would at the end
	for l := range f.entries() {
		switch {
		case at >= 0 && owners[l.owner]:
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
		return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: above.number, Owner: list[0].Owner, Want: list[0].Range, Holder: above.owner,
			Why: "a NUL byte: shadow-utils cannot read a line that follows it"}
	}
	switch {
	case at >= 0:
		f.text = f.text[:at] + lines.String() + f.text[at:]
	case f.text != "" && !strings.HasSuffix(f.text, "\n"):
		f.text += "\n" + lines.String()
	default:
		f.text += lines.String()
	}
	return nil
}

// meets returns the first line with an ID of r.
func (f *File) meets(r Range) (line, Range, bool) {
	for l, have := range f.claims() {
		if have.Overlaps(r) {
			return l, have, true
		}
	}
	return line{}, Range{}, false
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
// of r, the error is [ErrUnsafeLine] and nothing is removed; [File.Release]
// removes such lines too.
func (f *File) Remove(owner string, r Range) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if r.Count == 0 {
		return checkRange(owner, r)
	}
	for l, have := range f.claims() {
		if l.owner != owner || !have.Overlaps(r) {
			continue
		}
		if _, alike := plain(l.text); alike.Count == 0 {
			return f.unsafe(l, have)
		}
	}
	f.rewrite(func(l line, have Range) (string, bool) {
		if l.owner != owner || !have.Overlaps(r) {
			return l.text, true
		}
		var left []string
		if have.Start < r.Start {
			left = append(left, named(l.owner, Range{have.Start, r.Start - have.Start}))
		}
		if r.end() < have.end() {
			left = append(left, named(l.owner, Range{uint32(r.end()), uint32(have.end() - r.end())}))
		}
		return strings.Join(left, "\n"), len(left) > 0
	})
	return nil
}

// Release removes every line that any program reads as o's, under the name or
// the UID, and returns their number. Every other byte stays.
func (f *File) Release(o reader.Owner) int {
	released := 0
	f.rewrite(func(l line, r Range) (string, bool) {
		if !f.holds(o, l, r) {
			return l.text, true
		}
		released++
		return "", false
	})
	return released
}

// holds reports whether any program reads a line of entries as o's.
func (f *File) holds(o reader.Owner, l line, r Range) bool {
	if r.Count > 0 {
		return o.Is(l.owner)
	}
	for found := range reader.Line(l.text) {
		if o.Is(found.Owner) {
			return true
		}
	}
	return false
}

// rewrite replaces every line by what edit returns, or drops it. Line endings
// stay as they are.
func (f *File) rewrite(edit func(line, Range) (string, bool)) {
	var b strings.Builder
	b.Grow(len(f.text) + 64)
	for l, r := range f.entries() {
		end := l.at + len(l.text)
		if text, ok := edit(l, r); ok {
			b.WriteString(text)
			b.WriteString(f.text[end:min(end+1, len(f.text))])
		}
	}
	if b.String() != f.text {
		f.text, f.absent = b.String(), false
	}
}

// unsafe is the error about a line of the owner that programs differ about.
func (f *File) unsafe(l line, have Range) error {
	return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: l.number, Owner: l.owner, Holder: l.owner, Have: have,
		Why: fmt.Sprintf("readers differ about %q: %s; write it in plain decimal, or remove it", l.text, reader.Explain(l.text))}
}
