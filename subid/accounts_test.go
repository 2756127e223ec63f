package subid_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// What getpwnam(3) reads as 100500 is 100500, however it is spelled.
func TestPlanAvoidsAccountsWithOddlyWrittenIDs(t *testing.T) {
	for _, line := range []string{
		"x:x:0100500:", "x:x: 100500:", "x:x:+100500:", "x:x:\t+00000000000100500:", "  x:x:100500:", "x:x:100500", "x:x:0:0100500:",
	} {
		h := hosttest.Tree(t, "-- etc/passwd --\n"+line+"\n")
		grant, _, err := subid.Plan(h, subid.Docker())
		require.NoError(t, err)
		assert.Equal(t, "100501:65536", grant.UID.String(), "%q", line)
	}
	for _, line := range []string{
		"x:x:-100500:", "x:x:100500x:", "x:x:0x18894:", "x:x:1000100500000:", "#x:x:100500:", " #x:x:100500:", ":x:100500:", "x:x:+ 100500:", "x:x::", "x:x:00:00",
	} {
		h := hosttest.Tree(t, "-- etc/passwd --\n"+line+"\n")
		grant, _, err := subid.Plan(h, subid.Docker())
		require.NoError(t, err)
		assert.Equal(t, "100000:65536", grant.UID.String(), "%q", line)
	}
}
