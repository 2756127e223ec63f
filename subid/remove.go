package subid

import (
	"fmt"
	"strings"
)

// Remove takes the IDs of r from an owner, by exactly the name given: whole
// lines, the start or the end of a line, or its middle, which leaves two lines
// in the place of one. IDs that the owner does not have are no error.
//
// Every other byte stays. Where readers differ about a line of the owner that
// has some of r for one of them, the error is [ErrUnsafeLine] and nothing is
// removed; [File.Release] takes such lines away as well.
func (f *File) Remove(owner string, r Range) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if r.Count == 0 {
		return checkRange(owner, r)
	}
	for l, have := range f.claims() {
		if l.Owner == owner && have.Overlaps(r) && strict(l.Text).Count == 0 {
			return f.unsafe(l, have)
		}
	}
	f.rewrite(func(l Line, have Range) (string, bool) {
		if l.Owner != owner || !have.Overlaps(r) {
			return l.Text, true
		}
		var left []string
		if have.Start < r.Start {
			left = append(left, named(l.Owner, Range{have.Start, r.Start - have.Start}))
		}
		if r.end() < have.end() {
			left = append(left, named(l.Owner, Range{uint32(r.end()), uint32(have.end() - r.end())}))
		}
		return strings.Join(left, "\n"), len(left) > 0
	})
	return nil
}

// Release removes every line that any reader takes for one of o's, whether
// it stands under the name or the UID, and returns how many there were.
// Every other byte stays.
func (f *File) Release(o Owner) int {
	released := 0
	f.rewrite(func(l Line, r Range) (string, bool) {
		if !f.holds(o, l, r) {
			return l.Text, true
		}
		released++
		return "", false
	})
	return released
}

// Rename changes the owner on every line that any reader takes for one of
// from's, and nothing else on them. An owner to who has lines already keeps
// them to itself: that is [ErrHasRange].
func (f *File) Rename(from, to string) error {
	if err := checkOwner(to); err != nil || from == to {
		return err
	}
	for l, r := range f.entries() {
		if f.holds(Owner{Name: to}, l, r) {
			return &ConflictError{Err: ErrHasRange, File: f.name, Line: l.Number, Owner: from, Holder: to, Have: r,
				Why: fmt.Sprintf("%q has a line already, which %q cannot be renamed to", to, from)}
		}
	}
	f.rewrite(func(l Line, r Range) (string, bool) {
		if !f.holds(Owner{Name: from}, l, r) {
			return l.Text, true
		}
		// What precedes the name, if anything, are blanks.
		at := strings.Index(l.Text, from)
		return l.Text[:at] + to + l.Text[at+len(from):], true
	})
	return nil
}

// holds reports whether any reader takes a line of entries for one of o's.
func (f *File) holds(o Owner, l Line, r Range) bool {
	if r.Count > 0 {
		return o.is(l.Owner)
	}
	for odd := range oddReadings(l.Text) {
		if o.is(odd.owner) {
			return true
		}
	}
	return false
}

// rewrite passes every line through edit, which returns what stands in its
// place, or false for nothing. Line endings stay as they are.
func (f *File) rewrite(edit func(Line, Range) (string, bool)) {
	var b strings.Builder
	b.Grow(len(f.text) + 64)
	pos := 0
	for l, r := range f.entries() {
		end := min(pos+len(l.Text)+1, len(f.text))
		if text, ok := edit(l, r); ok {
			b.WriteString(text)
			b.WriteString(f.text[pos+len(l.Text) : end])
		}
		pos = end
	}
	if b.Len() != len(f.text) || b.String() != f.text {
		f.text, f.absent = b.String(), false
	}
}

// unsafe is the error about a line of the owner that readers differ about.
func (f *File) unsafe(l Line, have Range) error {
	return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: l.Number, Owner: l.Owner, Holder: l.Owner, Have: have,
		Why: fmt.Sprintf("readers differ about %q: %s; write it in plain decimal, or remove it", l.Text, whoReadsWhat(l.Text))}
}
