package reader

import (
	"bufio"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moby/sys/user"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dockerdEntry is the model of the code that dockerd runs, for one line.
func FuzzDockerdEntry(f *testing.F) {
	for _, seed := range []string{"alice:100000:65536", " a : 1:2", "a:0x1:2", "a:1", "a", ":::", "#a:1:2", "a:99999999999999999999:-99999999999999999999", "a:1:2:3", "\x00a:1:2", "\u00a0a:+1:_2\u0085", "a:1_0:2", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		line, _, _ = strings.Cut(line, "\n")
		list, err := user.ParseSubID(strings.NewReader(line))
		owner, n, ok := dockerdEntry(line)
		if err != nil {
			assert.False(t, ok)
			return
		}
		require.Equal(t, len(list) == 1, ok)
		if ok {
			assert.Equal(t, list[0], user.SubID{Name: owner, SubID: n.Start, Count: n.Count})
		}
	})
}

// What longLine works out is where a bufio.Scanner gives up.
func TestLongLineIsWhereAScannerGivesUp(t *testing.T) {
	const size = bufio.MaxScanTokenSize
	rnd := rand.New(rand.NewPCG(4, 4))
	texts := []string{"", "\n", strings.Repeat("\n", size), strings.Repeat("\n", size+1), strings.Repeat("a:1:2\n", size)}
	for _, n := range []int{size - 2, size - 1, size, size + 1, 2 * size, 2*size + 1} {
		long := strings.Repeat("x", n)
		for _, before := range []string{"", "\n", "a:1:2\n", strings.Repeat("y", size-1) + "\n", strings.Repeat("y", size-2) + "\n", strings.Repeat("a\n", size)} {
			texts = append(texts, before+long, before+long+"\n", before+long+"\nb:1:2", before+long+"\n"+long)
		}
	}
	for range 200 {
		var b strings.Builder
		for range rnd.IntN(6) {
			b.WriteString(strings.Repeat("z", rnd.IntN(size+size/4)))
			b.WriteString(strings.Repeat("\n", rnd.IntN(3)))
		}
		texts = append(texts, b.String())
	}
	long := 0
	for _, text := range texts {
		want, lines := 1, bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			want++
		}
		if lines.Err() == nil {
			want = 0
		}
		got := LongLine(text)
		assert.Equal(t, want, got, "%d bytes", len(text))
		long += min(got, 1)
	}
	assert.Greater(t, long, 50)
	assert.Greater(t, len(texts)-long, 50)
}

func TestOwnerIsNameOrUID(t *testing.T) {
	for field, want := range map[string]bool{"alice": true, "1000": true, " 01000": true, "01000": true, "+1000": false, "1001": false, "100": false, "": false, "bob": false} {
		assert.Equal(t, want, Owner{Name: "alice", UID: new(uint32(1000))}.Is(field), "%q", field)
	}
	assert.True(t, Owner{Name: "x", UID: new(uint32(0))}.Is("0"))
	assert.True(t, Owner{UID: new(uint32(9))}.Is("9"))
	assert.False(t, Owner{Name: "x"}.Is(""))
}
