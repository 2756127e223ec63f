package userns_test

import (
	"encoding/json"
	"flag"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/userns"
)

func TestMappingTranslatesInts(t *testing.T) {
	users := mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	groups := mustMap(t, userns.Extent{ID: 0, HostID: 200000, Count: 1000})
	m := userns.Mapping{UID: users, GID: groups}

	t.Run("there and back", func(t *testing.T) {
		uid, gid, err := m.ToHost(1000, 100)
		require.NoError(t, err)
		assert.Equal(t, [2]int{101000, 200100}, [2]int{uid, gid})
		uid, gid, err = m.ToContainer(uid, gid)
		require.NoError(t, err)
		assert.Equal(t, [2]int{1000, 100}, [2]int{uid, gid})
	})
	type unmapped struct {
		uid, gid int
		want     string
	}
	cases := map[string]unmapped{
		"-1 does not wrap":       {-1, 0, "ID is not mapped: -1 is not a user ID"},
		"-1 as group":            {0, -1, "ID is not mapped: -1 is not a group ID"},
		"a user that is missing": {65536, 0, "ID is not mapped: user 65536 in the namespace"},
		"a group as well":        {0, 1000, "ID is not mapped: group 1000 in the namespace"},
	}
	if past := uint64(1) << 32; strconv.IntSize == 64 { // a smaller int cannot hold these
		cases["(uid_t)-1"] = unmapped{int(past - 1), 0, "ID is not mapped: 4294967295 is not a user ID"}
		cases["2^32 is not root"] = unmapped{0, int(past), "ID is not mapped: 4294967296 is not a group ID"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			uid, gid, err := m.ToHost(c.uid, c.gid)
			require.ErrorIs(t, err, userns.ErrUnmapped)
			assert.Equal(t, c.want, err.Error())
			assert.Zero(t, uid)
			assert.Zero(t, gid)
		})
	}
	_, _, err := m.ToContainer(0, 0)
	assert.EqualError(t, err, "ID is not mapped: user 0 on the host")
}

// aRange has the shape of subid.Range, which this package does not import.
type aRange struct{ Start, Count uint32 }

func TestRangesAndMaps(t *testing.T) {
	m, err := userns.FromRanges(aRange{100000, 65536}, aRange{300000, 1000})
	require.NoError(t, err)
	assert.Equal(t, "0 100000 65536, 65536 300000 1000", m.String())
	_, err = userns.FromRanges[aRange]()
	require.ErrorIs(t, err, userns.ErrInvalidMap)
	_, err = userns.FromRanges(aRange{0, 1 << 31}, aRange{1 << 31, 1 << 30}, aRange{5, math.MaxUint32}, aRange{1, 1})
	require.ErrorIs(t, err, userns.ErrInvalidMap)
	_, err = userns.FromRanges(aRange{100000, 10}, aRange{100005, 10})
	require.ErrorIs(t, err, userns.ErrInvalidMap)
}

func TestMapsAreTextBothWays(t *testing.T) {
	t.Run("in JSON", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			m, _ := drawMap(t, "map")
			data, err := json.Marshal(userns.Mapping{UID: m})
			require.NoError(t, err)
			var back userns.Mapping
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, m.Extents(), back.UID.Extents())
			require.True(t, back.GID.IsZero())
			require.NoError(t, back.GID.UnmarshalText([]byte(m.String())))
			require.Equal(t, m.Extents(), back.GID.Extents())
		})
	})
	t.Run("as a flag", func(t *testing.T) {
		var m userns.Map
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.TextVar(&m, "map", userns.Map{}, "")
		require.NoError(t, flags.Parse([]string{"-map", "0 100000 65536, 65536 300000 10"}))
		assert.Equal(t, "0 100000 65536, 65536 300000 10", m.String())
	})
	t.Run("a text that is wrong changes nothing", func(t *testing.T) {
		m := mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536})
		for _, text := range []string{"0 0", "0 4294967296 1", "0 1 1, 0 2 1", ",", "0 1 1,,"} {
			require.ErrorIs(t, m.UnmarshalText([]byte(text)), userns.ErrInvalidMap, text)
			assert.Equal(t, "0 100000 65536", m.String())
		}
	})
	t.Run("extents", func(t *testing.T) {
		e := userns.Extent{ID: 1, HostID: 2, Count: 3}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		var back userns.Extent
		require.NoError(t, json.Unmarshal(data, &back))
		assert.Equal(t, e, back)
		require.ErrorIs(t, back.UnmarshalText([]byte("1 2 3\n4 5 6")), userns.ErrInvalidMap)
		require.ErrorIs(t, back.UnmarshalText(nil), userns.ErrInvalidMap)
		assert.Equal(t, e, back)
	})
}

func TestInHostUserNS(t *testing.T) {
	all := mustMap(t, userns.Extent{ID: 0, HostID: 0, Count: math.MaxUint32})
	some := mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	for name, c := range map[string]struct {
		p        userns.Process
		in, open bool
	}{
		"of the host":                        {p: userns.Process{UserNS: userns.InitialUserNS}, in: true},
		"in another":                         {p: userns.Process{UserNS: 4026532288, Mapping: userns.Mapping{UID: all, GID: all}}},
		"not shown, but its map is not ours": {p: userns.Process{Mapping: userns.Mapping{UID: some, GID: some}}},
		"not shown, with every ID":           {p: userns.Process{Mapping: userns.Mapping{UID: all, GID: all}}, open: true},
		"not shown, without a map":           {open: true},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := c.p.InHostUserNS()
			assert.Equal(t, c.in, in)
			assert.Equal(t, c.open, err != nil, "%v", err)
		})
	}
}
