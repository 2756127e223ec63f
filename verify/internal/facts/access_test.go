package facts

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

func TestWhoMayUseAMount(t *testing.T) {
	m, err := userns.NewMap(userns.Extent{HostID: 100000, Count: 65536})
	require.NoError(t, err)
	mapping := userns.Mapping{UID: m, GID: m}
	root := Subject{UID: 100000, GIDs: []uint32{100000}, Map: mapping}
	user := Subject{UID: 101000, GIDs: []uint32{101000, 100005}, Map: mapping}
	for name, c := range map[string]struct {
		who        Subject
		n          Inode
		bits       fs.FileMode
		yes, known bool
	}{
		"root, its own":                        {root, Inode{Mode: 0o600, UID: 100000, GID: 100000}, 6, true, true},
		"root, host root's private file":       {root, Inode{Mode: 0o600}, 4, false, true},
		"root, host root's open file":          {root, Inode{Mode: 0o644}, 4, true, true},
		"root, owner mapped and group not":     {root, Inode{Mode: fs.ModeDir | 0o700, UID: 100005}, 5, false, true},
		"root, owner and group mapped":         {root, Inode{Mode: fs.ModeDir | 0o700, UID: 100005, GID: 100005}, 7, true, true},
		"root may not execute what nobody may": {root, Inode{Mode: 0o600, UID: 100005, GID: 100005}, 1, false, true},
		"user, its own":                        {user, Inode{Mode: 0o400, UID: 101000}, 4, true, true},
		"the owner's bits alone count":         {user, Inode{Mode: 0o077, UID: 101000, GID: 101000}, 4, false, true},
		"by a supplementary group":             {user, Inode{Mode: 0o640, GID: 100005}, 4, true, true},
		"the group's bits alone count":         {user, Inode{Mode: 0o606, GID: 100005}, 4, false, true},
		"an ACL may say otherwise":             {user, Inode{Mode: 0o640, ACL: true}, 4, false, false},
		"an ACL does not change the owner's":   {user, Inode{Mode: 0o600, UID: 101000, ACL: true}, 4, true, true},
	} {
		yes, known := c.who.Can(c.n, c.bits)
		assert.Equal(t, c.yes, yes, name)
		assert.Equal(t, c.known, known, name)
	}
}

// The kernel itself is asked, for every mode of a file and a directory, every
// kind of owner and two kinds of users.
func TestWhoMayUseAMountAgreesWithTheKernel(t *testing.T) {
	hosttest.Need(t)
	m, err := userns.NewMap(userns.Extent{HostID: 100000, Count: 65536})
	require.NoError(t, err)
	mapping := userns.Mapping{UID: m, GID: m}
	dir := t.TempDir()
	var paths []string
	var inodes []Inode
	for _, owner := range []uint32{0, 100000, 101000} {
		for _, group := range []uint32{0, 100000, 101000} {
			for mode := fs.FileMode(0); mode < 0o1000; mode += 0o31 { // each bit in many company
				for _, isDir := range []bool{false, true} {
					p := filepath.Join(dir, fmt.Sprintf("%d-%d-%o-%v", owner, group, mode, isDir))
					if isDir {
						require.NoError(t, os.Mkdir(p, 0o700))
					} else {
						require.NoError(t, os.WriteFile(p, nil, 0o600))
					}
					require.NoError(t, os.Chown(p, int(owner), int(group)))
					require.NoError(t, os.Chmod(p, mode))
					n := Inode{Mode: mode, UID: owner, GID: group}
					if isDir {
						n.Mode |= fs.ModeDir
					}
					paths, inodes = append(paths, p), append(inodes, n)
				}
			}
		}
	}
	for _, id := range []uint32{0, 1000} {
		who := Subject{UID: 100000 + id, GIDs: []uint32{100000 + id}, Map: mapping}
		list, err := probe.Main().Access(t.Context(), mapping, probe.Credential{UID: id, GID: id}, paths...)
		require.NoError(t, err)
		require.Len(t, list, len(paths))
		for i, a := range list {
			require.NoError(t, a.Err, a.Path)
			for bit, kernel := range map[fs.FileMode]bool{4: a.Read, 2: a.Write, 1: a.Exec} {
				got, known := who.Can(inodes[i], bit)
				require.True(t, known)
				require.Equal(t, kernel, got, "user %d, bit %d of %v", id, bit, inodes[i])
			}
		}
	}
}
