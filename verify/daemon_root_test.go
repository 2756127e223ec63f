package verify

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestADataRootThatIsNoDirectoryIsNotOpen(t *testing.T) {
	const store = "var/lib/docker/165536.165536"
	for _, name := range []string{"var/lib/docker", "var/lib", store} {
		h := hosttest.Tree(t, good)
		unreadable(t, h, name)
		assert.Equal(t, []string{"D08 unknown"}, bad(run(t, Options{Host: h, Checks: []string{"D08"}})), name)

		h = with(t, hosttest.Tree(t, good), map[string]string{name: "x"})
		assert.Equal(t, []string{"D08 fail"}, bad(run(t, Options{Host: h, Checks: []string{"D08"}})), name)
	}
}

// Nobody reads what an ACL says, so neither its yes nor its no is known.
func TestTheWayToTheDataRootIsUnknownBehindAnACL(t *testing.T) {
	for name, c := range map[string]struct{ other, remapped uint16 }{
		"that lets the remapped root in":     {0, 1},
		"that keeps the remapped root out":   {5, 0},
		"that has nothing to do with either": {5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			h := with(t, hosttest.Tree(t, good), map[string]string{"var/lib/docker/x": "x"})
			setACL(t, filepath.Join(h.Root, "var/lib"), c.other, c.remapped)
			r := run(t, Options{Host: h, Checks: []string{"D08"}})
			assert.Equal(t, []string{"D08 unknown"}, bad(r), texts(r))
			assert.Contains(t, texts(r), "D08 /var/lib: has an ACL")
		})
	}
}

// setACL gives a directory an ACL with an entry for user 165536: acl(5).
func setACL(t *testing.T, dir string, other, user uint16) {
	t.Helper()
	const none = 0xffffffff
	acl := binary.LittleEndian.AppendUint32(nil, 2) // version
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 7, none}, {0x02, user, 165536}, {0x04, other, none}, {0x10, 7, none}, {0x20, other, none}} {
		acl = binary.LittleEndian.AppendUint16(acl, e.tag)
		acl = binary.LittleEndian.AppendUint16(acl, e.perm)
		acl = binary.LittleEndian.AppendUint32(acl, e.id)
	}
	err := unix.Setxattr(dir, "system.posix_acl_access", acl, 0)
	if runtime.GOOS != "linux" || errors.Is(err, unix.ENOTSUP) {
		t.Skip("no ACLs in ", os.TempDir())
	}
	require.NoError(t, err)
}
