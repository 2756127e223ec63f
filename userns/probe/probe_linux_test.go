package probe_test

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

// ownMapping maps only ourselves, which every user may do.
func ownMapping(t testing.TB) userns.Mapping {
	t.Helper()
	return userns.Mapping{
		UID: mustMap(t, userns.Extent{ID: 0, HostID: uint32(os.Geteuid()), Count: 1}),
		GID: mustMap(t, userns.Extent{ID: 0, HostID: uint32(os.Getegid()), Count: 1}),
	}
}

func remapped(t testing.TB) userns.Mapping {
	t.Helper()
	m := mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	return userns.Mapping{UID: m, GID: m}
}

func TestProbeMakesTheVeryMapping(t *testing.T) {
	needNamespaces(t)
	require.NoError(t, probe.Mapping(t.Context(), ownMapping(t)))
	hosttest.Need(t)
	require.NoError(t, probe.Mapping(t.Context(), remapped(t)))
	// Nothing that the kernel takes is refused: several ranges, no ID 0, the last IDs.
	require.NoError(t, probe.Mapping(t.Context(), userns.Mapping{
		UID: mustMap(t, userns.Extent{ID: 5, HostID: 200000, Count: 10}, userns.Extent{ID: 100, HostID: math.MaxUint32 - 10, Count: 10}),
		GID: mustMap(t, userns.Extent{ID: 1, HostID: 300000, Count: 1}),
	}))
	var many []userns.Extent
	for i := range uint32(150) {
		many = append(many, userns.Extent{ID: i * 3, HostID: 500000 + (150-i)*7, Count: 3})
	}
	require.NoError(t, probe.Mapping(t.Context(), userns.Mapping{UID: mustMap(t, many...), GID: mustMap(t, many...)}))
}

func TestProbeSaysWhichStepFailedAndWhy(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	var many []userns.Extent
	for i := range uint32(userns.MaxExtents) {
		many = append(many, userns.Extent{ID: i * 2, HostID: 1_000_000 + i*2, Count: 1})
	}
	err := probe.Mapping(t.Context(), userns.Mapping{UID: mustMap(t, many...), GID: remapped(t).GID})
	require.EqualError(t, err, "write uid_map: invalid argument: the map is 4705 bytes long and the kernel takes 4095")
	perr := &probe.Error{}
	require.ErrorAs(t, err, &perr)
	require.ErrorIs(t, err, syscall.EINVAL)
	assert.Equal(t, "use fewer ranges", perr.Remedy)

	err = probe.Mapping(t.Context(), userns.Mapping{UID: remapped(t).UID})
	require.ErrorIs(t, err, userns.ErrInvalidMap)

	// The rest is asked from within namespaces and a chroot of our own.
	ids := remapped(t).UID.SysProcIDMap()
	inside := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids,
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}}
	for name, c := range map[string]struct {
		attr *syscall.SysProcAttr
		want string
	}{
		"no more namespaces":  {inside, "create the namespace: no space left on device: user.max_user_namespaces is 0: no user namespace may be created"},
		"IDs that we lack":    {inside, "write uid_map: operation not permitted: this process may not give out all these IDs: "},
		"IDs that we have":    {inside, "<nil>"},
		"chroot":              {&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}, "create the namespace: operation not permitted: a chroot, a seccomp filter or a security module forbids it"},
		"somebody else's IDs": {&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}, "write uid_map: operation not permitted: only root may give out IDs other than one's own"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, c.attr, name)
			assert.Truef(t, strings.HasPrefix(got, c.want), "got  %s\nwant %s", got, c.want)
		})
	}
}

