package subid

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The same in the plainest way there is.
var (
	plainLine  = regexp.MustCompile(`^[!"$-*,.-9;-\x7f][!-9;-\x7f]*:(0|[1-9][0-9]{0,9}):([1-9][0-9]{0,9})$`)
	plainDigit = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})($|[^0-9])`)
)

func FuzzScanAgreesWithARegexp(f *testing.F) {
	for _, seed := range []string{"alice:100000:65536\n", "a:1:1", "a:0:4294967295\nb", "a:12345678:123456789", "a:1234567890:1", "a:12345678901:1",
		"a:01:1", "a:1:01", "a:1:0", "a:1:", "a::1", "abcdefgh:1:2", "abcdefghi:1:2", "a b:1:2", "\x7f:1:2", "é:1:2", "a:1:2:3", "a:1:2\r", "a:4294967294:2",
		"longer-than-eight:12a:3", "a:12345678x:1", "a:/:1", "a:1234:;", "\x80:1:2", "aaaaaaaa \x80:1:2", "a:::::::::1:2", "a:\xff\xff9\xff1:2", "-a:1:2", "#:1:1", "+:1:1",
		"a", "a:1", "a\n:1:2\n", "a:1\n:2\n", "a:1:\n2\n", "ab!:1:2", "ab;:1:2", "abc;!:1:2", "a:123456789:1", "a:1:123456789", "a:1:1234567890", "a:1:12345678901",
		"a:00000000:1", "a:012345678:1", "a:1:0123456789", "a:1:12345678", "a:12345678:1", "a:4294967295:1", "a:4294967294:1", "a:0:4294967296", "a:99999999999999999999:1",
		"a:18446744073709551617:1", "a:1;1", "a:12345678", "abcdefgh", "abcdefgh:", "a:1:12345678", "a:123456789", "a;1:1", ":1:2", strings.Repeat("x", 1019) + ":1:2", strings.Repeat("x", 1020) + ":1:2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line, _, _ := strings.Cut(s, "\n")
		want := Range{}
		if m := plainLine.FindStringSubmatch(line); m != nil && len(line) <= maxLine {
			start, _ := strconv.ParseUint(m[1], 10, 64)
			count, _ := strconv.ParseUint(m[2], 10, 64)
			if start+count <= maxID+1 {
				want = Range{uint32(start), uint32(count)}
			}
		}
		// Whatever stands around the line, plain finds the range where there is
		// room behind, and otherwise finds it or nothing.
		for _, after := range []string{"\n12345678", "\n:1:2\n:1:2", "\n\xff\xff\xff\xff\xff\xff\xff\xff", "\n", "\n1", "\n123456", ""} {
			for _, before := range []string{"", "12345678\n", "bob:1:2\n"} {
				owner, end, r := plain(before+line+after, len(before))
				if r == (Range{}) && len(after) < 9 {
					continue
				}
				assert.Equal(t, want, r, "before %q", after)
				if want.Count > 0 {
					assert.Equal(t, strings.IndexByte(line, ':'), owner-len(before))
					assert.Equal(t, len(line), end-len(before))
				} else {
					assert.Zero(t, owner)
				}
			}
		}
		if owner, r := oddLine(line, false); want.Count > 0 {
			assert.Equal(t, want, r)
			assert.Equal(t, strings.IndexByte(line, ':'), owner)
		}
		n, end := decimal(s, 0)
		m := plainDigit.FindStringSubmatch(s)
		assert.Equal(t, m != nil, n != noNumber)
		if m != nil {
			want, _ := strconv.ParseUint(m[1], 10, 64)
			assert.Equal(t, want, n)
			assert.Equal(t, len(m[1]), end)
		}
	})
}

// What plain leaves out is read by oddLine: one by one, lines are what they
// are in the middle of a file.
func FuzzWalkReadsLinesAsOddLineDoes(f *testing.F) {
	for _, seed := range []string{"alice:100000:65536\nbob:165536:65536\ncarl:231072:65536", "a:1:2\n\nb c:3:4\n#d:5:6\n\xff:7:8\n", "a:1:2\x00\nb:3:4\nc:5:6\nd:7:8\n",
		"\x00\n\x00\nb:3:4\nc:5:6\n", "a:1:2\r\nb:3:4\r\nc:5:6", "a:1:2:\nb:3\nc\n:5:6\n", "\n\n\na:1:2\n\n", "a:1:2\na:12345678", "abcdefgh", "a:1:123456789", "longer-than-sixteen-bytes:1:2\nx:01:2\nx:1:02\nx:1:2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, continued := 0, false
		lines := strings.Split(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		for l, r := range ParseString("subuid", text).entries() {
			if !assert.Less(t, number, len(lines)) {
				return
			}
			owner, want := oddLine(lines[number], continued)
			assert.Equal(t, want, r)
			assert.Equal(t, Line{number + 1, lines[number][:owner], lines[number]}, l)
			continued = strings.Contains(lines[number], "\x00")
			number++
		}
		assert.Len(t, lines, number)
	})
}
