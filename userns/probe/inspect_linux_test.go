package probe

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
)

// The kernel has never given out other IDs than asked for; the probe would say
// so if it did.
func TestAProcessThatIsNotAsAskedForFailsTheProbe(t *testing.T) {
	own, err := userns.FS{}.Mapping(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, inspect(os.Getpid(), own))

	other, err := userns.NewMap(userns.Extent{HostID: 100000, Count: 65536})
	require.NoError(t, err)
	for _, m := range []userns.Mapping{{UID: other, GID: own.GID}, {UID: own.UID, GID: other}} {
		err = inspect(os.Getpid(), m)
		require.ErrorIs(t, err, errUnlike)
		require.ErrorContains(t, err, "asked for "+m.String())
	}
}
