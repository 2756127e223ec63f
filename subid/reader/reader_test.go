package reader_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/subid/reader"
)

// What was seen of each program, written down: shadow-utils 4.13 and the
// parsers of dockerd and containers/storage were run, the others were read.
func TestWhatEachReaderMakesOfALine(t *testing.T) {
	const none, fails = "", "fails"
	type reads [7]string // in the order of Programs
	same := func(s string) reads { return reads{s, s, s, s, s, s, s} }
	for line, want := range map[string]reads{
		"alice:100000:65536":           same("100000:65536"),
		"4242:100000:65536":            same("100000:65536"),
		"Alice:100000:65536":           same(none),
		"# alice:1:2":                  same(none),
		"alice:0x186a0:65536":          {"100000:65536", "100000:65536", "100000:65536", "100000:65536", fails, "0:65536", fails},
		"alice:0200000:65536":          {"65536:65536", "65536:65536", "65536:65536", "65536:65536", "200000:65536", "200000:65536", "200000:65536"},
		"alice:0b11:1":                 {none, "3:1", "3:1", "3:1", fails, "0:1", fails},
		"alice: 100000:65536":          {"100000:65536", "100000:65536", "100000:65536", "100000:65536", fails, "0:65536", fails},
		" alice:100000:65536":          {none, none, none, none, "100000:65536", "100000:65536", "100000:65536"},
		"alice:100000:65536 ":          {none, none, none, none, "100000:65536", "100000:65536", "100000:65536"},
		"alice:100000:65536\r":         {none, none, none, none, "100000:65536", "100000:65536", "100000:65536"},
		"alice:100000:65536:x":         {"100000:65536", "100000:65536", none, none, fails, "100000:65536", fails},
		"alice::231072:65536":          {none, none, none, none, fails, "0:231072", fails},
		"alice:1OOOOO:65536":           {none, none, none, none, fails, "0:65536", fails},
		"alice:-1:5":                   {"-1:5", none, none, none, "-1:5", "-1:5", "-1:5"},
		"alice:+15:5":                  {"15:5", "15:5", "15:5", "15:5", "15:5", "15:5", "15:5"},
		"alice:4294967290:7":           {"4294967290:7", "4294967290:7", "4294967290:7", none, "4294967290:7", "4294967290:7", "4294967290:7"},
		"alice:4294967290:6":           same("4294967290:6"),
		"alice:4294967296:0":           {"4294967296:0", "4294967296:0", "4294967296:0", none, "4294967296:0", "4294967296:0", "4294967296:0"},
		"alice:100000:0":               same("100000:0"),
		"alice:1:99999999999999999999": {none, none, none, none, fails, "1:9223372036854775807", fails},
		"bob":                          {none, none, none, none, fails, none, fails},
		"+":                            {none, none, none, none, fails, none, fails},
		"alice:1:2\x00:3":              {none, none, none, none, fails, "1:0", fails},
		strings.Repeat("0", 1100) + ":1:2\nalice:3:4": same("3:4"),
	} {
		text := line + "\n"
		var got reads
		for i, r := range reader.Programs() {
			list, err := reader.Read(r, "subuid", text, reader.Owner{Name: "alice", UID: new(uint32(4242))})
			if err != nil {
				got[i] = fails
			}
			for _, n := range list {
				got[i] += fmt.Sprintf("%d:%d", n.Start, n.Count)
			}
		}
		if strings.Contains(line, "\x00") { // a NUL at the end of a file breaks shadow-utils
			want[0], want[1], want[2], want[3] = fails, fails, fails, fails
		}
		assert.Equal(t, want, got, "%.60q", line)
	}
}

func TestReadersDifferOnNameAndUID(t *testing.T) {
	text := "alice:300000:10\n4242:100000:10\nalice:200000:10\n"
	alice := reader.Owner{Name: "alice", UID: new(uint32(4242))}
	starts := func(r reader.Program, o reader.Owner) (list []int64) {
		readings, err := reader.Read(r, "subuid", text, o)
		require.NoError(t, err)
		for _, n := range readings {
			list = append(list, n.Start)
		}
		return list
	}
	assert.Equal(t, []int64{100000}, starts(reader.Dockerd27, alice), "the UID's only")
	assert.Equal(t, []int64{300000, 200000}, starts(reader.Dockerd27, reader.Owner{Name: "alice"}))
	assert.Equal(t, []int64{300000, 100000, 200000}, starts(reader.Dockerd, alice), "both, as they stand")
	assert.Equal(t, []int64{100000, 200000, 300000}, starts(reader.ContainersStorage, alice), "sorted")
	assert.Equal(t, []int64{300000, 100000, 200000}, starts(reader.Shadow420, alice))
	assert.Empty(t, starts(reader.Shadow420, reader.Owner{Name: "alice"}), "no account, no ranges")
}

func TestReadersRefuseAFileByLine(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for _, c := range []struct {
		text   string
		reader reader.Program
		want   string // "" where it reads on
	}{
		{"alice:1:2\nbad line\n", reader.Dockerd27, "/etc/subuid:2: dockerd 27 and earlier cannot read this and refuses the whole file: not three fields"},
		{"alice:1:2\nbad line\n", reader.ContainersStorage, "/etc/subuid:2: podman and CRI-O cannot read this and refuses the whole file: not three fields"},
		{"alice:1:2\nbad line\n", reader.Dockerd, ""},
		{"bob:1:2\nalice:1:2", reader.Shadow420, "/etc/subuid:2: shadow-utils 4.20 and later cannot read this and refuses the whole file: no newline at its end, or a NUL byte in it"},
		{"bob:1:2\nalice:1:2", reader.Shadow413, ""},
		{"alice:1:2\n" + long + "\n", reader.Dockerd, "/etc/subuid:2: dockerd 28 and later cannot read this and refuses the whole file: bufio.Scanner: token too long"},
		{"alice:1:2\n" + long + "\n", reader.ContainersStorage, ""},
	} {
		list, err := reader.Read(c.reader, "/etc/subuid", c.text, reader.Owner{Name: "alice", UID: new(uint32(1))})
		if c.want == "" {
			assert.NoError(t, err)
			assert.Len(t, list, 1, "%v", c.reader)
			continue
		}
		assert.EqualError(t, err, c.want)
		assert.Empty(t, list)
	}
}
