package userns_test

import (
	"math"
	"testing"

	"github.com/moby/sys/user"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/userns"
)

func TestMapsOfMobyGoThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := drawMap(t, "m")
		back, err := userns.FromIDMaps(m.IDMaps())
		require.NoError(t, err)
		require.Equal(t, m.Extents(), back.Extents())
	})
}

// To moby/sys/user nil means that every ID is itself. Here the zero Map maps
// nothing, and must not become host root on the way.
func TestAMapOfNothingNeverTurnsIntoTheIdentity(t *testing.T) {
	var m userns.Map
	require.NotNil(t, m.IDMaps())
	_, _, err := user.IdentityMapping{UIDMaps: m.IDMaps(), GIDMaps: m.IDMaps()}.ToHost(0, 0)
	require.Error(t, err)
	_, err = userns.FromIDMaps(nil)
	require.ErrorIs(t, err, userns.ErrInvalidMap)
}

func TestNumbersPast32BitsAreNotCutOff(t *testing.T) {
	for _, im := range []user.IDMap{
		{ID: -1, ParentID: 0, Count: 1},
		{ID: 0, ParentID: 1 << 32, Count: 1},
		{ID: 0, ParentID: 1<<32 + 100000, Count: 1},
		{ID: 0, ParentID: 100000, Count: 1<<32 + 1},
		{ID: 0, ParentID: math.MaxInt64, Count: 1},
		{ID: 0, ParentID: 100000, Count: -1},
	} {
		_, err := userns.FromIDMaps([]user.IDMap{im})
		require.ErrorIs(t, err, userns.ErrInvalidMap, "%v", im)
	}
}

// TestMobyAgrees compares with moby/sys/user where that is right. It returns a
// container ID unchanged that is the number of the host's root, so that one is
// left out.
func TestMobyAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, truth := drawMap(t, "m")
		im := user.IdentityMapping{UIDMaps: m.IDMaps(), GIDMaps: m.IDMaps()}
		root, _ := im.RootPair()
		for _, id := range truth.near() {
			if int(id) == root {
				continue
			}
			host, ok := m.ToHost(id)
			want, _, err := im.ToHost(int(id), int(id))
			require.Equal(t, err == nil, ok, "%v: %d", m, id)
			if ok {
				require.EqualValues(t, want, host)
			}
		}
	})
}
