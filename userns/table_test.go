package userns_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
)

// shapes are maps of every kind that the search has a way of its own for.
func shapes() map[string][]userns.Extent {
	type E = userns.Extent
	r := rand.New(rand.NewPCG(1, 2))
	even, crowd, random := make([]E, 340), make([]E, 340), make([]E, 340)
	for i, p := range r.Perm(340) {
		even[i] = E{uint32(i * 1000), uint32(100000 + p*2000), 900}
		crowd[i] = E{uint32(i * 3), uint32(p * 3), 1 + uint32(i%3)}
	}
	crowd[200] = E{1 << 31, top - 10, 10} // so far away that all others share a slot
	id, host := uint32(0), uint32(0)
	for i := range random {
		count := 1 + r.Uint32N(1<<r.IntN(20))
		id, host = id+r.Uint32N(count), host+r.Uint32N(1000)
		random[i] = E{id, host, count}
		id, host = id+count, host+count
	}
	shuffled := slices.Clone(random)
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i].HostID, shuffled[j].HostID = shuffled[j].HostID, shuffled[i].HostID })
	for i := range shuffled {
		shuffled[i].Count = 1
	}
	mixed := slices.Clone(crowd)
	r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	same := slices.Repeat([]E{{7, 7, 1}}, 30)
	return map[string][]E{
		"even": even, "crowd": crowd, "random": random, "shuffled": shuffled, "any order": mixed,
		"two": {{0, 100000, 1}, {1, 1, 5}}, "both ends": {{0, top - 1, 1}, {top - 1, 0, 1}},
		"whole":         {{0, 1, 1 << 31}, {1 << 31, 1<<31 + 1, 1<<31 - 2}},
		"downwards":     {{50, 0, 9}, {40, 20, 9}, {30, 40, 9}, {20, 60, 9}, {10, 80, 10}},
		"touching":      {{0, 90, 10}, {10, 80, 10}, {20, 70, 10}, {30, 60, 10}, {40, 50, 10}, {50, 40, 10}},
		"same":          same,
		"host thrice":   {{0, 50, 1}, {1, 50, 1}, {2, 50, 1}},
		"host overlap":  append(slices.Clone(even[:339]), E{400000, even[17].HostID + 899, 2}),
		"ID overlap":    append(slices.Clone(even[:339]), E{5899, 5000000, 101}),
		"crowd overlap": append(slices.Clone(crowd[:339]), E{5000, crowd[100].HostID, 1}),
		"wraps nowhere": {{5, top - 9, 9}, {100, 3, 4}, {90, 0, 3}},
	}
}

// linear is the kernel's own way for few extents (map_id_range_down_base).
func linear(extents []userns.Extent, id uint32) (uint32, bool) {
	for _, e := range extents {
		if id >= e.ID && id-e.ID < e.Count {
			return e.HostID + (id - e.ID), true
		}
	}
	return 0, false
}

// overlap names the extents that NewMap's error is about: of the first two that
// cross in the order of ID, the one given later, and the other.
func overlap(extents []userns.Extent, ties func(a, b userns.Extent) int) (later, earlier int) {
	places := make([]int, len(extents))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(extents[a].ID, extents[b].ID), ties(extents[a], extents[b]))
	})
	for i, b := range places[1:] {
		if e, f := extents[places[i]], extents[b]; uint64(e.ID)+uint64(e.Count) > uint64(f.ID) {
			return max(places[i], b), min(places[i], b)
		}
	}
	return 0, 0
}

// holdNewMap holds NewMap and both lookups to what they are by definition.
func holdNewMap(t *testing.T, extents []userns.Extent) {
	m, err := userns.NewMap(extents...)
	flipped := make([]userns.Extent, len(extents))
	for i, e := range extents {
		flipped[i] = userns.Extent{ID: e.HostID, HostID: e.ID, Count: e.Count}
	}
	how := "shares IDs inside the namespace with"
	later, earlier := overlap(extents, func(a, b userns.Extent) int { return 0 })
	if later == 0 {
		how = "shares host IDs with"
		later, earlier = overlap(flipped, func(a, b userns.Extent) int { return cmp.Compare(a.HostID, b.HostID) })
	}
	if later != 0 {
		require.ErrorIs(t, err, userns.ErrInvalidMap)
		require.EqualError(t, err, fmt.Sprintf("extent %d (%v) %s %v", later+1, extents[later], how, extents[earlier]))
		return
	}
	require.NoError(t, err)
	require.Equal(t, extents, m.Extents())
	require.Len(t, m.HostRanges(0, top), len(extents))
	for _, e := range extents {
		for _, id := range []uint32{e.ID - 1, e.ID, e.ID + e.Count/2, e.ID + e.Count - 1, e.ID + e.Count, 0, top - 1, top,
			e.HostID - 1, e.HostID, e.HostID + e.Count/2, e.HostID + e.Count - 1, e.HostID + e.Count} {
			want, there := linear(extents, id)
			host, ok := m.ToHost(id)
			require.Equal(t, [2]any{want, there}, [2]any{host, ok}, "ID %d", id)
			want, there = linear(flipped, id)
			back, ok := m.ToContainer(id)
			require.Equal(t, [2]any{want, there}, [2]any{back, ok}, "host ID %d", id)
			ranges := m.HostRanges(id, 1)
			want, there = linear(extents, id)
			require.Equal(t, there, len(ranges) == 1)
			require.True(t, !there || ranges[0].HostID == want)
		}
	}
}

func TestLookupsAreALinearSearch(t *testing.T) {
	for name, extents := range shapes() {
		t.Run(name, func(t *testing.T) { holdNewMap(t, extents) })
	}
}

func FuzzNewMap(f *testing.F) {
	for _, extents := range shapes() {
		var data []byte
		for _, e := range extents[:min(len(extents), 60)] {
			for _, n := range []uint32{e.ID, e.HostID, e.Count} {
				data = binary.BigEndian.AppendUint32(data, n)
			}
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var extents []userns.Extent
		for ; len(data) >= 12 && len(extents) < userns.MaxExtents; data = data[12:] {
			e := userns.Extent{ID: binary.BigEndian.Uint32(data), HostID: binary.BigEndian.Uint32(data[4:]), Count: binary.BigEndian.Uint32(data[8:])}
			if _, err := userns.NewMap(e); err == nil {
				extents = append(extents, e)
			}
		}
		if len(extents) > 0 {
			holdNewMap(t, extents)
		}
	})
}

func TestLookupsAllocateNothing(t *testing.T) {
	for name, extents := range map[string][]userns.Extent{"even": shapes()["even"], "one": {{0, 100000, 65536}}} {
		m := mustMap(t, extents...)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			for _, e := range extents {
				_, _ = m.ToHost(e.ID)
				_, _ = m.ToContainer(e.HostID)
			}
		}), name)
	}
}
