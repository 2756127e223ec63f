package userns

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernel has never given out other IDs than asked for; the probe would say
// so if it did.
func TestAProcessThatIsNotAsAskedForFailsTheProbe(t *testing.T) {
	dir, err := FS{}.open("self")
	require.NoError(t, err)
	defer dir.close()
	own, err := dir.mapping()
	require.NoError(t, err)
	require.NoError(t, inspect(os.Getpid(), own))

	other, err := NewMap(Extent{HostID: 100000, Count: 65536})
	require.NoError(t, err)
	for _, m := range []Mapping{{UID: other, GID: own.GID}, {UID: own.UID, GID: other}} {
		err = inspect(os.Getpid(), m)
		require.ErrorIs(t, err, errUnlike)
		require.ErrorContains(t, err, "asked for "+m.String())
	}
}
