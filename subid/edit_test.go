package subid_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
)

func TestAddTouchesNoOtherByte(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"an empty file":                             {"", "bob:300000:65536\n"},
		"after the last line":                       {"# users\nalice:100000:65536\n", "# users\nalice:100000:65536\nbob:300000:65536\n"},
		"the newline that was missing":              {"alice:100000:65536", "alice:100000:65536\nbob:300000:65536\n"},
		"blank lines stay":                          {"\n\nalice:100000:65536\n\n\n", "\n\nalice:100000:65536\n\n\nbob:300000:65536\n"},
		"no CRLF, which shadow-utils ignores":       {"alice:100000:65536\r\n", "alice:100000:65536\r\nbob:300000:65536\n"},
		"never sorted":                              {"zed:900000:65536\nalice:100000:65536\n", "zed:900000:65536\nalice:100000:65536\nbob:300000:65536\n"},
		"before NIS, behind which useradd is blind": {"alice:100000:65536\n+\ncarl:200000:65536\n", "alice:100000:65536\nbob:300000:65536\n+\ncarl:200000:65536\n"},
		"NIS first":                                 {"-x\n", "bob:300000:65536\n-x\n"},
		"the newline that is missing after NIS":     {"alice:100000:65536\n+", "alice:100000:65536\nbob:300000:65536\n+\n"},
		"behind the owner's own line":               {"+\nbob:100000:65536\n", "+\nbob:100000:65536\nbob:300000:65536\n"},
		"odd lines stay":                            {odd, strings.Replace(odd, "+\n", "bob:300000:65536\n+\n", 1) + "\n"},
		"there already":                             {"bob:300000:65536\r", "bob:300000:65536\r\nbob:300000:65536\n"},
		"there already, plainly":                    {"# x\nbob:300000:65536", "# x\nbob:300000:65536"},
		"in a comment only":                         {"#bob:300000:65536\n", "#bob:300000:65536\nbob:300000:65536\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := subid.Parse("/etc/subuid", []byte(c.in))
			err := f.Add("bob", subid.Range{Start: 300000, Count: 65536})
			if strings.HasSuffix(c.in, "\r") { // dockerd reads that one
				assert.ErrorIs(t, err, subid.ErrOverlap)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, string(f.Bytes()))
			require.NoError(t, f.Add("bob", subid.Range{Start: 300000, Count: 65536}))
			assert.Equal(t, c.want, string(f.Bytes()), "twice is once")
		})
	}
}

// A file without a line that is odd is read once, others twice.
func TestAddNamesTheFirstLineInTheWay(t *testing.T) {
	for _, comment := range []string{"", "# x\n"} {
		for _, last := range []string{"", "bob:1:1\n", "hex: 0x10:1\n"} {
			file := comment + "low:5:5\nalice:110000:1000\ncarl:120000:1000\ncarl:100000:65536\n" + last
			f := subid.Parse("f", []byte(file))
			assert.EqualError(t, f.Add("bob", subid.Range{Start: 100000, Count: 65536}),
				fmt.Sprintf("f:%d: bob:100000:65536 overlaps alice:110000:1000", 2+strings.Count(comment, "\n")))
			assert.Equal(t, file, string(f.Bytes()))
			assert.NoError(t, f.Add("carl", subid.Range{Start: 120000, Count: 1000}), "stands there already")
			assert.NoError(t, f.Add("bob", subid.Range{Start: 200000, Count: 65536}))
		}
	}
}

func TestAddSeesAnOddLineBeforePlainOnes(t *testing.T) {
	err := subid.Parse("f", []byte("hex:0x40000:1\nbob:1:1\n")).Add("carl", subid.Range{Start: 262144, Count: 1})
	assert.EqualError(t, err, "f:1: carl:262144:1 overlaps hex:262144:1")
}

