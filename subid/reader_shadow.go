package subid

import (
	"iter"
	"math"
	"strconv"
	"strings"
)

func (f *File) asShadow(r Reader, o Owner) ([]Reading, error) {
	var list []Reading
	for l := range shadowLines(f.text) {
		if l.end == broken || r == Shadow420 && l.end == unended {
			return nil, f.refuse(r, l.number, "no newline at its end, or a NUL byte in it")
		}
		owner, n, ok := shadowEntry(r, l.text)
		// Since 4.20 owners are compared as accounts, so that a name without
		// one matches nothing, not even itself.
		if ok && o.is(owner) && (r != Shadow420 || o.UID != nil) {
			n.Line = l.number
			list = append(list, n)
		}
	}
	return list, nil
}

// A shadowLine is what shadow-utils takes for one line.
type shadowLine struct {
	number int
	text   string
	end    lineEnd
}

type lineEnd int

const (
	ended   lineEnd = iota // by a newline
	unended                // by the end of the file
	broken                 // not at all: the file cannot be read
)

// shadowLines splits as commonio_open of shadow-utils does with fgets(3) and
// C strings: behind a NUL byte a line goes on with the next line of the file,
// and a file that ends there, or after exactly one buffer, cannot be read.
func shadowLines(text string) iter.Seq[shadowLine] {
	return func(yield func(shadowLine) bool) {
		size, number, eof := 4096, 1, false
		gets := func(room int) string { // fgets with room for a NUL
			part := text[:min(room-1, len(text))]
			if end := strings.IndexByte(part, '\n'); end >= 0 {
				part = part[:end+1]
			}
			eof = len(part) < room-1 && !strings.HasSuffix(part, "\n")
			text = text[len(part):]
			number += strings.Count(part, "\n")
			return part
		}
		for {
			l := shadowLine{number: number, end: unended}
			part := gets(size)
			if part == "" {
				return
			}
			line := cstring(part)
			for !strings.Contains(line, "\n") && !eof {
				size += 4096
				if part = gets(size - len(line)); part == "" {
					l.end = broken
					yield(l)
					return
				}
				line += cstring(part)
			}
			l.text = strings.TrimSuffix(line, "\n")
			if len(l.text) < len(line) {
				l.end = ended
			}
			if !yield(l) {
				return
			}
		}
	}
}

func cstring(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// shadowEntry reads one line as subordinate_parse of shadow-utils does.
func shadowEntry(r Reader, text string) (owner string, n Reading, ok bool) {
	text = cstring(text)
	if len(text) > maxLine || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		return "", n, false // too long, or an entry of NIS
	}
	fields := strings.Split(text, ":")
	if len(fields) < 3 || len(fields) > 3 && r != Shadow413 || fields[0] == "" {
		return "", n, false
	}
	start, okStart := cNumber(r, fields[1])
	count, okCount := cNumber(r, fields[2])
	if !okStart || !okCount {
		return "", n, false
	}
	if r == Shadow420 && (start > math.MaxUint32 || count > 1<<32-start) {
		return "", n, false
	}
	return fields[0], Reading{Start: int64(start), Count: int64(count)}, true
}

// cNumber is strtoul(3) with base 0 on a whole string. The binary numbers of
// C23 are read by programs that were built with glibc 2.38 or later, which
// those of shadow-utils 4.18 are.
func cNumber(r Reader, s string) (uint64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	base := 10
	switch {
	case len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X"):
		base, digits = 16, digits[2:]
	case len(digits) > 2 && (digits[:2] == "0b" || digits[:2] == "0B") && r != Shadow413:
		base, digits = 2, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64) // takes no sign, blank or _ with such a base
	if err != nil || negative && n != 0 && r != Shadow413 {
		return 0, false
	}
	if negative {
		return -n, true // modulo 2^64, as C has it
	}
	return n, true
}
