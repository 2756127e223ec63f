//go:build linux

package machine

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A virtual machine moves the owners of a tree and undoes it over and over on a
// logged disk, as in [TestPowerCut]. On each disk that a power cut leaves, the job
// goes on to the very tree that it would have made; a job whose journal says that
// it is done is; and undo and the next job work.
func TestPowerCutWhileOwnersMove(t *testing.T) {
	hosttest.Need(t, "qemu-system-x86_64", "mke2fs", "mount", "umount", "unshare", "busybox", "e2fsck", "chattr", "setfacl", "setcap")
	c := &shiftCutter{cutter{bin: remapctl(t), work: t.TempDir(), t: t}, map[string]int{}}
	c.pristine = filepath.Join(c.work, "pristine")
	require.NoError(t, os.WriteFile(c.pristine, nil, 0o600))
	require.NoError(t, os.Truncate(c.pristine, 80<<20))
	c.must("mke2fs", "-q", "-F", "-t", "ext4", c.pristine)
	c.mounted(t, c.pristine, func(root string) {
		c.plant(filepath.Join(root, "data"))
		c.old = c.snapshot(t, root)
	})
	moved := filepath.Join(c.work, "moved")
	c.must("cp", c.pristine, moved)
	c.mounted(t, moved, func(root string) {
		c.shift(t, root, "--to", shiftTo)
		c.new = c.snapshot(t, root)
	})
	require.NotEqual(t, c.old, c.new)
	words := "remapctl shift /mnt/data --yes " + strings.Join(shiftFlags, " ")
	loop := words + " --to " + shiftTo + " >/dev/null || echo a command failed\n\t" + words + " --undo >/dev/null || echo a command failed"
	if long() {
		c.cut(120, 60, loop, c.check)
	} else {
		c.cut(12, 15, loop, c.check)
	}
	t.Logf("jobs that were cut: %v", c.states)
	require.Positive(t, c.states["running"]+c.states["undoing"])
}

const shiftTo = "1700000000:65536"

var shiftFlags = []string{"--state", "/mnt/state", "--accept-risk", "in-use", "--lift-immutable"}

type shiftCutter struct {
	cutter
	states map[string]int // that the journal had after the cut
}

// plant makes a tree of files that a change of owner would take something from,
// among others.
func (c *shiftCutter) plant(dir string) {
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

func (c *shiftCutter) mounted(t *testing.T, disk string, do func(root string)) {
	root := filepath.Join(c.work, "mnt")
	require.NoError(t, os.MkdirAll(root, 0o755))
	c.must("mount", "-o", "loop", disk, root)
	defer c.must("umount", root)
	do(root)
}

// shift runs remapctl where the disk is at /mnt, as it was in the machine, and
// returns the state of the job; empty where there is none.
func (c *shiftCutter) shift(t *testing.T, root string, flags ...string) string {
	const script = `mount --bind "$1" /mnt && shift && exec "$@"`
	args := append([]string{"--mount", "sh", "-ec", script, "sh", root, c.bin, "shift", "/mnt/data", "--yes", "--json"}, append(flags, shiftFlags...)...)
	cmd := exec.Command("unshare", args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil && slices.Contains(flags, "--resume") && strings.Contains(string(out), "no job for this directory") {
		return ""
	}
	require.NoError(t, err, "%v\n%s%s", flags, out, errs.String())
	return gjson.GetBytes(out, "state").String()
}

// snapshot is every file below data with all that a job may change or lose.
func (c *shiftCutter) snapshot(t *testing.T, root string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
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

// check is what a person does after the power is back.
func (c *shiftCutter) check(t *testing.T, disk string) {
	c.mounted(t, disk, func(root string) {
		if list, _ := filepath.Glob(filepath.Join(root, "state/*.json")); len(list) == 1 {
			data, err := os.ReadFile(list[0])
			require.NoError(t, err)
			c.states[gjson.GetBytes(data, "job_state").String()]++
		}
		switch state := c.shift(t, root, "--resume"); state {
		case "", "undone":
			require.Equal(t, c.old, c.snapshot(t, root), "state %q", state)
		case "done":
			require.Equal(t, c.new, c.snapshot(t, root))
			c.shift(t, root, "--undo")
			require.Equal(t, c.old, c.snapshot(t, root), "undone")
		default:
			require.Fail(t, "not an end", "%s", state)
		}
		c.shift(t, root, "--to", shiftTo)
		require.Equal(t, c.new, c.snapshot(t, root), "the next job")
	})
	out, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput()
	assert.NoError(t, err, "the file system itself is damaged\n%s", out)
}
