package subid

import (
	"iter"
	"strings"
)

// A File is the text of /etc/subuid or /etc/subgid. It keeps every byte; what
// the lines mean is worked out from the text whenever it is asked for, so that
// there is never a second list to keep in step. See subuid(5).
type File struct {
	name   string
	text   string
	absent bool // there is no file, which Plan writes differently from an empty one

	// read is what Read has read from the host, for the Before of a change; a
	// large file is not copied for it once more.
	read []byte
}

// A Line is one line of a [File].
type Line struct {
	Number int    // from 1
	Owner  string // what stands before the first colon, byte for byte
	Text   string // the whole line without its "\n"
}

// Parse takes any bytes for a subuid or subgid file and never fails; what is
// odd about them is found by [File.Problems]. Nil data stands for a file that
// does not exist. The name is for errors and is never opened.
func Parse(name string, data []byte) *File {
	return &File{name: name, text: string(data), absent: data == nil}
}

// ParseString is [Parse] of a text, of which it makes no copy. An empty one is
// an empty file.
func ParseString(name, text string) *File { return &File{name: name, text: text} }

// Name returns the name that was given to [Parse].
func (f *File) Name() string { return f.name }

// Bytes returns the file as it stands: what was parsed, byte for byte, and
// what the edits made of it. A file that was absent and not edited gives nil.
func (f *File) Bytes() []byte {
	if f.absent && f.text == "" {
		return nil
	}
	return []byte(f.text)
}

// Ranges returns the lines that every reader reads alike, with what they say:
// owner, start and count in plain decimal, at least one ID, none past
// 4294967294. Other lines are left out; [File.Problems] has them.
func (f *File) Ranges() iter.Seq2[Line, Range] { return f.walk(true) }

// entries returns every line, and the range of those that all readers read
// alike. The others come with the empty range.
func (f *File) entries() iter.Seq2[Line, Range] { return f.walk(false) }

// walk is the inner loop of everything here. Nothing that it does allocates.
func (f *File) walk(plainOnly bool) iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		text, number, continued := f.text, 0, false
		for at := 0; at < len(text); {
			number++
			owner, end, r := 0, 0, Range{}
			if !continued {
				owner, end, r = plain(text, at)
			}
			if r.Count == 0 { // not the line that nearly all are
				end = endOfLine(text, at)
				owner, r = oddLine(text[at:end], continued)
				owner += at
				// After a line with a NUL byte shadow-utils goes on reading as
				// if it had ended there: the next one is its continuation.
				continued = strings.IndexByte(text[at:end], 0) >= 0
			}
			if (r.Count > 0 || !plainOnly) && !yield(Line{number, text[at:owner], text[at:end]}, r) {
				return
			}
			at = end + 1
		}
	}
}

// endOfLine returns where the line that starts at text[at] ends.
func endOfLine(text string, at int) int {
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(text)
}

// oddLine reads any line: where its owner ends, and its range if all readers
// agree on that. That is what plain holds to where it finds a range; owners
// like "DOMAIN\some user" and the end of the file are left to this.
func oddLine(text string, continued bool) (owner int, r Range) {
	if owner = strings.IndexByte(text, ':'); owner < 0 {
		return len(text), Range{}
	}
	if continued || len(text) > maxLine || !plainOwner(text[:owner]) {
		return owner, Range{}
	}
	start, colon := decimal(text, owner+1)
	if colon == len(text) || text[colon] != ':' {
		return owner, Range{}
	}
	count, end := decimal(text, colon+1)
	if end != len(text) || count == 0 || start+count > maxID+1 {
		return owner, Range{}
	}
	return owner, Range{uint32(start), uint32(count)}
}

// strict reads a line as all readers do, or gives the empty range.
func strict(text string) Range {
	_, r := oddLine(text, false)
	return r
}

// noNumber is larger than any ID, and does not overflow when one is added.
const noNumber = 1 << 40

// maxDigits is how many any ID has at most.
const maxDigits = 10

// decimal reads the plain decimal number that stands in s at i, without sign
// or leading zeros, and returns where it ends. What is not such a number, or
// has more digits than any ID, is noNumber.
func decimal(s string, i int) (n uint64, end int) {
	for end = i; end < len(s) && s[end]-'0' <= 9; end++ {
		n = n*10 + uint64(s[end]-'0')
	}
	if digits := end - i; digits == 0 || digits > maxDigits || digits > 1 && s[i] == '0' {
		return noNumber, end
	}
	return n, end
}

// maxLine is what fits into the buffer of shadow-utils with its final NUL.
const maxLine = 1023

// plainOwner reports whether all readers take s for the same owner: blanks
// at the ends are trimmed by some only, '#' starts a comment for some and '+'
// or '-' an NIS entry for others, and a C string ends at NUL.
func plainOwner(s string) bool {
	return s != "" && s[0] != '#' && s[0] != '+' && s[0] != '-' && strings.TrimSpace(s) == s && strings.IndexByte(s, 0) < 0
}
