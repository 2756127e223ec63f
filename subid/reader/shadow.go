package reader

import (
	"iter"
	"math"
	"strconv"
	"strings"
)

func readShadow(p Program, text string, o Owner) (list []Reading, bad refusal) {
	const notText = "no newline at its end, or a NUL byte in it"
	if at := strings.IndexByte(text, 0); p == Shadow420 && at >= 0 {
		return nil, refusal{strings.Count(text[:at], "\n") + 1, notText}
	}
	same := o.is
	if p == Shadow420 {
		same = o.account
	}
	for l := range shadowLines(text) {
		if l.end == broken || p == Shadow420 && l.end == unended {
			return nil, refusal{l.number, notText}
		}
		owner, n, ok := shadowEntry(p, p != Shadow413, l.text)
		if ok && same(owner) {
			n.Line = l.number
			list = append(list, n)
		}
	}
	return list, refusal{}
}

// A shadowLine is one line to shadow-utils.
type shadowLine struct {
	number int
	text   string
	end    lineEnd
}

type lineEnd int

const (
	ended   lineEnd = iota // by a newline
	unended                // by the end of the file
	broken                 // the file cannot be read
)

// shadowLines splits as commonio_open of shadow-utils before 4.19 does with
// fgets(3) and C strings: after a NUL byte a line goes on with the file's next
// line, and a file that ends there, or after exactly one buffer, cannot be
// read.
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
			line := cString(part)
			for !strings.Contains(line, "\n") && !eof {
				size += 4096
				if part = gets(size - len(line)); part == "" {
					l.end = broken
					yield(l)
					return
				}
				line += cString(part)
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

func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// MaxLine is how many bytes of a line fit into the buffer of shadow-utils,
// beside the final NUL.
const MaxLine = 1023

// shadowEntry reads one line as subordinate_parse of shadow-utils does.
func shadowEntry(p Program, binary bool, text string) (owner string, n Reading, ok bool) {
	text = cString(text)
	if len(text) > MaxLine || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		return "", n, false // too long, or an entry of NIS
	}
	owner, rest, ok1 := strings.Cut(text, ":")
	first, rest, ok2 := strings.Cut(rest, ":")
	second, _, more := strings.Cut(rest, ":")
	if !ok1 || !ok2 || owner == "" || more && p >= Shadow418 {
		return "", n, false
	}
	start, okStart := cNumber(first, p == Shadow413, binary)
	count, okCount := cNumber(second, p == Shadow413, binary)
	if !okStart || !okCount {
		return "", n, false
	}
	if p == Shadow420 && (start > math.MaxUint32 || count > math.MaxUint32 || count > 1<<32-start) {
		return "", n, false
	}
	return owner, Reading{Start: int64(start), Count: int64(count)}, true
}

// blanks are what isspace(3) takes for white space.
const blanks = " \t\n\v\f\r"

// cNumber is strtoul(3) with base 0 on a whole string. Negative numbers wrap in
// shadow-utils before 4.15 and are refused later. Programs built with glibc
// 2.38 or later read the binary numbers of C23.
func cNumber(s string, wraps, binary bool) (uint64, bool) {
	s = strings.TrimLeft(s, blanks)
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	base := 10
	switch {
	case len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X"):
		base, digits = 16, digits[2:]
	case binary && len(digits) > 2 && (digits[:2] == "0b" || digits[:2] == "0B"):
		base, digits = 2, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64) // does not accept a sign, blank or _ with such a base
	if err != nil || negative && n != 0 && !wraps {
		return 0, false
	}
	if negative {
		return -n, true // modulo 2^64, as C has it
	}
	return n, true
}

// Number reads a number of login.defs(5) as shadow-utils from 4.15 on does, with
// strtoul(3) and base 0.
func Number(s string) (uint64, bool) { return cNumber(s, false, true) }

// cDecimal reads an owner that is a number, as shadow-utils from 4.20 on does:
// " 01000" is the UID 1000, and "+1000" is a name.
func cDecimal(s string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimLeft(s, blanks), 10, 32)
	return n, err == nil
}
