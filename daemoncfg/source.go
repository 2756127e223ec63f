package daemoncfg

import (
	"encoding/binary"
	"math/bits"
)

// A source is a JSON text that has not passed the gate. Its methods are given
// the offset of what they go past, and return the one behind it, or nowhere
// where the text has something else.
type source string

// nowhere lies behind every text that is looked at, and nothing is found there:
// what is missing is noticed by the next look, and needs no test of its own.
const nowhere = MaxSize + 1

// peek returns the byte at i, or 0, which JSON has no use for, at the end.
func (s source) peek(i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// white has a bit for each byte that JSON takes for white space.
const white uint64 = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n'

// next returns the first byte from i on that is no white space, and its offset.
func (s source) next(i int) (c byte, at int) {
	for i < len(s) && white>>s[i]&1 != 0 { // a byte above 63 shifts all bits out
		i++
	}
	return s.peek(i), i
}

// key goes past a string without escapes.
func (s source) key(i int) int {
	if i = s.plain(i + 1); s.peek(i) != '"' {
		return nowhere
	}
	return i + 1
}

// quoted goes past a string, whose bytes are known to be UTF-8.
func (s source) quoted(i int) int {
	for {
		i = s.plain(i + 1)
		switch s.peek(i) {
		case '"':
			return i + 1
		case '\\':
			i++
			switch s.peek(i) {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			default:
				return nowhere // \u too
			}
		default:
			return nowhere
		}
	}
}

// plain returns where a quote, a backslash or a control character is, the first
// from i on, or the end.
//
// Of eight bytes at a time it marks those; see "Bit Twiddling Hacks" by Sean
// Eron Anderson. A subtraction borrows from the bytes behind the one that it
// marks, so that only the first mark is right, and only that is used.
func (s source) plain(i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for ; i+8 <= len(s); i += 8 {
		w := s.word(i)
		quote, slash := w^ones*'"', w^ones*'\\' // 0 where there is one
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
		if stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// word returns the eight bytes at i, the first one lowest.
func (s source) word(i int) uint64 { return binary.LittleEndian.Uint64([]byte(s[i : i+8])) }

func (s source) literal(i int, word string) int {
	if end := i + len(word); end <= len(s) && string(s[i:end]) == word {
		return end
	}
	return nowhere
}

// number goes past a number without an exponent. With less than 300 characters
// it is none that a float64 cannot hold.
func (s source) number(i int) int {
	start := i
	if s.peek(i) == '-' {
		i++
	}
	whole := i
	if i = s.digits(whole); i == whole || s[whole] == '0' && i > whole+1 {
		return nowhere
	}
	if s.peek(i) == '.' {
		point := i
		if i = s.digits(point + 1); i == point+1 {
			return nowhere
		}
	}
	if i-start >= 300 {
		return nowhere
	}
	return i // an exponent would not be what follows an item
}

// digits returns where the digits at i end.
func (s source) digits(i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}
