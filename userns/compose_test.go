package userns_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/userns"
)

func TestHostRangesCutsAndLeavesOutHoles(t *testing.T) {
	type E = userns.Extent
	m := mustMap(t, E{0, 100000, 10}, E{20, 200000, 10}, E{30, 300000, 10})
	for name, c := range map[string]struct {
		id, count uint32
		want      []E
	}{
		"all":                     {0, 40, []E{{0, 100000, 10}, {20, 200000, 10}, {30, 300000, 10}}},
		"inside one":              {3, 2, []E{{3, 100003, 2}}},
		"across a hole":           {9, 12, []E{{9, 100009, 1}, {20, 200000, 1}}},
		"across touching extents": {29, 2, []E{{29, 200009, 1}, {30, 300000, 1}}},
		"in the hole":             {10, 10, nil},
		"past the end":            {40, 100, nil},
		"no IDs":                  {0, 0, nil},
		"to the end of numbers":   {39, top, []E{{39, 300009, 1}}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, m.HostRanges(c.id, c.count)) })
	}
	one := mustMap(t, E{10, 100010, 10})
	assert.Equal(t, []E{{10, 100010, 5}}, one.HostRanges(5, 10))
	assert.Empty(t, one.HostRanges(0, 10))
	assert.Empty(t, one.HostRanges(20, 10))
}

func TestHostRangesAgreesWithSingleLookups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, truth := drawMap(t, "m")
		ids := truth.near()
		id := rapid.SampledFrom(ids).Draw(t, "id")
		count := rapid.Uint32Range(0, 60).Draw(t, "count")
		got := model{}
		for _, e := range m.HostRanges(id, count) {
			for k := range e.Count {
				got[e.ID+k] = e.HostID + k
			}
		}
		want := model{}
		for k := range uint64(count) {
			if at := uint64(id) + k; at <= top {
				if host, ok := truth[uint32(at)]; ok {
					want[uint32(at)] = host
				}
			}
		}
		require.Equal(t, want, got)
	})
}

func TestComposeIsTwoLookups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inner, ti := drawMap(t, "inner")
		outer, to := drawMap(t, "outer")
		both, err := inner.Compose(outer)
		require.NoError(t, err)
		count := 0
		for id, middle := range ti {
			want, there := to[middle]
			if there {
				count++
			}
			host, ok := both.ToHost(id)
			require.Equal(t, there, ok)
			require.Equal(t, want, host)
		}
		total := 0
		for _, e := range both.Extents() {
			total += int(e.Count)
		}
		require.Equal(t, count, total, "nothing else is mapped")
	})
}

// The figures are those of a container in a container: from the host the kernel
// shows "0 101000 10, 10 105000 20".
func TestComposeGivesWhatTheKernelShowsForNestedNamespaces(t *testing.T) {
	inner := mustMap(t, userns.Extent{0, 1000, 10}, userns.Extent{10, 5000, 20})
	outer := mustMap(t, userns.Extent{0, 100000, 65536})
	m, err := inner.Compose(outer)
	require.NoError(t, err)
	assert.Equal(t, "0 101000 10, 10 105000 20", m.String())

	m, err = inner.Compose(mustMap(t, userns.Extent{7000, 0, 1}))
	require.NoError(t, err)
	assert.True(t, m.IsZero(), "nothing in common")
}

func TestComposePastTheLimitIsAnError(t *testing.T) {
	// Every ID of the outer namespace lies by itself, the wrong way round.
	var outer []userns.Extent
	for i := range uint32(userns.MaxExtents) {
		outer = append(outer, userns.Extent{i, 1000 - i, 1})
	}
	inner := mustMap(t, userns.Extent{0, 0, 170}, userns.Extent{1000, 170, 170})
	m, err := inner.Compose(mustMap(t, outer...))
	require.NoError(t, err, "340 are still a map")
	assert.Len(t, m.Extents(), 340)

	outer[userns.MaxExtents-1].Count, outer[userns.MaxExtents-1].HostID = 2, 5000
	inner = mustMap(t, userns.Extent{0, 0, 340}, userns.Extent{1000, 340, 1})
	_, err = inner.Compose(mustMap(t, outer...))
	require.ErrorIs(t, err, userns.ErrInvalidMap)
}
