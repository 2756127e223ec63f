package bootargs

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// "permission denied" and no more, of a user who asked for the arguments: the EFI
// partition is mounted for root alone.
func TestAnESPThatIsClosedToTheUser(t *testing.T) {
	h := hosttest.Tree(t, "-- boot/efi/loader/loader.conf --\ndefault a.conf\n-- boot/efi/loader/entries/a.conf --\ntitle A\nlinux /vmlinuz\noptions ro\n")
	esp := filepath.Join(h.Root, "boot/efi")
	for dir := h.Root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, os.Chmod(esp, 0o700))
	if os.Getuid() == 0 {
		runtime.LockOSThread() // and the thread ends with the goroutine
		require.NoError(t, syscall.Setfsuid(65534))
	} else {
		require.NoError(t, os.Chmod(esp, 0))
	}
	_, err := Status(t.Context(), h)
	if os.Getuid() == 0 {
		require.NoError(t, syscall.Setfsuid(0))
	} else {
		require.NoError(t, os.Chmod(esp, 0o700))
	}
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "cannot tell how this host boots, since some of its files are closed to this user: resolve /boot/efi/")
}
