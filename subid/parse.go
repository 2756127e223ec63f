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
func (f *File) Ranges() iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		for l, r := range f.entries() {
			if r.Count > 0 && !yield(l, r) {
				return
			}
		}
	}
}

// entries returns every line, and the range of those that all readers read
// alike. The others come with the empty range.
func (f *File) entries() iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		// After a line with a NUL byte shadow-utils goes on reading as if the
		// line had ended there: the next one is read as its continuation.
		nul, continued := strings.IndexByte(f.text, 0) >= 0, false
		for l := range f.lines() {
			var r Range
			l.Owner, _, _ = strings.Cut(l.Text, ":")
			if !continued {
				r = strict(l.Text)
			}
			continued = nul && strings.IndexByte(l.Text, 0) >= 0
			if !yield(l, r) {
				return
			}
		}
	}
}

// lines returns every line, owners left out.
func (f *File) lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for number, rest := 1, f.text; rest != ""; number++ {
			text := rest
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				text, rest = rest[:end], rest[end+1:]
			} else {
				rest = ""
			}
			if !yield(Line{Number: number, Text: text}) {
				return
			}
		}
	}
}

// strict reads a line as all readers do, or gives the empty range. It is the
// inner loop of everything here: one pass, nothing allocated.
func strict(text string) Range {
	colon := strings.IndexByte(text, ':')
	if colon <= 0 || len(text) > maxLine || !plainOwner(text[:colon]) {
		return Range{}
	}
	start, rest := decimal(text[colon+1:])
	if rest == "" || rest[0] != ':' {
		return Range{}
	}
	count, rest := decimal(rest[1:])
	if rest != "" || start+count > maxID+1 {
		return Range{}
	}
	return Range{uint32(start), uint32(count)}
}

// maxLine is what fits into the buffer of shadow-utils with its final NUL.
const maxLine = 1023

// plainOwner reports whether all readers take s for the same owner: blanks at
// the ends are trimmed by some only, '#' starts a comment for some and '+' or
// '-' an NIS entry for others, and a C string ends at NUL.
func plainOwner(s string) bool {
	if s == "" || s[0] == '#' || s[0] == '+' || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return plainOddOwner(s)
		}
	}
	return true
}

// plainOddOwner decides about owners with bytes other than printable ASCII,
// as in "DOMAIN\some user", which readers agree on as long as the odd ones
// are not blanks at an end.
func plainOddOwner(s string) bool {
	return strings.TrimSpace(s) == s && strings.IndexByte(s, 0) < 0
}

// decimal reads a plain decimal number that starts s and returns what follows.
// Without a number, or with one that has a sign, a leading zero or more than
// ten digits, rest is "", which cannot be the colon that has to follow, and
// the number is too large to be an ID.
func decimal(s string) (n uint64, rest string) {
	i := 0
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		n = n*10 + uint64(s[i]-'0')
		if i == 10 {
			return 1 << 40, ""
		}
	}
	if i == 0 || s[0] == '0' && i > 1 {
		return 1 << 40, ""
	}
	return n, s[i:]
}
