package subid_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moby/sys/user"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// manyLines is a file of n users of lines of one length, in the order of a
// random history, with holes too small to be of use. The space below is taken.
func manyLines(n int) []byte {
	b := bytes.NewBufferString("below:100000:99900000\n")
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n - 1) {
		fmt.Fprintf(b, "user%07d:%d:400\n", i, 100000000+i*410)
	}
	return b.Bytes()
}

// Does the time per line stay flat, and how far is it from the parser that
// dockerd has?
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1000, 65000, 1000000} {
		data := manyLines(n)
		b.Run(fmt.Sprintf("lines=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				count := 0
				for c := range subid.Parse("subuid", data).Ranges() {
					if c.Range.Count != 0 {
						count++
					}
				}
				if count != n {
					b.Fatal(count)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/line")
		})
	}
	data := manyLines(65000)
	b.Run("moby/lines=65000", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			list, err := user.ParseSubIDFilter(bytes.NewReader(data), nil)
			if err != nil || len(list) != 65000 {
				b.Fatal(err, len(list))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/65000, "ns/line")
	})
}

// How long does an administrator with 65,000 users wait?
func BenchmarkOn65000Lines(b *testing.B) {
	text := string(manyLines(65000))
	h := hosttest.Tree(b, "-- etc/subuid --\n"+text+"-- etc/subgid --\n"+text+"-- etc/passwd --\nroot:x:0:0::/:\n-- etc/group --\nroot:x:0:\n")
	s, err := subid.Read(b.Context(), h)
	require.NoError(b, err)
	b.Run("Find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := s.Find(docker()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Plan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := subid.Plan(b.Context(), h, docker()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Audit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := audit(b, h); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The number of allocations is the same for a file of any size.
func TestParseAllocatesTheSameForAnySize(t *testing.T) {
	allocs := func(n int) float64 {
		data := manyLines(n)
		return testing.AllocsPerRun(10, func() {
			for c := range subid.Parse("subuid", data).Ranges() {
				if c.Range.Count == 0 {
					t.Fatal(c)
				}
			}
		})
	}
	small := allocs(10)
	assert.LessOrEqual(t, small, 5.0)
	assert.Equal(t, small, allocs(20000))
}

func TestPlanAllocatesLittleOnManyLines(t *testing.T) {
	text := string(manyLines(20000))
	h := hosttest.Tree(t, "-- etc/subuid --\n"+text+"-- etc/subgid --\n"+text)
	var plan usernskit.Plan
	allocs := testing.AllocsPerRun(3, func() {
		var err error
		_, plan, err = subid.Plan(t.Context(), h, docker())
		require.NoError(t, err)
	})
	assert.Less(t, allocs, 2000.0, "some per file, none per line")
	require.Len(t, plan.Changes, 2)
	assert.True(t, text == strings.TrimSuffix(string(plan.Changes[0].After), "dockremap:108199580:65536\n"), "one line more")
}
