//go:build linux

package machine

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A virtual machine moves data and undoes it over and over on a logged disk, as in
// [TestPowerCut]. On each disk that a power cut leaves, the same command goes on to
// the very files that it would have made, and undo, also of what was cut, brings the
// old ones back.
func TestPowerCutWhileDataMoves(t *testing.T) {
	hosttest.Need(t, "qemu-system-x86_64", "mke2fs", "mount", "umount", "unshare", "busybox", "e2fsck", "chattr", "setfacl", "setcap")
	for name, do := range map[string][]string{
		"the owners of a tree":    {"shift", "/var/lib/docker/volumes/data/_data", "--to", "1700000000:65536", "--accept-risk", "immutable"},
		"a volume that is copied": {"migrate", "data", "--accept-risk", "immutable"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &moveCutter{cutter: newCutter(t), do: append(do, "--yes", "--accept-risk", "in-use"), begun: map[bool]int{}}
			c.mounted(t, c.pristine, func(root string) {
				c.must(c.bin, "--root", root, "enable", "--yes", "--start", "1700000000")
				c.must("rm", "-r", filepath.Join(root, "var/lib/usernskit"))
				c.plant(filepath.Join(root, "var/lib/docker/volumes/data/_data"))
				c.old = c.snapshot(t, root)
			})
			moved := filepath.Join(c.work, "moved")
			c.must("cp", c.pristine, moved)
			c.mounted(t, moved, func(root string) {
				c.run(t, root, c.do...)
				c.new = c.snapshot(t, root)
			})
			require.NotEqual(t, c.old, c.new)
			loop := "remapctl --root /mnt " + strings.Join(c.do, " ") + " >/dev/null || echo a command failed\n\tremapctl --root /mnt " + strings.Join(undo, " ") + " >/dev/null || echo a command failed"
			if !long() { // so few cuts may all fall between two runs
				c.cut(12, 15, loop, c.check)
				return
			}
			c.cut(120, 60, loop, c.check)
			t.Logf("cut in the middle of a run: %v", c.begun)
			require.Positive(t, c.begun[true])
		})
	}
}

var undo = []string{"undo", "--yes", "--accept-risk", "in-use", "--accept-risk", "immutable"}

type moveCutter struct {
	*cutter
	do    []string
	cuts  int
	begun map[bool]int // the cuts, by whether something was under way
}

// plant makes a tree of files that a change of owner would take something from,
// among others.
func (c *moveCutter) plant(dir string) {
	script := `mkdir -p "$1" && cd "$1"
for d in a b c d; do
	mkdir $d
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo $d$i >$d/plain$i; chown $i:$((i + 1000)) $d/plain$i; done
	for i in setuid setgid cap acl fixed; do echo $i >$d/$i; chown 33:34 $d/$i; done
	chmod 4755 $d/setuid; chmod 2755 $d/setgid; setcap cap_net_raw+ep $d/cap; setfacl -m u:1000:rwx,g:50:r $d/acl
	ln $d/plain1 $d/again; ln $d/cap $d/cap-again
	setfacl -d -m u:33:rwx $d
	chmod 6755 $d/fixed; chattr +i $d/fixed
done
ln -s plain1 link; mkfifo pipe; chown -h 5:5 link pipe`
	c.must("sh", "-ec", script, "sh", dir)
}

func (c *moveCutter) mounted(t *testing.T, disk string, do func(root string)) {
	root := filepath.Join(c.work, "mnt")
	require.NoError(t, os.MkdirAll(root, 0o755))
	c.must("mount", "-o", "loop", disk, root)
	defer c.must("umount", root)
	do(root)
}

// run runs remapctl on the disk.
func (c *moveCutter) run(t *testing.T, root string, args ...string) {
	out, err := exec.Command(c.bin, append([]string{"--root", root}, args...)...).CombinedOutput()
	require.NoError(t, err, "%v\n%s", args, out)
}

// snapshot is every file of all volumes with all that a job may change or lose.
func (c *moveCutter) snapshot(t *testing.T, root string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "var/lib/docker"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !strings.Contains(path, "/_data") {
			return nil
		}
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st); err != nil {
			return err
		}
		text := fmt.Sprintf("%o %d:%d links %d immutable %v mtime %d.%d", st.Mode, st.Uid, st.Gid, st.Nlink, st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0, st.Mtime.Sec, st.Mtime.Nsec)
		for _, name := range []string{"security.capability", "system.posix_acl_access", "system.posix_acl_default"} {
			value := make([]byte, 4096)
			if n, err := unix.Lgetxattr(path, name, value); err == nil {
				text += fmt.Sprintf(" %s %x", name, value[:n])
			}
		}
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		files[strings.TrimPrefix(path, root)] = text
		return nil
	}))
	return files
}

// check is what a person does after the power is back: one of two goes on, and the
// other takes it back.
func (c *moveCutter) check(t *testing.T, disk string) {
	c.mounted(t, disk, func(root string) {
		found := c.snapshot(t, root)
		begun := !assert.ObjectsAreEqual(c.old, found) && !assert.ObjectsAreEqual(c.new, found)
		if jobs, _ := filepath.Glob(filepath.Join(root, "var/lib/usernskit/shift/*.json")); len(jobs) == 1 {
			data, err := os.ReadFile(jobs[0])
			require.NoError(t, err)
			begun = begun || gjson.GetBytes(data, "job_state").String() == "running"
		}
		c.begun[begun]++
		list, err := exec.Command(c.bin, "--root", root, "undo", "--list", "--json").Output()
		require.NoError(t, err)
		states := gjson.GetBytes(list, "receipts.#.state").String()
		if strings.Contains(states, "applying") || strings.Contains(states, "undoing") { // the list itself
			c.run(t, root, undo...)
		} else if c.cuts++; c.cuts%2 == 0 && strings.Contains(states, "applied") {
			c.run(t, root, undo...)
			require.Equal(t, c.old, c.snapshot(t, root), "undone at once")
		}
		c.run(t, root, c.do...)
		found = c.snapshot(t, root) // the next undo takes away what a cut one has left
		maps.DeleteFunc(found, func(name, _ string) bool { return strings.Contains(name, "/usernskit-undone/") })
		require.Equal(t, c.new, found, "gone on with")
		c.run(t, root, undo...)
		require.Equal(t, c.old, c.snapshot(t, root), "undone")
		c.run(t, root, c.do...)
		require.Equal(t, c.new, c.snapshot(t, root), "the next one")
	})
	out, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput()
	assert.NoError(t, err, "the file system itself is damaged\n%s", out)
}
