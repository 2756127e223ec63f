package subid

import (
	"iter"
	"strings"
)

// RangesOf is exactly those of [File.Ranges] whose owner is the one given, by
// the very same name. It looks for the name in the text, and reads no line but
// those of the owner.
func (f *File) RangesOf(owner string) iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		text, key := f.text, owner+":"
		number, counted := 1, 0 // the number of the line that text[counted] is on
		for at := 0; ; at++ {
			found := strings.Index(text[at:], key)
			if found < 0 {
				return
			}
			if at += found; at > 0 && text[at-1] != '\n' {
				continue // the end of another name, or a number
			}
			end := endOfLine(text, at)
			colon, r := oddLine(text[at:end], continues(text, at))
			if r.Count == 0 || colon != len(owner) {
				continue
			}
			number += strings.Count(text[counted:at], "\n")
			counted = at
			if !yield(Line{number, text[at : at+colon], text[at:end]}, r) {
				return
			}
		}
	}
}

// continues reports whether the line that starts at text[at] is to
// shadow-utils the end of the one before it; see walk.
func continues(text string, at int) bool {
	before := strings.TrimSuffix(text[:at], "\n")
	return strings.IndexByte(before[strings.LastIndexByte(before, '\n')+1:], 0) >= 0
}
