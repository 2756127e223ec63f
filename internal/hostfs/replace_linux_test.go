package hostfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func replace(root, path, before, after string) error {
	w := Writer{Root: Root(root)}
	meta, err := w.Root.Meta(path)
	if err != nil {
		return err
	}
	return w.Replace(path, []byte(before), []byte(after), meta)
}

func TestReplaceKeepsOwnerModeAttributesAndSymlink(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/dotfiles/daemon.json", "old")
	require.NoError(t, os.MkdirAll(root+"/etc", 0o755))
	require.NoError(t, os.Symlink("/dotfiles/daemon.json", root+"/etc/daemon.json"))
	target := root + "/dotfiles/daemon.json"
	require.NoError(t, os.Chmod(target, 0o664|os.ModeSetgid))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(target, 1234, 4321))
		require.NoError(t, os.Chmod(target, 0o664|os.ModeSetgid))
	}
	xattr := unix.Setxattr(target, "user.origin", []byte("by hand"), 0) == nil
	was, err := os.Stat(target)
	require.NoError(t, err)

	require.NoError(t, replace(root, "/etc/daemon.json", "old", "new"))
	to, err := os.Readlink(root + "/etc/daemon.json")
	require.NoError(t, err)
	assert.Equal(t, "/dotfiles/daemon.json", to)
	now, err := os.Stat(target)
	require.NoError(t, err)
	assert.Equal(t, was.Mode(), now.Mode())
	assert.Equal(t, was.Sys().(*syscall.Stat_t).Uid, now.Sys().(*syscall.Stat_t).Uid)
	assert.Equal(t, was.Sys().(*syscall.Stat_t).Gid, now.Sys().(*syscall.Stat_t).Gid)
	if xattr {
		value := make([]byte, 20)
		n, err := unix.Getxattr(target, "user.origin", value)
		require.NoError(t, err)
		assert.Equal(t, "by hand", string(value[:n]))
	}
	list, err := os.ReadDir(root + "/dotfiles")
	require.NoError(t, err)
	assert.Len(t, list, 1, "no temporary file is left")
}

func TestWhatCannotBeReplacedIsRefusedByName(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/etc/one", "x")
	require.NoError(t, os.Link(root+"/etc/one", root+"/etc/two"))
	require.NoError(t, unix.Mkfifo(root+"/etc/fifo", 0o644))
	require.NoError(t, os.Mkdir(root+"/etc/dir", 0o755))
	w := Writer{Root: Root(root)}
	assert.ErrorIs(t, w.Check("/etc/one"), ErrHardLinked)
	assert.ErrorIs(t, w.Check("/etc/fifo"), ErrNotRegular)
	assert.ErrorIs(t, w.Check("/etc/dir"), ErrNotRegular)
	assert.NoError(t, w.Check("/etc/new"))
	assert.NoError(t, w.Check("/new/dir/file"))
	assert.ErrorContains(t, w.Check("/etc/one"), "/etc/one")
}

func TestMountsAndAttributesAreToldApart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	w := Writer{Root: Root(root)}
	write(t, root+"/etc/bound", "x")
	write(t, root+"/from", "y")
	require.NoError(t, unix.Mount(root+"/from", root+"/etc/bound", "", unix.MS_BIND, ""))
	defer unix.Unmount(root+"/etc/bound", unix.MNT_DETACH)
	assert.ErrorIs(t, w.Check("/etc/bound"), ErrBindMounted)
	assert.ErrorIs(t, replace(root, "/etc/bound", "y", "z"), ErrBindMounted)

	write(t, root+"/ro/file", "x")
	require.NoError(t, unix.Mount(root+"/ro", root+"/ro", "", unix.MS_BIND, ""))
	defer unix.Unmount(root+"/ro", unix.MNT_DETACH)
	require.NoError(t, unix.Mount("", root+"/ro", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	assert.ErrorIs(t, w.Check("/ro/file"), unix.EROFS)
	assert.ErrorIs(t, w.Check("/ro/new"), unix.EROFS)
	assert.ErrorIs(t, replace(root, "/ro/file", "x", "z"), unix.EROFS)

	write(t, root+"/etc/fixed", "x")
	f, err := os.Open(root + "/etc/fixed")
	require.NoError(t, err)
	defer f.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Logf("chattr +i is not to be had here: %v", err)
		return
	}
	defer unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0)
	assert.ErrorIs(t, w.Check("/etc/fixed"), ErrImmutable)
}

func TestFullDiskLeavesTheOldFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	require.NoError(t, os.Mkdir(root+"/etc", 0o755))
	require.NoError(t, unix.Mount("tmpfs", root+"/etc", "tmpfs", 0, "size=16k"))
	defer unix.Unmount(root+"/etc", unix.MNT_DETACH)
	write(t, root+"/etc/subuid", "old")
	err := replace(root, "/etc/subuid", "old", strings.Repeat("x", 1<<20))
	require.ErrorIs(t, err, unix.ENOSPC)
	data, err := os.ReadFile(root + "/etc/subuid")
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	list, err := os.ReadDir(root + "/etc")
	require.NoError(t, err)
	assert.Len(t, list, 1, "no temporary file is left")
}

// Someone else's file that comes in between the last look and the rename is
// theirs to keep.
func TestAFileThatComesInBetweenIsNotLost(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/f", "old")
	for _, step := range []string{"create", "write", "owner", "mode", "xattrs", "sync", "rename"} {
		write(t, root+"/f", "old")
		w := Writer{Root: Root(root), Fault: func(s string) error {
			if s == step {
				write(t, root+"/theirs", "theirs")
				return os.Rename(root+"/theirs", root+"/f")
			}
			return nil
		}}
		err := w.Replace("/f", []byte("old"), []byte("ours"), NewMeta(0o644))
		assert.ErrorIs(t, err, ErrChanged, step)
		data, err := os.ReadFile(root + "/f")
		require.NoError(t, err)
		assert.Equal(t, "theirs", string(data), step)
	}
	w := Writer{Root: Root(root), Fault: func(s string) error {
		if s == "rename" {
			write(t, root+"/new", "theirs")
		}
		return nil
	}}
	assert.ErrorIs(t, w.Replace("/new", nil, []byte("ours"), NewMeta(0o644)), ErrChanged)
	list, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Len(t, list, 2, "no temporary file is left")
	assert.ErrorIs(t, w.Replace("/gone", []byte("x"), []byte("y"), NewMeta(0o644)), ErrChanged)
	assert.ErrorIs(t, w.Remove("/new", []byte("ours")), ErrChanged)
	_, err = os.Stat(root + "/new")
	assert.NotErrorIs(t, err, fs.ErrNotExist)
}

func TestReadersSeeOneFileOrTheOtherWhole(t *testing.T) {
	root := t.TempDir()
	a, b := strings.Repeat("a", 100_000), strings.Repeat("b", 70_000)
	write(t, root+"/f", a)
	stop, torn := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(torn)
		for {
			select {
			case <-stop:
				return
			default:
			}
			data, err := os.ReadFile(root + "/f")
			if text := string(data); err != nil || text != a && text != b {
				torn <- "torn"
				return
			}
		}
	}()
	now, next := a, b
	for range 100 {
		require.NoError(t, replace(root, "/f", now, next))
		now, next = next, now
	}
	close(stop)
	assert.Empty(t, <-torn)
}

// A directory's default ACL gives every new file an ACL, and the group rights
// that the old file did not have.
func TestAReplacedFileHasNoACLThatTheOldOneHadNot(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/etc/subuid", "old")
	acl := []byte{2, 0, 0, 0, // version 2, then tag, rights and ID of each entry
		0x01, 0, 7, 0, 255, 255, 255, 255, // the owner
		0x02, 0, 6, 0, 210, 4, 0, 0, // user 1234
		0x04, 0, 5, 0, 255, 255, 255, 255, // the group
		0x10, 0, 7, 0, 255, 255, 255, 255, // the mask
		0x20, 0, 5, 0, 255, 255, 255, 255} // others
	if err := unix.Setxattr(root+"/etc", "system.posix_acl_default", acl, 0); err != nil {
		t.Skipf("this file system has no ACLs: %v", err)
	}
	was, err := Root(root).Meta("/etc/subuid")
	require.NoError(t, err)
	require.NoError(t, replace(root, "/etc/subuid", "old", "new"))
	now, err := Root(root).Meta("/etc/subuid")
	require.NoError(t, err)
	assert.Equal(t, was, now)

	require.NoError(t, unix.Setxattr(root+"/etc/subuid", accessACL, acl, 0))
	was, err = Root(root).Meta("/etc/subuid")
	require.NoError(t, err)
	require.NoError(t, replace(root, "/etc/subuid", "new", "newer"))
	now, err = Root(root).Meta("/etc/subuid")
	require.NoError(t, err)
	assert.Equal(t, was, now, "its own ACL stays")
}

func TestNewDirectoriesCanBePassedWhateverTheUmask(t *testing.T) {
	root := t.TempDir()
	old := syscall.Umask(0o077)
	err := Writer{Root: Root(root)}.MkdirAll("/etc/docker/daemon.json", 0o755)
	syscall.Umask(old)
	require.NoError(t, err)
	for _, dir := range []string{"etc", "etc/docker"} {
		info, err := os.Stat(filepath.Join(root, dir))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), dir)
	}
}
