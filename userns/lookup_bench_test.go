package userns

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/moby/sys/user"
)

// BenchmarkParseMap asks the same about reading a map of 340 lines, which here
// is also checked and made ready to be looked up in both ways.
func BenchmarkParseMap(b *testing.B) {
	var text bytes.Buffer
	for i := range MaxExtents {
		fmt.Fprintf(&text, "%10d %10d %10d\n", i*1000, 100000+(MaxExtents-i)*2000, 1000)
	}
	b.Run("usernskit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if m, err := ParseMap("uid_map", text.Bytes()); err != nil || m.IsZero() {
				b.Fatal(err)
			}
		}
	})
	b.Run("moby", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if m, err := user.ParseIDMap(bytes.NewReader(text.Bytes())); err != nil || len(m) != MaxExtents {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkToHost asks what a translation of a user and a group costs next to
// moby/sys/user, which walks the extents from the first to the last.
func BenchmarkToHost(b *testing.B) {
	for _, n := range []int{1, 2, 5, 40, MaxExtents} {
		extents := make([]Extent, n)
		for i := range extents {
			extents[i] = Extent{ID: uint32(i) * 1000, HostID: 100000 + uint32(n-i)*2000, Count: 1000}
		}
		m, err := NewMap(extents...)
		if err != nil {
			b.Fatal(err)
		}
		ids := make([]uint32, 4096)
		for i := range ids {
			ids[i] = rand.Uint32N(uint32(n) * 1000)
		}
		b.Run(strconv.Itoa(n)+"/usernskit", func(b *testing.B) {
			b.ReportAllocs()
			var sum uint32
			i := 0
			for b.Loop() {
				id := ids[i&4095]
				u, _ := m.ToHost(id)
				g, _ := m.ToHost(id)
				sum += u + g
				i++
			}
			_ = sum
		})
		im := user.IdentityMapping{UIDMaps: m.IDMaps(), GIDMaps: m.IDMaps()}
		b.Run(strconv.Itoa(n)+"/moby", func(b *testing.B) {
			b.ReportAllocs()
			var sum int
			i := 0
			for b.Loop() {
				id := int(ids[i&4095])
				u, g, _ := im.ToHost(id, id)
				sum += u + g
				i++
			}
			_ = sum
		})
	}
}
