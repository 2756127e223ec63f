package idmap_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
)

func TestMain(m *testing.M) {
	hosttest.Alone()
	os.Exit(m.Run())
}

func mapping(t testing.TB) userns.Mapping {
	users, err := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 1000}, userns.Extent{ID: 5000, HostID: 105000, Count: 5})
	require.NoError(t, err)
	groups, err := userns.NewMap(userns.Extent{ID: 0, HostID: 200000, Count: 65536})
	require.NoError(t, err)
	return userns.Mapping{UID: users, GID: groups}
}

// at returns what Mounts says of the mount at a place.
func at(t testing.TB, pid int, point string) idmap.Mount {
	t.Helper()
	list, err := idmap.Mounts(userns.FS{}, pid)
	require.NoError(t, err)
	for _, m := range list {
		if m.Point == point {
			return m
		}
	}
	require.Fail(t, "no mount at "+point)
	return idmap.Mount{}
}

func owner(t testing.TB, path string) string {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Lstat(path, &st))
	return fmt.Sprint(st.Uid, ":", st.Gid)
}

func TestClone(t *testing.T) {
	hosttest.Need(t)
	m := mapping(t)
	src, dst := t.TempDir(), t.TempDir()
	file := filepath.Join(src, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Chown(file, 33, 44))
	require.NoError(t, os.WriteFile(filepath.Join(src, "foreign"), nil, 0o600))
	require.NoError(t, os.Chown(filepath.Join(src, "foreign"), 4000, 44))
	tree, err := idmap.Clone(t.Context(), src, m)
	require.NoError(t, err)

	t.Run("before it is attached", func(t *testing.T) {
		assert.Equal(t, "100033:200044", owner(t, fmt.Sprintf("/proc/self/fd/%d/file", tree.File().Fd())))
	})
	require.NoError(t, tree.Attach(dst))
	t.Cleanup(func() { unix.Unmount(dst, unix.MNT_DETACH) })
	require.NoError(t, tree.Close())
	t.Run("attached", func(t *testing.T) {
		assert.Equal(t, "100033:200044", owner(t, filepath.Join(dst, "file")))
		assert.Equal(t, "65534:200044", owner(t, filepath.Join(dst, "foreign")))
		assert.Equal(t, "33:44", owner(t, file))
	})
	t.Run("its map is read", func(t *testing.T) {
		got, ok, err := at(t, os.Getpid(), dst).Mapping.Get()
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, m.String(), got.String())
	})
	t.Run("its map is read in another mount namespace", func(t *testing.T) {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
		require.NoError(t, cmd.Start())
		defer cmd.Wait()
		defer cmd.Process.Kill()
		require.NoError(t, unix.Unmount(dst, unix.MNT_DETACH), "ours is gone")
		got, ok, err := at(t, cmd.Process.Pid, dst).Mapping.Get()
		require.NoError(t, err)
		require.True(t, ok)
		assert.True(t, m.Equal(got), "%v", got)
	})
	t.Run("a mount that is not idmapped", func(t *testing.T) {
		_, ok, err := at(t, os.Getpid(), "/proc").Mapping.Get()
		require.NoError(t, err)
		assert.False(t, ok)
	})
}

func TestRefusals(t *testing.T) {
	hosttest.Need(t)
	t.Run("a file system that cannot", func(t *testing.T) {
		_, err := idmap.Clone(t.Context(), "/proc", mapping(t))
		require.ErrorIs(t, err, idmap.ErrFilesystem)
		require.ErrorIs(t, err, unix.EINVAL)
		require.NotErrorIs(t, err, idmap.ErrNotSupported)
		assert.EqualError(t, err, "mount_setattr /proc: invalid argument: mounts of proc cannot be idmapped")
	})
	t.Run("nothing there", func(t *testing.T) {
		_, err := idmap.Clone(t.Context(), "/no/such/path", mapping(t))
		require.ErrorIs(t, err, os.ErrNotExist)
		require.NotErrorIs(t, err, idmap.ErrFilesystem)
	})
	t.Run("a mapping of nothing", func(t *testing.T) {
		_, err := idmap.Clone(t.Context(), t.TempDir(), userns.Mapping{})
		require.ErrorIs(t, err, userns.ErrInvalidMap)
	})
	t.Run("an old kernel", func(t *testing.T) {
		err := error(&idmap.Error{Op: "mount_setattr", Path: "/x", Errno: unix.ENOSYS})
		require.ErrorIs(t, err, idmap.ErrNotSupported)
		require.NotErrorIs(t, err, idmap.ErrFilesystem)
	})
	t.Run("no such process", func(t *testing.T) {
		_, err := idmap.Mounts(userns.FS{Root: t.TempDir()}, 1)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

// A tree of files has no namespaces to ask: the word alone is not a map.
func TestAMapThatCannotBeReadIsUnknown(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "7/ns"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "7/ns/mnt"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "7/mountinfo"), []byte(
		"24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n25 24 8:1 /a /a rw,relatime,idmapped - ext4 /dev/vda rw\n"), 0o644))
	list, err := idmap.Mounts(userns.FS{Root: root}, 7)
	require.NoError(t, err)
	require.Len(t, list, 2)
	_, ok, err := list[0].Mapping.Get()
	require.NoError(t, err)
	assert.False(t, ok)
	_, _, err = list[1].Mapping.Get()
	require.True(t, errors.Is(err, idmap.ErrNotSupported), "%v", err)
}