func TestAddRefusesAndChangesNothing(t *testing.T) {
	const file = "# x\nalice:110000:1000\nhex: 0x40000:1\nwin:500000:65536\r\n"
	for _, c := range []struct {
		owner string
		r     subid.Range
		is    error
		text  string
	}{
		{"bob", subid.Range{Start: 100000, Count: 65536}, subid.ErrOverlap, "/etc/subuid:2: bob:100000:65536 overlaps alice:110000:1000"},
		{"alice", subid.Range{Start: 110000, Count: 1001}, subid.ErrOverlap, "/etc/subuid:2: alice:110000:1001 overlaps alice:110000:1000"},
		{"bob", subid.Range{Start: 262144, Count: 1}, subid.ErrOverlap, "/etc/subuid:3: bob:262144:1 overlaps hex:262144:1"},
		{"bob", subid.Range{Start: 565535, Count: 9}, subid.ErrOverlap, "/etc/subuid:4: bob:565535:9 overlaps win:500000:65536"},
		{"bob", subid.Range{Start: 0, Count: 1}, subid.ErrOverlap, "/etc/subuid:3: bob:0:1 overlaps hex:0:1"},
		{"bob", subid.Range{Start: 5}, subid.ErrInvalid, "bob:5:0 has no IDs"},
		{"bob", subid.Range{Start: 4294967290, Count: 6}, subid.ErrInvalid, "bob:4294967290:6 includes 4294967295, which is (uid_t)-1, not a valid ID"},
		{"bob", subid.Range{Start: 4294967290, Count: 7}, subid.ErrInvalid, "bob:4294967290:7 runs past the last ID, 4294967295"},
		{"", subid.Range{Start: 1, Count: 1}, subid.ErrInvalid, "no owner given"},
		{"b:b", subid.Range{Start: 1, Count: 1}, subid.ErrInvalid, `owner "b:b" holds a colon, a newline or a NUL`},
		{"b\nb", subid.Range{Start: 1, Count: 1}, subid.ErrInvalid, `owner "b\nb" holds a colon, a newline or a NUL`},
		{" b", subid.Range{Start: 1, Count: 1}, subid.ErrInvalid, `owner " b" starts or ends with a blank, starts with "#", "+" or "-", or is a number with leading zeros: readers differ about these`},
		{"+", subid.Range{Start: 1, Count: 1}, subid.ErrInvalid, `owner "+" starts or ends with a blank, starts with "#", "+" or "-", or is a number with leading zeros: readers differ about these`},
	} {
		f := subid.Parse("/etc/subuid", []byte(file))
		err := f.Add(c.owner, c.r)
		assert.ErrorIs(t, err, c.is)
		assert.EqualError(t, err, c.text)
		assert.Equal(t, file, string(f.Bytes()))
	}
	var conflict *subid.ConflictError
	require.ErrorAs(t, subid.Parse("f", []byte(file)).Add("bob", subid.Range{Start: 100000, Count: 65536}), &conflict)
	assert.Equal(t, subid.Claim{File: "f", Line: 2, Owner: "alice", Range: subid.Range{Start: 110000, Count: 1000}}, conflict.Have)
}

