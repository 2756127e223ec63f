package userns

import "encoding/binary"

// lineLen is how long a line is as the kernel prints it: "%10u %10u %10u\n".
const lineLen = 33

// kernelLine reads the line that data begins with if it is as the kernel prints
// one, and has no number of more than eight digits. All else is not ok, and for
// [parseExtent], which reads the same from what is.
//
// The columns are known, so no step waits to learn where the one before ended,
// and each takes eight bytes at once: a third of the time of byte by byte.
func kernelLine(data []byte) (e Extent, ok bool) {
	if len(data) < lineLen {
		return Extent{}, false
	}
	line := (*[lineLen]byte)(data)
	if string(line[:2]) != "  " || string(line[10:13]) != "   " || string(line[21:24]) != "   " || line[32] != '\n' {
		return Extent{}, false
	}
	id := binary.LittleEndian.Uint64(line[2:])
	host := binary.LittleEndian.Uint64(line[13:])
	count := binary.LittleEndian.Uint64(line[24:])
	if misread(id)|misread(host)|misread(count) != 0 {
		return Extent{}, false
	}
	return Extent{ID: decimal(id), HostID: decimal(host), Count: decimal(count)}, true
}

// Of eight bytes in a uint64 the first is lowest. A blank is 0x20 and a digit
// 0x30 and its number, so bit 4 tells them apart.
const (
	ones   = 0x0101010101010101
	digit  = ones << 4
	number = ones * 0xf
)

// misread is 0 if w is a number, with blanks before it and not after.
func misread(w uint64) uint64 {
	n := w & number
	strange := (w ^ ones<<5) & (ones * 0xe0)            // neither 0x2. nor 0x3.
	large := n + ones*6                                 // over 9
	late := (w<<8 | (n + number)) &^ w                  // no digit: after one, or with a number, as '!' is 0x21
	return strange | (large|late)&digit | (w>>60&1 ^ 1) // or no digit at the end
}

// decimal is the number that w is: two digits are made one of base 100, two of
// these one of base 10000, and two of these the number.
func decimal(w uint64) uint32 {
	w = w & number * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	w = w * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return uint32(w * (10000<<32 + 1) >> 32)
}
