package peerbench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAllFindTheProcessesInUserNamespaces(t *testing.T) {
	s, err := StartSleepers(20, 5)
	if err != nil {
		t.Skip("user namespaces cannot be made here: ", err)
	}
	defer s.Stop()
	require.Len(t, s.Namespaced, 5)
	for _, side := range ScanRow(s, 20).Sides {
		if side.Floor {
			assert.NoError(t, side.Run())
			continue
		}
		assert.Empty(t, side.Wrong(), side.Name)
	}
	assert.NotEmpty(t, s.wrong(found{}), "nothing found is wrong")
}