func TestRemoveTakesWholeRangesAndParts(t *testing.T) {
	const file = "#bob:100:50\nbob:100:50\r\ncarl:120:5\nbob:100:50\nbob:200:10"
	for name, c := range map[string]struct {
		r    subid.Range
		want string
	}{
		"a whole line":       {subid.Range{Start: 200, Count: 10}, "carl:120:5\nbob:100:50\n"},
		"the last line":      {subid.Range{Start: 190, Count: 4000}, "carl:120:5\nbob:100:50\n"},
		"the start":          {subid.Range{Start: 90, Count: 20}, "carl:120:5\nbob:110:40\nbob:200:10"},
		"the end":            {subid.Range{Start: 149, Count: 1}, "carl:120:5\nbob:100:49\nbob:200:10"},
		"the middle":         {subid.Range{Start: 110, Count: 10}, "carl:120:5\nbob:100:10\nbob:120:30\nbob:200:10"},
		"the last's middle":  {subid.Range{Start: 201, Count: 1}, "carl:120:5\nbob:100:50\nbob:200:1\nbob:202:8"},
		"of two lines":       {subid.Range{Start: 140, Count: 65}, "carl:120:5\nbob:100:40\nbob:205:5"},
		"everything":         {subid.Range{Start: 0, Count: 4294967295}, "carl:120:5\n"},
		"what they have not": {subid.Range{Start: 150, Count: 50}, "carl:120:5\nbob:100:50\nbob:200:10"},
	} {
		t.Run(name, func(t *testing.T) {
			f := subid.Parse("f", []byte(strings.TrimPrefix(file, "#bob:100:50\nbob:100:50\r\n")))
			require.NoError(t, f.Remove("bob", c.r))
			assert.Equal(t, c.want, string(f.Bytes()))
			require.NoError(t, f.Remove("bob", c.r))
			assert.Equal(t, c.want, string(f.Bytes()), "twice is once")
		})
	}
	f := subid.Parse("f", []byte(file))
	err := f.Remove("bob", subid.Range{Start: 110, Count: 1})
	assert.ErrorIs(t, err, subid.ErrUnsafeLine)
	assert.ErrorContains(t, err, "f:2: readers differ about")
	assert.Equal(t, file, string(f.Bytes()), "a failed edit changes nothing")
	assert.ErrorIs(t, f.Remove("bob", subid.Range{}), subid.ErrInvalid)
}

func TestReleaseTakesEveryLineThatAnyoneReadsAsTheOwners(t *testing.T) {
	const file = "# bob:1:2\nbob:1:2\n bob:3:4\r\nbobby:5:6\nbob\n\n1001:7:8\nbob:0x9:1\nalice:9:9\n+bob\nbob:1OOO:2"
	f := subid.Parse("f", []byte(file))
	assert.Equal(t, 6, f.Release(reader.Owner{Name: "bob", UID: new(uint32(1001))}))
	assert.Equal(t, "# bob:1:2\nbobby:5:6\n\nalice:9:9\n+bob\n", string(f.Bytes()))
	assert.Zero(t, f.Release(reader.Owner{Name: "bob"}))
	assert.Zero(t, f.Release(reader.Owner{}), "nobody has nothing")
}

func FuzzEditsKeepEveryOtherLine(f *testing.F) {
	for _, seed := range []string{"", "alice:1:2", "alice:1:2\r\n\t# x \r\n", "\n\n+\nbob:100:50\n", odd, "bob:100000:50\n bob:5:5\n"} {
		f.Add(seed, "bob", uint32(300000), uint32(7))
	}
	f.Fuzz(func(t *testing.T, text, owner string, start, count uint32) {
		file := subid.Parse("f", []byte(text))
		r := subid.Range{Start: start, Count: count}
		if err := file.Add(owner, r); err != nil {
			assert.Equal(t, text, string(file.Bytes()), "a failed edit changed something")
		} else {
			added := string(file.Bytes())
			assert.Equal(t, 1, strings.Count("\n"+added, "\n"+owner+":"+r.String()+"\n")+strings.Count("\n"+added+"|", "\n"+owner+":"+r.String()+"|"), "the line stands there once")
			without := strings.Replace("\n"+added, "\n"+owner+":"+r.String()+"\n", "\n", 1)[1:]
			assert.Contains(t, []string{text, text + "\n", added}, without, "and nothing else is new")
			require.NoError(t, file.Add(owner, r))
			assert.Equal(t, added, string(file.Bytes()), "twice is once")
		}

		file = subid.Parse("f", []byte(text))
		if err := file.Remove(owner, r); err != nil {
			assert.Equal(t, text, string(file.Bytes()), "a failed edit changed something")
			return
		}
		for c := range file.Ranges() {
			assert.False(t, c.Owner == owner && c.Range.Overlaps(r), "still there")
		}
		removed := string(file.Bytes())
		require.NoError(t, file.Remove(owner, r))
		assert.Equal(t, removed, string(file.Bytes()), "twice is once")
		assert.Equal(t, others(text, owner), others(removed, owner), "lines of others")
	})
}

// others returns the lines that do not start with the owner, in order.
func others(text, owner string) []string {
	list := []string{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, owner+":") {
			list = append(list, line)
		}
	}
	return list
}
