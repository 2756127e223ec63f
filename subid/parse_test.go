package subid_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
)

// odd is one file with everything that a normalising parser would tidy up.
const odd = "\ufeff# x \r\n\t\r\n  alice:100000:65536\r\nbob : 0x10 :\t7 \n::\n+\n-nis:1:2:3\n\x00\xff:1\x00\n\n\ncarl:1:2"

func FuzzParseGivesBackEveryByte(f *testing.F) {
	for _, seed := range []string{"", "\n", "\r", "\n\n", "a:1:2", "a:1:2\n", "\t# x \r\n", "a:01:2\n", "\x00", "\xff\n", odd} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := subid.Parse("subuid", data)
		before := string(file.Bytes())
		assert.Equal(t, string(data), before)
		for range file.Ranges() {
		}
		problems(t, string(data))
		for _, r := range reader.Programs() {
			list, err := reader.Read(r, "subuid", before, reader.Owner{Name: "a", UID: new(uint32(1))})
			assert.False(t, err != nil && list != nil, "%v: a result besides an error", r)
		}
		assert.Equal(t, before, string(file.Bytes()), "looking changed it")
	})
}

func TestNoFileIsNotAnEmptyFile(t *testing.T) {
	assert.Nil(t, subid.Parse("subuid", nil).Bytes())
	assert.NotNil(t, subid.Parse("subuid", []byte{}).Bytes())
}

func TestOnlyPlainLinesAreRanges(t *testing.T) {
	for line, plain := range map[string]bool{
		"alice:100000:65536":                         true,
		"1000:100000:65536":                          true,
		"a b:1:1":                                    true,
		`DOMAIN\some user:100000:65536`:              true,
		"jörg:100000:65536":                          true,
		"alice:0:1":                                  true,
		"alice:4294967294:1":                         true,
		"alice:0:4294967295":                         true,
		strings.Repeat("x", 1018) + ":1:2":           true,
		strings.Repeat("x", 1020) + ":1:2":           false,
		"alice:4294967295:1":                         false,
		"alice:4294967294:2":                         false,
		"alice:1:4294967295":                         false,
		"alice:18446744073709551616:1":               false,
		"alice:1:18446744073709551617":               false,
		"alice:100000:0":                             false,
		"alice:0100000:65536":                        false,
		"alice:0x186a0:65536":                        false,
		"alice:+100000:65536":                        false,
		"alice:-1:65536":                             false,
		"alice: 100000:65536":                        false,
		"alice:100000 :65536":                        false,
		"alice:100000:65536 ":                        false,
		"alice:100000:65536\r":                       false,
		"alice:100000:65536:":                        false,
		"alice:100000:65536:x":                       false,
		"alice:100000":                               false,
		"alice::65536":                               false,
		"alice:100000:":                              false,
		"alice:1OOOOO:65536":                         false,
		":100000:65536":                              false,
		" alice:100000:65536":                        false,
		"alice :100000:65536":                        false,
		"\u00a0alice:100000:65536":                   false,
		"alice\x00:100000:65536":                     false,
		"#alice:100000:65536":                        false,
		"+alice:100000:65536":                        false,
		"-alice:100000:65536":                        false,
		"alice:٣:65536":                              false,
		"alice:1:2\x00\nalice:100000:65536\nbob:3:4": true, // bob's: alice's second line is part of her first
	} {
		n := 0
		lines := strings.Split(line, "\n")
		for c := range subid.Parse("subuid", []byte(line)).Ranges() {
			n++
			assert.Equal(t, lines[c.Line-1], c.Owner+":"+c.Range.String())
		}
		assert.Equal(t, plain, n == 1, "%.60q", line)
	}
}

func TestRangesAreNumberedByTheLinesOfTheFile(t *testing.T) {
	var got []string
	for c := range subid.Parse("subuid", []byte("# x\n\nalice:1:2\r\nbob:3:4\n\ncarl:5:6")).Ranges() {
		got = append(got, c.Owner+c.Range.String()+strings.Repeat("*", c.Line))
	}
	assert.Equal(t, []string{"bob3:4****", "carl5:6******"}, got)
}

func TestOverlapsTakesNeighboursForStrangers(t *testing.T) {
	a := subid.Range{Start: 10, Count: 5}
	for _, c := range []struct {
		b    subid.Range
		want bool
	}{
		{subid.Range{Start: 5, Count: 5}, false}, {subid.Range{Start: 5, Count: 6}, true},
		{subid.Range{Start: 15, Count: 1}, false}, {subid.Range{Start: 14, Count: 1}, true},
		{subid.Range{Start: 12, Count: 1}, true}, {subid.Range{Start: 0, Count: 4294967295}, true},
		{subid.Range{Start: 12, Count: 0}, false}, {subid.Range{Start: 4294967294, Count: 1}, false},
	} {
		assert.Equal(t, c.want, a.Overlaps(c.b), "%v", c.b)
		assert.Equal(t, c.want, c.b.Overlaps(a), "%v", c.b)
	}
}
