package userns_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/userns"
)

const top = 1<<32 - 1 // (uid_t)-1, which is no ID

func mustMap(t testing.TB, extents ...userns.Extent) userns.Map {
	t.Helper()
	m, err := userns.NewMap(extents...)
	require.NoError(t, err)
	return m
}

func TestNewMapRefusesWhatTheKernelRefuses(t *testing.T) {
	type E = userns.Extent
	many := make([]E, userns.MaxExtents+1)
	for i := range many {
		many[i] = E{ID: uint32(i), HostID: uint32(i), Count: 1}
	}
	for name, c := range map[string]struct {
		extents []E
		err     string // "": accepted
	}{
		"one range":                        {extents: []E{{0, 100000, 65536}}},
		"the whole initial namespace":      {extents: []E{{0, 0, top}}},
		"the last ID there is":             {extents: []E{{0, top - 1, 1}}},
		"neighbours on both sides":         {extents: []E{{0, 100, 10}, {10, 110, 10}}},
		"any order":                        {extents: []E{{10, 0, 10}, {0, 10, 10}}},
		"as many as the kernel takes":      {extents: many[:userns.MaxExtents]},
		"nothing":                          {err: "not a valid ID map: no extent"},
		"too many":                         {extents: many, err: "not a valid ID map: 341 extents, and the kernel takes 340"},
		"a count of 0":                     {extents: []E{{0, 100000, 0}}, err: "extent 1 (0 100000 0) maps no ID"},
		"(uid_t)-1 on the host":            {extents: []E{{0, top, 1}}, err: "extent 1 (0 4294967295 1) reaches past 4294967294 on the host"},
		"(uid_t)-1 inside":                 {extents: []E{{top, 0, 1}}, err: "extent 1 (4294967295 0 1) reaches past 4294967294 inside the namespace"},
		"one past the end":                 {extents: []E{{0, 1, top}}, err: "extent 1 (0 1 4294967295) reaches past 4294967294 on the host"},
		"a range that wraps to host root":  {extents: []E{{0, top - 10, 65536}}, err: "extent 1 (0 4294967285 65536) reaches past 4294967294 on the host"},
		"the same line twice":              {extents: []E{{0, 100, 10}, {0, 100, 10}}, err: "extent 2 (0 100 10) shares IDs inside the namespace with 0 100 10"},
		"one shared ID inside":             {extents: []E{{0, 100, 10}, {9, 200, 10}}, err: "extent 2 (9 200 10) shares IDs inside the namespace with 0 100 10"},
		"one shared ID on the host":        {extents: []E{{0, 100, 10}, {10, 109, 10}}, err: "extent 2 (10 109 10) shares host IDs with 0 100 10"},
		"a small range inside a big one":   {extents: []E{{500, 5, 1}, {0, 0, 100}}, err: "extent 2 (0 0 100) shares host IDs with 500 5 1"},
		"overlap of the last, not the 2nd": {extents: []E{{0, 0, 10}, {20, 20, 5}, {24, 40, 5}}, err: "extent 3 (24 40 5) shares IDs inside the namespace with 20 20 5"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := userns.NewMap(c.extents...)
			if c.err == "" {
				require.NoError(t, err)
				assert.Equal(t, c.extents, m.Extents(), "the order is kept")
				return
			}
			require.EqualError(t, err, c.err)
			require.ErrorIs(t, err, userns.ErrInvalidMap)
			assert.Equal(t, userns.Map{}, m)
		})
	}
}

func TestAMapDoesNotShareTheCallersSlice(t *testing.T) {
	extents := []userns.Extent{{0, 100, 10}, {20, 200, 10}}
	m := mustMap(t, extents...)
	extents[1].HostID = 0
	m.Extents()[1].HostID = 0
	host, ok := m.ToHost(20)
	assert.True(t, ok)
	assert.EqualValues(t, 200, host)
}

func TestTheZeroMapMapsNothing(t *testing.T) {
	var m userns.Map
	assert.True(t, m.IsZero())
	assert.Equal(t, "no IDs", m.String())
	_, ok := m.ToHost(0)
	assert.False(t, ok)
	_, ok = m.ToContainer(0)
	assert.False(t, ok)
	assert.Empty(t, m.HostRanges(0, top))
}

// model is a map as the dumbest table.
type model map[uint32]uint32

