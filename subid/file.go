package subid

import (
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/subid/reader"
)

// A File is the text of /etc/subuid or /etc/subgid. It keeps every byte; the
// meaning of the lines is always computed from the text. See subuid(5).
type File struct {
	name   string
	text   string
	absent bool // the file does not exist
}

// A Claim is a range of one of the two files, or the ID of an account or group.
type Claim struct {
	File  string `json:"file"`  // "" for an account that only getent(1) knows
	Line  int    `json:"line"`  // from 1; 0 where there is no File
	Owner string `json:"owner"` // as the file has it
	Range
}

// Parse accepts any bytes; [Set.Problems] finds what is wrong with them. Nil
// data means that the file does not exist. The name is for errors and is never
// opened.
func Parse(name string, data []byte) *File {
	return &File{name: name, text: string(data), absent: data == nil}
}

// Bytes returns the parsed bytes with the edits. A file that was absent and not
// edited gives nil.
func (f *File) Bytes() []byte {
	if f.absent && f.text == "" {
		return nil
	}
	return []byte(f.text)
}

// Ranges yields the lines that every program reads alike: owner, start and
// count in plain decimal, at least one ID, none past 4294967294. [Set.Problems]
// reports the others.
func (f *File) Ranges() iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for l := range f.lines() {
			if l.Count > 0 && !yield(l.Claim) {
				return
			}
		}
	}
}

// RangesOf yields the [File.Ranges] whose owner field equals owner. It searches
// the text, and reads only the lines of the owner.
func (f *File) RangesOf(owner string) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
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
			colon, r := plain(text[at:endOfLine(text, at)])
			if r.Count == 0 || colon != len(owner) || continues(text, at) {
				continue
			}
			number += strings.Count(text[counted:at], "\n")
			counted = at
			if !yield(Claim{f.name, number, text[at : at+colon], r}) {
				return
			}
		}
	}
}

// continues reports whether shadow-utils reads the line at text[at] as the end
// of the one before it, which has a NUL byte; see lines.
func continues(text string, at int) bool {
	before := strings.TrimSuffix(text[:at], "\n")
	return strings.IndexByte(before[strings.LastIndexByte(before, '\n')+1:], 0) >= 0
}

// A line is one line of a [File]. The owner is what precedes the first colon,
// byte for byte. The range is empty if programs do not read the line alike.
type line struct {
	Claim
	at   int    // where it starts in the text
	text string // the whole line without its "\n"
}

// lines yields every line.
func (f *File) lines() iter.Seq[line] {
	return func(yield func(line) bool) {
		text, number, continued := f.text, 0, false
		for at := 0; at < len(text); {
			number++
			end := endOfLine(text, at)
			owner, r := plain(text[at:end])
			if r.Count == 0 || continued {
				r = Range{}
				// To shadow-utils the line after one with a NUL byte continues
				// it.
				continued = strings.IndexByte(text[at:end], 0) >= 0
			}
			if !yield(line{Claim{f.name, number, text[at : at+owner], r}, at, text[at:end]}) {
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

// claims yields every line with every range that any program finds on it, for
// any owner. A line may come several times, and with ranges that overlap.
// Comments are left out, although dockerd 28 reads "#alice:100000:65536" as a
// line of the owner "#alice".
func (f *File) claims() iter.Seq[line] {
	return func(yield func(line) bool) {
		for l := range f.allClaims() {
			if !comment(l.text) && !yield(l) {
				return
			}
		}
	}
}

func comment(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "#") }

// allClaims is claims with the comments.
func (f *File) allClaims() iter.Seq[line] {
	return func(yield func(line) bool) {
		for l := range f.lines() {
			if l.Count > 0 {
				if !yield(l) {
					return
				}
				continue
			}
			for _, l.Claim = range l.readings() {
				if !yield(l) {
					return
				}
			}
		}
		for l := range f.joined() {
			if !yield(l) {
				return
			}
		}
	}
}

// readings returns what programs find on a line that is not plain, each owner
// and range once.
func (l line) readings() (list []Claim) {
	for found := range reader.Line(l.text) {
		for first, last := range found.IDs() {
			c := Claim{l.File, l.Line, found.Owner, between(first, last)}
			if !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	return list
}

// joined yields what shadow-utils finds on lines that NUL bytes join.
func (f *File) joined() iter.Seq[line] {
	return func(yield func(line) bool) {
		if strings.IndexByte(f.text, 0) < 0 {
			return
		}
		starts := slices.Collect(f.lines())
		for found := range reader.Joined(f.text) {
			l := starts[min(found.Line, len(starts))-1]
			l.Owner = found.Owner
			for first, last := range found.IDs() {
				l.Range = between(first, last)
				if _, alike := plain(l.text); alike != l.Range && !yield(l) {
					return
				}
			}
		}
	}
}

// between returns the range from first to last. A Count cannot hold 2^32, so
// that the range of all IDs lacks the last one, (uid_t)-1.
func between(first, last uint32) Range {
	return Range{first, uint32(min(uint64(last)-uint64(first)+1, math.MaxUint32))}
}

// plain reads a line: where its owner ends, and its range if all programs
// agree, else the empty range.
func plain(text string) (owner int, r Range) {
	owner = strings.IndexByte(text, ':')
	if owner < 0 {
		return len(text), Range{}
	}
	if len(text) > reader.MaxLine || !plainOwner(text[:owner]) {
		return owner, Range{}
	}
	rest := text[owner+1:]
	start, end := decimal(rest)
	if end == len(rest) || rest[end] != ':' {
		return owner, Range{}
	}
	rest = rest[end+1:]
	count, end := decimal(rest)
	if end != len(rest) || count == 0 || start+count > maxID+1 {
		return owner, Range{}
	}
	return owner, Range{uint32(start), uint32(count)}
}

// noNumber is larger than any ID, and does not overflow when one is added.
const noNumber = 1 << 40

// maxDigits is the length of the longest ID.
const maxDigits = 10

// decimal reads the plain decimal number that s begins with, without sign or
// leading zeros, and returns where it ends. Anything else is noNumber.
func decimal(s string) (n uint64, end int) {
	for end < len(s) && s[end]-'0' <= 9 {
		n = n*10 + uint64(s[end]-'0')
		end++
	}
	if end == 0 || end > maxDigits || end > 1 && s[0] == '0' {
		return noNumber, end
	}
	return n, end
}

// plainOwner reports whether s is the same owner to all programs. Only some of
// them trim blanks at the ends, start a comment with '#' or an NIS entry with
// '+' or '-'. A C string ends at NUL, and to shadow-utils from 4.20 on "01000"
// is the UID 1000.
func plainOwner(s string) bool {
	if s == "" || s[0] == '#' || s[0] == '+' || s[0] == '-' || strings.IndexByte(s, 0) >= 0 {
		return false
	}
	if first, last := s[0], s[len(s)-1]; first <= ' ' || last <= ' ' || first >= 0x80 || last >= 0x80 {
		return strings.TrimSpace(s) == s
	}
	return s[0] != '0' || len(s) == 1 || strings.Trim(s, "0123456789") != ""
}
