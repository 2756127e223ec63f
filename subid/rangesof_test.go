package subid_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/subid"
)

// filtered is what RangesOf is by its definition.
func filtered(f *subid.File, owner string) (list []subid.Claim) {
	for c := range f.Ranges() {
		if c.Owner == owner {
			list = append(list, c)
		}
	}
	return list
}

func rangesOf(f *subid.File, owner string) []subid.Claim { return slices.Collect(f.RangesOf(owner)) }

func FuzzRangesOfFiltersRanges(f *testing.F) {
	for _, seed := range []struct{ text, owner string }{
		{"alice:1:2\nbob:3:4\nalice:5:6\n\nalice:7:8", "alice"},
		{"malice:1:2\nalice :3:4\nalice:5:6\nalice:7:8:9\nalic:1:1\nalice", "alice"},
		{"alice:1:2\r\nalice:3:4\r\n# alice:5:6\nalice:7:8", "alice"},
		{"x:1:2\x00\nalice:3:4\nalice:5:6\n", "alice"},
		{"alice:1:2\x00\nalice:3:4\x00\nalice:5:6\nalice:7:8\n", "alice"},
		{"\x00\n\nalice:3:4\n", "alice"},
		{"\x00\nalice:3:4\n", "alice"},
		{"\n\nalice:3:4\n", "alice"},
		{"1:1:1\n11:1:1\n1:11:1\n1:1:1:1\n1:01:1\n", "1"},
		{":1:2\n::3\n", ""},
		{"a:1:2\na:b:1:2\n", "a:b"},
		{"a:1:2\nb:3:4\n", "a:1:2\nb"},
		{"\n:1:2\n", "\n"},
		{"a b:1:2\njörg:3:4\n#c:5:6\n+d:7:8\n", "a b"},
		{"jörg:3:4\njörg:5:0\n", "jörg"},
		{"#c:5:6\n#c:7:8\n", "#c"},
		{"\xff:1:2\n\xff:3:4", "\xff"},
		{"a:12345678", "a"}, {"a:1:12345678", "a"},
		{odd, "carl"},
	} {
		f.Add(seed.text, seed.owner)
	}
	f.Fuzz(func(t *testing.T, text, owner string) {
		file := subid.Parse("subuid", []byte(text))
		owners := map[string]bool{owner: true}
		for line := range strings.Lines(text) {
			name, _, _ := strings.Cut(line, ":")
			owners[name] = len(owners) < 20
		}
		for o := range owners {
			assert.Equal(t, filtered(file, o), rangesOf(file, o), "%q", o)
		}
	})
}

func TestRangesOfOddFiles(t *testing.T) {
	seen := 0
	for seed := range uint64(40) {
		lines := strings.Split(strings.Repeat(odd+"\nalice:0x1:2\n 4242:1:2\nbob:1:2:3\n#alice:1:2\n", 10), "\n")
		for i := range lines {
			switch (i + int(seed)) % 7 {
			case 1, 2, 4:
				lines[i] = []string{"alice:100000:65536", "bob:1:1", "4242:7:65536"}[i%3]
			case 3:
				lines[i] += strings.Repeat("\x00", int(seed%2))
			}
		}
		f := subid.Parse("subuid", []byte(strings.Join(lines, "\n")))
		for _, owner := range []string{"alice", "4242", "bob", " alice", "alice ", "#alice", "+alice", "a", "", "nobody"} {
			want := filtered(f, owner)
			assert.Equal(t, want, rangesOf(f, owner), "%q", owner)
			seen += len(want)
		}
	}
	assert.Greater(t, seen, 100)
}

func TestRangesOfStopsWhenItIsTold(t *testing.T) {
	var lines []int
	for c := range subid.Parse("subuid", []byte("a:1:2\nb:3:4\na:5:6\na:7:8\n")).RangesOf("a") {
		if lines = append(lines, c.Line); len(lines) == 2 {
			break
		}
	}
	assert.Equal(t, []int{1, 3}, lines)
}

func TestRangesOfAllocatesTheSameForAnySize(t *testing.T) {
	allocs := func(n int) float64 {
		text := strings.Repeat("alice:100000:65536\nbob:300000:65536\n", n)
		return testing.AllocsPerRun(10, func() {
			lines := 0
			for range subid.Parse("subuid", []byte(text)).RangesOf("alice") {
				lines++
			}
			if lines != n {
				t.Fatal(lines)
			}
		})
	}
	assert.LessOrEqual(t, allocs(1), 5.0)
	assert.InDelta(t, allocs(1), allocs(20000), 1)
}
