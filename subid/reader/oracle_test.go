package reader_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moby/sys/user"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/subid/reader"
)

// oddLines is a corpus of lines that programs read in different ways, in an
// order that only the seed decides.
func oddLines(seed uint64, n int) []string {
	owners := []string{"alice", "alice", "alice", "alice", " alice", "alice ", "1000", "01000", " 1000", "Alice", "#alice", "# alice", "+alice", "-alice", "bob", "", "\talice", "alice\r"}
	numbers := []string{"100000", "65536", "0", "1", "0x186a0", "0X10", "0x", "0xg", "0200000", "08", "0b101", "00", "+15", "-5", "-1", "- 1", "-0", "+-3",
		" 7", "7 ", "\t7", "\v7", "\f7", "\r7", "1_000", "1e5", "l00000", "1OOOOO", "", " ", "4294967294", "4294967295", "4294967296", "4295067296",
		"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-18446744073709551615", "99999999999999999999999", "٣"}
	tails := []string{"", "", "", "", "", " ", "\r", "\t", ":", ":3", ":3:4", " # note", "#", "\v", "\u00a0", "\u0085"}
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	var lines []string
	for len(lines) < n {
		line := pick(owners) + ":" + pick(numbers) + ":" + pick(numbers) + pick(tails)
		switch rnd.IntN(40) {
		case 0:
			line = pick(owners)
		case 1:
			line = pick(owners) + ":" + pick(numbers)
		case 2:
			line = pick([]string{"", " ", "+", "-", "# alice:1:2", "::", ":::", ":1:2", strings.Repeat("x", 1100) + ":1:2"})
		case 3: // around the 1,024 bytes that shadow-utils reads
			line = "alice:" + strings.Repeat("0", 1005+rnd.IntN(8)) + "17:65536"
		}
		lines = append(lines, line)
	}
	return lines
}

// By construction, but for line numbers and the order of things.
func TestDockerdReadsWhatAsDockerdSays(t *testing.T) {
	alice := reader.Owner{Name: "alice", UID: new(uint32(1000))}
	for seed := range uint64(20) {
		lines := oddLines(seed, 300)
		text := strings.Join(lines, "\r\n")
		want, err := user.ParseSubIDFilter(strings.NewReader(text), func(e user.SubID) bool { return e.Name == "alice" || e.Name == "1000" })
		require.NoError(t, err)
		got, err := reader.Read(reader.Dockerd, "subuid", text, alice)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i, n := range got {
			require.Equal(t, []int64{want[i].SubID, want[i].Count}, []int64{n.Start, n.Count})
			require.Contains(t, lines[n.Line-1], want[i].Name, "the number of the line")
		}
	}
}