func TestAccessIsWhatTheContainersUserMayDo(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	dir := t.TempDir() // below directories of mode 0700, as a mount's source may be
	create := func(name string, uid, gid int, mode os.FileMode, isDir bool) string {
		path := filepath.Join(dir, name)
		if isDir {
			require.NoError(t, os.Mkdir(path, 0o700))
		} else {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		}
		require.NoError(t, os.Chown(path, uid, gid))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	socket := filepath.Join(dir, "docker.sock") // cannot be opened, only asked about
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, os.Chown(socket, 0, 100050))
	require.NoError(t, os.Chmod(socket, 0o660))
	root, www := probe.Credential{}, probe.Credential{UID: 33, GID: 33}
	grouped := probe.Credential{UID: 33, GID: 33, Groups: []uint32{50}}
	for _, c := range []struct {
		path string
		who  probe.Credential
		want string
	}{
		{create("hosts-0700", 0, 0, 0o700, true), root, "---"},
		{create("hosts-0755", 0, 0, 0o755, true), root, "r-x"},
		{create("www", 33, 33, 0o700, true), www, "---"}, // the host's www-data is nobody in there
		{create("shifted", 100033, 100033, 0o700, true), www, "rwx"},
		{create("shifted-root", 100033, 100033, 0o700, true), root, "rwx"}, // CAP_DAC_OVERRIDE
		{create("group-of-host", 100005, 0, 0o700, true), root, "---"},     // both owners must be mapped for that
		{create("both", 100005, 100005, 0o700, true), root, "rwx"},
		{create("group", 0, 100050, 0o770, true), www, "---"},
		{create("group2", 0, 100050, 0o770, true), grouped, "rwx"},
		{socket, root, "---"}, // its owner is not mapped
		{socket, grouped, "rw-"},
		{create("file", 100033, 100033, 0o640, false), www, "rw-"},
		{create("others", 0, 0, 0o604, false), www, "r--"},
	} {
		got, err := helper.Access(t.Context(), remapped(t), c.who, c.path)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.NoError(t, got[0].Err)
		assert.Equal(t, c.want, letters(got[0]), "%s as %v", filepath.Base(c.path), c.who)
	}

	got, err := helper.Access(t.Context(), remapped(t), root, filepath.Join(dir, "missing"), filepath.Join(dir, "both"))
	require.NoError(t, err)
	require.ErrorIs(t, got[0].Err, os.ErrNotExist)
	assert.Equal(t, "rwx", letters(got[1]), "answers stay with their paths")
}

func letters(a probe.Access) string {
	s := []byte("---")
	for i, yes := range []bool{a.Read, a.Write, a.Exec} {
		if yes {
			s[i] = "rwx"[i]
		}
	}
	return string(s)
}

func TestManyPathsGoInBatches(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	var paths []string
	for i := range 600 {
		path := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(path, nil, os.FileMode(0o400+0o200*(i%2))))
		paths = append(paths, path)
	}
	got, err := helper.Access(t.Context(), ownMapping(t), probe.Credential{}, paths...)
	require.NoError(t, err)
	require.Len(t, got, 600)
	for i, a := range got {
		require.NoError(t, a.Err)
		assert.Equal(t, paths[i], a.Path)
		assert.True(t, a.Read)
	}
}

func TestSharingTheHostsIPCIsAskedOfTheKernel(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	require.NoError(t, helper.Mqueue(t.Context(), remapped(t), syscall.CLONE_NEWIPC), "with an IPC namespace of its own it works")
	err := helper.IPC(t.Context(), remapped(t))
	t.Log(err)
	if err == nil {
		return // a kernel that allows it
	}
	perr := &probe.Error{}
	require.ErrorAs(t, err, &perr)
	assert.Equal(t, "mount mqueue", perr.Step)
	assert.Contains(t, perr.Remedy, "--ipc=host")
}

func TestAHelperThatIsNotFromMainRefuses(t *testing.T) {
	var none probe.Helper
	_, err := none.Access(t.Context(), ownMapping(t), probe.Credential{}, "/")
	require.EqualError(t, err, "the program does not call probe.Main first")
	require.Error(t, none.IPC(t.Context(), ownMapping(t)))
}
