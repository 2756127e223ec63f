package reader

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// A Found is what a program reads on a line.
type Found struct {
	Program Program
	Owner   string // as the program sees it
	Reading
}

// Line yields what each program finds on a line that is not plain, for any
// owner. It considers the line alone: where one program refuses the whole file,
// others still use the range.
func Line(text string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for f := range shadowFound(text) {
			if !yield(f) {
				return
			}
		}
		owner, n, err := strictEntry(text, func(string) bool { return true })
		if err == nil && owner != "" {
			if !yield(Found{Dockerd27, owner, n}) || !yield(Found{ContainersStorage, owner, n}) {
				return
			}
		}
		if owner, n, ok := dockerdEntry(text); ok {
			yield(Found{Dockerd, owner, n})
		}
	}
}

// shadowFound yields what the versions of shadow-utils find on a line. For
// Shadow413 it tries a C library without binary numbers, then one with them.
func shadowFound(text string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for p := Shadow413; p <= Shadow420; p++ {
			owner, n, ok := shadowEntry(p, p != Shadow413, text)
			if ok && !yield(Found{p, owner, n}) {
				return
			}
			if p == Shadow413 && !ok {
				if owner, n, ok = shadowEntry(p, true, text); ok && !yield(Found{p, owner, n}) {
					return
				}
			}
		}
	}
}

// Joined yields what shadow-utils before 4.20 finds in a text with NUL bytes,
// which join lines. Reading.Line is the number of the first line joined. For a
// text without a NUL byte it yields nothing: use [Line].
func Joined(text string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		if strings.IndexByte(text, 0) < 0 {
			return
		}
		for s := range shadowLines(text) {
			for f := range shadowFound(s.text) {
				f.Line = s.number
				if !yield(f) {
					return
				}
			}
		}
	}
}

// IDs yields the first and last ID of each range that a program with this
// reading might use: the part in the ID space, and for a start beyond it the
// range at the lower 32 bits, which the kernel keeps (map_write in
// user_namespace.c).
func (f Found) IDs() iter.Seq2[uint32, uint32] {
	start, count := f.Start, f.Count
	if f.Program <= Shadow420 { // unsigned: beyond 2^63 is beyond everything
		if start < 0 {
			start = math.MaxInt64
		}
		if count < 0 {
			count = math.MaxInt64
		}
	}
	return func(yield func(first, last uint32) bool) {
		if count <= 0 {
			return
		}
		end := start + min(count, math.MaxInt64-max(start, 0))
		if first := max(start, 0); first <= math.MaxUint32 && end > first {
			if !yield(uint32(first), uint32(min(end-1, math.MaxUint32))) {
				return
			}
		}
		if low := uint32(f.Start); int64(low) != start {
			yield(low, uint32(min(int64(low)+min(count, 1<<32)-1, math.MaxUint32)))
		}
	}
}

// Explain describes what each program reads on a line: "all shadow-utils read
// 100000:65536; dockerd 28 and later read this as host ID 0 (0:65536)".
func Explain(text string) string {
	var outcomes []string // in the order of the programs
	who := map[string][]Program{}
	for _, p := range Programs() {
		o := outcome(p, text)
		if who[o] == nil {
			outcomes = append(outcomes, o)
		}
		who[o] = append(who[o], p)
	}
	for i, o := range outcomes {
		outcomes[i] = join(who[o]) + " " + o
	}
	return strings.Join(outcomes, "; ")
}

// outcome is what one program reads on a line, for the owner that it sees
// there.
func outcome(p Program, text string) string {
	if p == Dockerd27 || p == ContainersStorage {
		owner, _, err := strictEntry(text, func(string) bool { return true })
		if errors.Is(err, errFields) {
			return "refuse the whole file because of it"
		}
		if err != nil {
			return fmt.Sprintf("fail for %q", owner)
		}
	}
	if p == Shadow420 && strings.IndexByte(text, 0) >= 0 {
		return "refuse the whole file because of it"
	}
	for f := range Line(text) {
		if f.Program != p {
			continue
		}
		n := fmt.Sprintf("%d:%d", f.Start, f.Count)
		if p <= Shadow420 {
			n = fmt.Sprintf("%d:%d", uint64(f.Start), uint64(f.Count))
		}
		field, _, _ := strings.Cut(text, ":")
		switch {
		case f.Start == 0 && f.Count != 0:
			return fmt.Sprintf("read this as host ID 0 (%s)", n)
		case f.Owner != field:
			return fmt.Sprintf("read %s for %q", n, f.Owner)
		}
		return "read " + n
	}
	if p == Dockerd && strings.TrimSpace(text) != "" {
		return "cannot read a line this long and refuse the whole file"
	}
	return "ignore it"
}

// join lists programs. All versions of shadow-utils together have one name.
func join(list []Program) string {
	var words []string
	if len(list) > 3 && slices.Equal(list[:4], []Program{Shadow413, Shadow417, Shadow418, Shadow420}) {
		words, list = append(words, "all shadow-utils"), list[4:]
	}
	for _, p := range list {
		words = append(words, p.String())
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return words[0]
}
