package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestLinksResolveInsideTheRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, outside+"/passwd", "the machine's own")
	write(t, root+"/nix/store/passwd", "the tree's")
	require.NoError(t, os.MkdirAll(root+"/etc", 0o755))
	for link, to := range map[string]string{
		"absolute": "/nix/store/passwd",
		"upwards":  "../../../../../../nix/store/passwd",
		"escape":   outside + "/passwd",
		"dangling": "/nowhere",
		"loop":     "loop",
	} {
		require.NoError(t, os.Symlink(to, root+"/etc/"+link))
	}
	for _, name := range []string{"absolute", "upwards"} {
		data, err := Root(root).ReadFile("/etc/"+name, 100)
		require.NoError(t, err)
		assert.Equal(t, "the tree's", string(data), name)
	}
	for _, name := range []string{"escape", "dangling"} {
		_, err := Root(root).ReadFile("/etc/"+name, 100)
		assert.ErrorIs(t, err, fs.ErrNotExist, name)
		assert.ErrorContains(t, err, "/etc/"+name)
		assert.NotContains(t, err.Error(), root, "the path is the host's")
	}
	_, err := Root(root).ReadFile("/etc/loop", 100)
	assert.Error(t, err)
}

func TestReadIsBoundedAndSaysSo(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/f", strings.Repeat("x", 1000))
	for _, limit := range []int64{1000, 1001, 5000} {
		data, err := Root(root).ReadFile("/f", limit)
		require.NoError(t, err)
		assert.Len(t, data, 1000)
	}
	for _, limit := range []int64{0, 1, 999} {
		_, err := Root(root).ReadFile("/f", limit)
		assert.ErrorIs(t, err, ErrTooLarge, "%d", limit)
	}
	write(t, root+"/empty", "")
	data, err := Root(root).ReadFile("/empty", 0)
	require.NoError(t, err)
	assert.NotNil(t, data, "an empty file is not a missing one")
}

func TestReadDoesNotHangOnAFIFOOrTakeADirectoryForAFile(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, unix.Mkfifo(root+"/fifo", 0o644))
	require.NoError(t, os.Mkdir(root+"/dir", 0o755))
	for _, name := range []string{"/fifo", "/dir"} {
		_, err := Root(root).ReadFile(name, 100)
		assert.ErrorIs(t, err, ErrNotRegular, name)
	}
}

func TestReadOfProcIsWholeThoughItsSizeIsZero(t *testing.T) {
	data, err := Root("").ReadFile("/proc/self/status", 1<<20)
	if os.IsNotExist(err) {
		t.Skip("needs /proc")
	}
	require.NoError(t, err)
	assert.Contains(t, string(data), "Uid:")
}

// A magic link of /proc leads to no path; it is there all the same.
func TestStatOfAMagicLinkOfProc(t *testing.T) {
	if _, err := os.Lstat("/proc/self/ns/user"); err != nil {
		t.Skip("needs /proc/self/ns/user")
	}
	_, err := Root("").Stat("/proc/self/ns/user")
	assert.NoError(t, err)
	_, err = Root("/").Stat("/proc/self/ns/nothing")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNoneOfJoinedErrorsIsDropped(t *testing.T) {
	err := hostError("replace", "/etc/subuid", errors.Join(ErrChanged, &fs.PathError{Op: "open", Path: "/tmp/x", Err: fs.ErrPermission}))
	assert.ErrorIs(t, err, ErrChanged)
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "/etc/subuid")
	assert.NoError(t, hostError("replace", "/etc/subuid", nil))
}

func TestRootByWayOfItsParent(t *testing.T) {
	top := t.TempDir()
	write(t, top+"/host/etc/subuid", "")
	require.NoError(t, os.MkdirAll(top+"/far/away", 0o755))
	require.NoError(t, os.Symlink(top+"/far/away", top+"/link"))
	t.Chdir(top + "/host/etc")
	dir, err := Root("..").Dir()
	require.NoError(t, err)
	assert.Equal(t, top+"/host", dir)

	// Without its ".." this path is another directory.
	_, err = Root(top + "/link/..").Dir()
	assert.ErrorContains(t, err, "behind a symbolic link")
	assert.ErrorIs(t, err, ErrBadRoot)
	dir, err = Root(top + "/link").Dir()
	require.NoError(t, err)
	assert.Equal(t, top+"/link", dir, "links are left alone: that of /proc/PID/root says /")
}
