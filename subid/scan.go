package subid

import (
	"encoding/binary"
	"math/bits"
)

// plain reads the line that starts at s[at] if it is what nearly all lines
// are: all readers read it alike, its owner has no byte but ASCII that can be
// seen, and there is room behind it to look at eight bytes at a time. It
// returns where the owner and the line end. The empty range says nothing about
// a line: oddLine has to look.
//
// It does not look for the newline first: the line has to end where the count
// does, and no field holds one. Nor does it call anything for a field, which
// would take as long as reading it.
func plain(s string, at int) (owner, end int, r Range) {
	var stop uint64 // marks the bytes that end a field
	for end = at; stop == 0; end += 8 {
		if end+8 > len(s) {
			return 0, 0, Range{}
		}
		w := word(s, end)
		stop = ((w - ones*'!') | ((w ^ ones*':') - ones)) & highs // below '!', a colon, or above 127
	}
	end += bits.TrailingZeros64(stop)/8 - 8
	if owner = end; owner == at || s[at] == '#' || s[at] == '+' || s[at] == '-' {
		return 0, 0, Range{}
	}
	var start, count uint64
	for range 2 {
		i := end + 1
		if i+8 > len(s) || s[end] != ':' {
			return 0, 0, Range{}
		}
		w, n := word(s, i)^ones*'0', uint64(0)
		if stop = ((w + ones*(0x7f-9)) | w) & highs; stop != 0 { // above 9
			end = i + bits.TrailingZeros64(stop)/8
			n = eightDigits(w << (8 * (i - end) & 63)) // zeros before the first digit
		} else {
			n = eightDigits(w)
			for end = i + 8; end < len(s) && s[end]-'0' <= 9; end++ {
				n = n*10 + uint64(s[end]-'0')
			}
		}
		if end == i || end > i+1 && s[i] == '0' || end > i+maxDigits {
			return 0, 0, Range{}
		}
		start, count = count, n
	}
	if end >= len(s) || s[end] != '\n' || end-at > maxLine || count == 0 || start+count > maxID+1 {
		return 0, 0, Range{}
	}
	return owner, end, Range{uint32(start), uint32(count)}
}

// See "Bit Twiddling Hacks" by Sean Eron Anderson for the masks. Of the bytes
// that they mark the first is always right, and only that is used.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// word returns the eight bytes of s at i, the first one lowest.
func word(s string, i int) uint64 { return binary.LittleEndian.Uint64([]byte(s[i : i+8])) }

// eightDigits makes a number of eight digits, the first one lowest: of each
// two, then of each four, then of all.
func eightDigits(w uint64) uint64 {
	w = (w*10 + w>>8) & 0x00ff00ff00ff00ff
	w = (w*100 + w>>16) & 0x0000ffff0000ffff
	return uint64(uint32(w*10000 + w>>32))
}
