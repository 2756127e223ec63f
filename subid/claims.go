package subid

import (
	"iter"
	"math"
	"strings"

	"github.com/moby/sys/user"
)

// claims returns every line with every range that any reader finds on it, for
// whomever. A line may come several times, and with ranges that overlap.
// Comments are not among them, though dockerd 28 reads "#alice:100000:65536"
// as a line of the owner "#alice": there is no such account.
func (f *File) claims() iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		for l, r := range f.allClaims() {
			if !comment(l.Text) && !yield(l, r) {
				return
			}
		}
	}
}

func comment(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "#") }

// allClaims is claims with the comments.
func (f *File) allClaims() iter.Seq2[Line, Range] {
	return func(yield func(Line, Range) bool) {
		for l, r := range f.entries() {
			if r.Count > 0 {
				if !yield(l, r) {
					return
				}
				continue
			}
			for o := range oddReadings(l.Text) {
				l.Owner = o.owner
				for _, r := range o.ranges() {
					if !yield(l, r) {
						return
					}
				}
			}
		}
		if strings.IndexByte(f.text, 0) < 0 {
			return
		}
		for s := range shadowLines(f.text) { // which then has lines of its own
			for o := range shadowReadings(s.text) {
				l := Line{Number: s.number, Owner: o.owner, Text: s.text}
				for _, r := range o.ranges() {
					if !yield(l, r) {
						return
					}
				}
			}
		}
	}
}

// An oddReading is what one reader makes of a line on which they differ.
type oddReading struct {
	reader Reader
	owner  string
	Reading
}

// oddReadings returns what each reader finds on a line, whoever the owner is.
// It asks for the line alone: that some refuse the file for it, or because of
// another line, does not make the range free.
func oddReadings(text string) iter.Seq[oddReading] {
	return func(yield func(oddReading) bool) {
		for o := range shadowReadings(text) {
			if !yield(o) {
				return
			}
		}
		owner, n, err := goEntry(text, func(string) bool { return true })
		if err == nil && owner != "" {
			if !yield(oddReading{Dockerd27, owner, n}) || !yield(oddReading{ContainersStorage, owner, n}) {
				return
			}
		}
		entries, _ := user.ParseSubID(strings.NewReader(text)) // an error is a line of 64 KiB
		for _, e := range entries {
			if !yield(oddReading{Dockerd, e.Name, Reading{Start: e.SubID, Count: e.Count}}) {
				return
			}
		}
	}
}

// shadowReadings returns what the versions of shadow-utils find on a line.
func shadowReadings(text string) iter.Seq[oddReading] {
	return func(yield func(oddReading) bool) {
		for _, r := range []Reader{Shadow413, Shadow418, Shadow420} {
			owner, n, ok := shadowEntry(r, text)
			if ok && !yield(oddReading{r, owner, n}) {
				return
			}
		}
	}
}

// ranges returns the IDs that a program might use that holds this reading:
// those in the ID space, and those that the kernel makes of a start beyond it,
// of which it keeps the lower 32 bits (map_write in user_namespace.c).
func (o oddReading) ranges() []Range {
	start, count := o.Start, o.Count
	if o.reader <= Shadow420 { // unsigned: beyond 2^63 is beyond everything
		if start < 0 {
			start = math.MaxInt64
		}
		if count < 0 {
			count = math.MaxInt64
		}
	}
	if count <= 0 {
		return nil
	}
	var list []Range
	end := start + min(count, math.MaxInt64-max(start, 0))
	if first := max(start, 0); first <= math.MaxUint32 && end > first {
		list = append(list, Range{uint32(first), uint32(min(end-first, math.MaxUint32))})
	}
	if low := uint32(o.Start); int64(low) != start {
		list = append(list, Range{low, uint32(min(count, math.MaxUint32))})
	}
	return list
}
