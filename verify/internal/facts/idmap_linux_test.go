package facts

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
)

// "may not write" was said of mounts that arrive idmapped, though it can.
func TestAnIdmappedMountShowsOtherOwners(t *testing.T) {
	hosttest.Need(t)
	ids, err := userns.NewMap(userns.Extent{ID: 1000, HostID: 166536, Count: 1})
	require.NoError(t, err)
	src, dst := t.TempDir(), t.TempDir()
	tree, err := idmap.Clone(t.Context(), src, userns.Mapping{UID: ids, GID: ids})
	require.NoError(t, err)
	defer tree.Close()
	require.NoError(t, tree.Attach(dst))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dst, unix.MNT_DETACH)) })

	f := &Facts{Options: Options{Proc: userns.FS{Root: "/proc"}}}
	table := f.mountsOf(strconv.Itoa(os.Getpid()))
	require.NoError(t, table.Err)
	m := f.idMap(table.Value.At(filepath.Join(dst, "x")), os.Getpid())
	_, idmapped, err := m.Get()
	if err != nil {
		t.Skip("this kernel does not show the map of a mount: ", err)
	}
	require.True(t, idmapped)
	uid, gid, shown := Source{IDMap: m}.Owner(1000, 1000)
	assert.True(t, shown)
	assert.Equal(t, []uint32{166536, 166536}, []uint32{uid, gid})
	_, _, shown = Source{IDMap: m}.Owner(0, 1000)
	assert.False(t, shown, "an owner that the map lacks is nobody")
	none := f.idMap(table.Value.At(src), os.Getpid())
	assert.Equal(t, answer.Absent[userns.Mapping](), none, "a mount as any other")
	uid, _, shown = Source{IDMap: none}.Owner(7, 7)
	assert.True(t, shown)
	assert.EqualValues(t, 7, uid)
	_, _, shown = Source{}.Owner(7, 7)
	assert.False(t, shown, "a map that is not known")
}
