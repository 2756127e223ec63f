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
		number, continued := 0, false
		for rest := f.text; rest != ""; {
			number++
			end := strings.IndexByte(rest, '\n')
			after := end + 1
			if end < 0 {
				end, after = len(rest), len(rest)
			}
			owner, r := 0, Range{}
			if !continued {
				owner, r = plain(rest, end)
			}
			if owner == 0 { // not the line that nearly all are
				owner, r = oddLine(rest[:end], continued)
				// After a line with a NUL byte shadow-utils goes on reading as
				// if it had ended there: the next one is its continuation.
				continued = strings.IndexByte(rest[:end], 0) >= 0
			}
			if (r.Count > 0 || !plainOnly) && !yield(Line{number, rest[:owner], rest[:end]}, r) {
				return
			}
			rest = rest[after:]
		}
	}
}

// oddLine reads a line that is not obviously plain: where its owner ends, and
// its range if all readers agree on that nevertheless, as with an owner like
// "DOMAIN\some user".
func oddLine(text string, continued bool) (owner int, r Range) {
	if owner = strings.IndexByte(text, ':'); owner < 0 {
		owner = len(text)
	}
	if !continued && plainOwner(text[:owner]) {
		r = plainRange(text, owner, len(text))
	}
	return owner, r
}

// strict reads a line as all readers do, or gives the empty range.
func strict(text string) Range {
	owner, r := plain(text, len(text))
	if owner == 0 {
		_, r = oddLine(text, false)
	}
	return r
}

// maxLine is what fits into the buffer of shadow-utils with its final NUL.
const maxLine = 1023

// plainOwner reports whether all readers take s for the same owner: blanks
// at the ends are trimmed by some only, '#' starts a comment for some and '+'
// or '-' an NIS entry for others, and a C string ends at NUL.
func plainOwner(s string) bool {
	return s != "" && s[0] != '#' && s[0] != '+' && s[0] != '-' && strings.TrimSpace(s) == s && strings.IndexByte(s, 0) < 0
}
