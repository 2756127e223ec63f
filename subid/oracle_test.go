package subid_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/sys/user"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// oddLines is a corpus of lines that programs read in different ways, in an
// order that only the seed decides.
func oddLines(seed uint64, n int) []string {
	owners := []string{"alice", "alice", "alice", "alice", " alice", "alice ", "4242", "04242", "Alice", "#alice", "# alice", "+alice", "-alice", "bob", "", "\talice", "alice\r"}
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

// The installed getsubids has to be one of the shadow-utils that we know.
func TestGetsubidsReadsWhatAsShadowSays(t *testing.T) {
	if !hosttest.Private(t, "getsubids") {
		return
	}
	passwd, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/etc/passwd", append(passwd, "alice:x:4242:4242::/:/bin/false\n"...), 0o644))
	alice := subid.Owner{Name: "alice", UID: new(uint32(4242))}

	var files []string
	for seed := range uint64(16) {
		files = append(files, strings.Join(oddLines(seed, 500), "\n")+"\n")
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for seed := range uint64(60) { // files that are odd as a whole
		text := strings.Join(oddLines(seed, 6), "\n")
		switch seed % 4 {
		case 1:
			text += "\n"
		case 2:
			at := rnd.IntN(len(text))
			text = text[:at] + "\x00" + text[at:]
		case 3:
			at := rnd.IntN(len(text))
			text = text[:at] + "\x00" + text[at:] + "\n"
		}
		files = append(files, text)
	}
	for _, n := range []int{4094, 4095, 4096, 8190, 8191, 65535, 65536} { // around the buffers
		pad := strings.Repeat("p", n)
		files = append(files, pad, pad+"\n", pad+"\nalice:1:2\n", "alice:1:2\n"+pad, pad+":1:2\nalice:3:4")
	}

	known := []subid.Reader{subid.Shadow413, subid.Shadow418, subid.Shadow420}
	lines, read := 0, 0
	for _, text := range files {
		require.NoError(t, os.WriteFile("/etc/subuid", []byte(text), 0o644))
		out, err := exec.Command("getsubids", "alice").Output()
		want := ""
		if err == nil {
			want = string(out)
		}
		f := subid.Parse("/etc/subuid", []byte(text))
		var still []subid.Reader
		got := ""
		for _, r := range known {
			list, _ := f.As(r, alice)
			got = ""
			for i, n := range list {
				got += fmt.Sprintf("%d: alice %d %d\n", i, uint64(n.Start), uint64(n.Count))
			}
			if got == want {
				still = append(still, r)
			}
		}
		require.NotEmpty(t, still, "none of %v reads as getsubids does:\n%q\ngetsubids: %s\nlast model: %s", known, text, want, got)
		known = still
		lines += strings.Count(text, "\n")
		read += strings.Count(want, "\n")
	}
	t.Logf("%d lines in %d files, of which getsubids took %d for alice's, as %v does", lines, len(files), read, known)
	assert.Greater(t, lines, 5000)
	assert.Greater(t, read, 500)
}

// By construction, but for line numbers and the order of things.
func TestDockerdReadsWhatAsDockerdSays(t *testing.T) {
	alice := subid.Owner{Name: "alice", UID: new(uint32(4242))}
	for seed := range uint64(20) {
		lines := oddLines(seed, 300)
		text := strings.Join(lines, "\r\n")
		want, err := user.ParseSubIDFilter(strings.NewReader(text), func(e user.SubID) bool { return e.Name == "alice" || e.Name == "4242" })
		require.NoError(t, err)
		got, err := subid.Parse("subuid", []byte(text)).As(subid.Dockerd, alice)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i, n := range got {
			require.Equal(t, []int64{want[i].SubID, want[i].Count}, []int64{n.Start, n.Count})
			require.Contains(t, lines[n.Line-1], want[i].Name, "the number of the line")
		}
	}
}