// drawMap draws a map over a small or a wide space of IDs, with its model.
func drawMap(t *rapid.T, label string) (userns.Map, model) {
	n := rapid.IntRange(1, 8).Draw(t, label+" extents")
	wide := rapid.Bool().Draw(t, label+" wide")
	// Every extent gets a slot of its own on both sides, the slots shuffled.
	width := uint32(12)
	if wide {
		width = top / 9
	}
	slots := make([]uint32, n)
	for i := range slots {
		slots[i] = uint32(i) * width
	}
	hosts := rapid.Permutation(slots).Draw(t, label+" host slots")
	extents, truth := make([]userns.Extent, n), model{}
	for i := range extents {
		e := userns.Extent{
			ID:     slots[i] + rapid.Uint32Range(0, 4).Draw(t, "id"),
			HostID: hosts[i] + rapid.Uint32Range(0, 4).Draw(t, "host"),
			Count:  rapid.Uint32Range(1, 8).Draw(t, "count"),
		}
		extents[i] = e
		for k := range e.Count {
			truth[e.ID+k] = e.HostID + k
		}
	}
	extents = rapid.Permutation(extents).Draw(t, label+" order")
	m, err := userns.NewMap(extents...)
	require.NoError(t, err)
	return m, truth
}

// near lists every ID of the model and its neighbours on both sides.
func (mo model) near() (ids []uint32) {
	for id, host := range mo {
		ids = append(ids, id-1, id, id+1, host-1, host, host+1)
	}
	return append(ids, 0, top-1, top)
}

func TestTranslationIsTheTableAndItsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, truth := drawMap(t, "m")
		inverse := model{}
		for id, host := range truth {
			inverse[host] = id
		}
		for _, id := range truth.near() {
			host, ok := m.ToHost(id)
			want, there := truth[id]
			require.Equal(t, there, ok, "%v: ID %d", m, id)
			require.Equal(t, want, host, "%v: ID %d", m, id)

			back, ok := m.ToContainer(id)
			want, there = inverse[id]
			require.Equal(t, there, ok, "%v: host ID %d", m, id)
			require.Equal(t, want, back, "%v: host ID %d", m, id)
		}
	})
}

func TestEqualGoesByTheIDsNotByTheCuts(t *testing.T) {
	whole := mustMap(t, userns.Extent{0, 1000, 20})
	cut := mustMap(t, userns.Extent{5, 1005, 15}, userns.Extent{0, 1000, 5})
	less := mustMap(t, userns.Extent{0, 1000, 5}, userns.Extent{6, 1006, 14})
	other := mustMap(t, userns.Extent{0, 1000, 5}, userns.Extent{5, 2005, 15})
	assert.True(t, whole.Equal(cut))
	assert.True(t, cut.Equal(whole))
	for _, m := range []userns.Map{less, other, {}} {
		assert.False(t, whole.Equal(m), m.String())
		assert.False(t, m.Equal(whole), m.String())
	}
}

func TestEqualAgreesWithTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ta := drawMap(t, "a")
		b, tb := drawMap(t, "b")
		in := true
		for id, host := range tb {
			if h, ok := ta[id]; !ok || h != host {
				in = false
			}
		}
		require.Equal(t, in && len(ta) == len(tb), a.Equal(b), "%v and %v", a, b)
	})
}

func TestAMapIsTextInJSON(t *testing.T) {
	m := mustMap(t, userns.Extent{0, 100000, 65536}, userns.Extent{65536, 300000, 10})
	data, err := json.Marshal(userns.Mapping{UID: m})
	require.NoError(t, err)
	assert.JSONEq(t, `{"UID":"0 100000 65536\n65536 300000 10\n","GID":""}`, string(data))
}

// The usual map of rootless containers, asked for IDs that an int of 32 bits
// does not hold, and for host root, which is below all that it maps.
func TestIDsFarFromAllExtentsAreNotMapped(t *testing.T) {
	m := mustMap(t, userns.Extent{ID: 0, HostID: 1000, Count: 1}, userns.Extent{ID: 1, HostID: 100000, Count: 65536})
	for _, id := range []uint32{65537, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 2, 1<<32 - 1} {
		_, ok := m.ToHost(id)
		assert.False(t, ok, "%d", id)
		assert.Empty(t, m.HostRanges(id, 1), "%d", id)
	}
	for _, host := range []uint32{0, 999, 1001, 99999, 165536, 1 << 31, 1<<32 - 2, 1<<32 - 1} {
		_, ok := m.ToContainer(host)
		assert.False(t, ok, "%d", host)
	}
}

// An ID below the first extent was once looked for behind the last one, where
// that reaches the end of the IDs, and the first extents were left out.
func TestHostRangesFromBelowTheFirstExtent(t *testing.T) {
	first := userns.Extent{ID: 1, HostID: 1, Count: 1}
	rest := userns.Extent{ID: 2, HostID: 2, Count: 4294967293}
	m := mustMap(t, first, rest)
	assert.Equal(t, []userns.Extent{first}, m.HostRanges(0, 2))
	assert.Equal(t, []userns.Extent{first, rest}, m.HostRanges(0, 4294967295))
}
