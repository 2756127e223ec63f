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
		"longer-than-eight:12a:3", "a:12345678x:1", "a:/:1", "a:1234:;", "\x80:1:2", "aaaaaaaa \x80:1:2", "a:::::::::1:2", "a:\xff\xff9\xff1:2", "-a:1:2", "#:1:1", "+:1:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		line, _, _ := strings.Cut(s, "\n")
		want := Range{}
		if m := plainLine.FindStringSubmatch(line); m != nil && len(line) <= maxLine {
			start, _ := strconv.ParseUint(m[1], 10, 64)
			count, _ := strconv.ParseUint(m[2], 10, 64)
			if start+count <= maxID+1 {
				want = Range{uint32(start), uint32(count)}
			}
		}
		owner, r := plain(s, len(line))
		assert.Equal(t, want, r)
		if want.Count > 0 {
			assert.Equal(t, strings.IndexByte(line, ':'), owner)
		} else {
			assert.Zero(t, owner)
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
