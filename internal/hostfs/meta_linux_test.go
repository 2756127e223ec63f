package hostfs

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A list of names that the kernel does not give is not an empty one: the new
// file would have none of the attributes.
func TestAttributesThatCannotBeListedAreNotLeftBehind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", root, "tmpfs", 0, ""))
	defer unix.Unmount(root, unix.MNT_DETACH)
	write(t, root+"/f", "old")
	for i := range 300 { // of 251 bytes: more than the 64 KiB that listxattr(2) has room for
		if err := unix.Setxattr(root+"/f", fmt.Sprintf("trusted.%0242d", i), nil, 0); err != nil {
			t.Skipf("this file system has no room for them: %v", err)
		}
	}
	_, err := Root(root).Meta("/f")
	require.ErrorIs(t, err, unix.E2BIG)
	assert.ErrorContains(t, err, "extended attributes of /f")
}
