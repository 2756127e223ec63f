//go:build linux

package machine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A virtual machine enables and undoes remapping over and over on an ext4 that
// QEMU logs every write and flush of. The log then gives the disk as a power cut
// at any moment could have left it: with what was written so far, or, since a
// disk may keep writes back until it is told to flush them, with any part of
// what came after the last flush. On each such disk every file must be old or
// new, undo must bring all back, the next enable must work, and nothing may be
// left lying about.
func TestPowerCut(t *testing.T) {
	hosttest.Need(t, "qemu-system-x86_64", "mke2fs", "mount", "umount", "unshare", "busybox", "e2fsck")
	c := newCutter(t)
	const loop = `remapctl --root /mnt enable --yes >/dev/null || echo a command failed
	remapctl --root /mnt undo --yes >/dev/null || echo a command failed`
	if long() {
		c.cut(120, 60, loop, c.check)
	} else {
		c.cut(20, 15, loop, c.check)
	}
}

// cut runs commands over and over for some seconds, and calls check with the disk
// as power cuts at some moments leave it.
func (c *cutter) cut(cuts, seconds int, commands string, check func(*testing.T, string)) {
	t := c.t
	writes := c.record(seconds, commands)
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d writes and flushes, seed %d", len(writes), seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range cuts {
		at := random.IntN(len(writes))
		lose := i%2 == 0
		t.Run(fmt.Sprintf("%d of %d, writes that were not flushed are lost: %v", at, len(writes), lose), func(t *testing.T) {
			check(t, c.disk(t, writes[:at], lose, random))
		})
	}
}

// A cutter knows the host on the disk before and after enable.
type cutter struct {
	bin      string
	work     string
	pristine string
	old, new map[string]string
	t        *testing.T
}

func newCutter(t *testing.T) *cutter {
	c := &cutter{bin: remapctl(t), work: t.TempDir(), t: t}
	tree := filepath.Join(c.work, "tree")
	for path, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\ndockremap:x:100:102::/nonexistent:/bin/false\n",
		"etc/group":  "root:x:0:\nalice:x:1000:\ndockremap:x:102:\n",
		"etc/subuid": "alice:100000:65536\n", "etc/subgid": "alice:100000:65536\n",
		"etc/docker/daemon.json":            "{\n  \"log-level\": \"info\"\n}\n",
		"lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n",
		"usr/bin/dockerd":                   "",
	} {
		full := filepath.Join(tree, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
	c.pristine = filepath.Join(c.work, "pristine")
	c.must("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, c.pristine, "80M")
	c.old = snapshot(t, tree)
	c.must(c.bin, "--root", tree, "enable", "--yes")
	c.new = snapshot(t, tree)
	require.NotEqual(t, c.old, c.new)
	return c
}

func (c *cutter) must(argv ...string) string {
	c.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	require.NoError(c.t, err, "%s\n%s", argv, out)
	return string(out)
}

// snapshot is every file of a tree but the receipts, with mode and content.
func snapshot(t *testing.T, root string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		switch {
		case name == "/var/lib/usernskit" || name == "/lost+found":
			return fs.SkipDir
		case d.IsDir() || name == "/etc/.pwd.lock": // lckpwdf(3) leaves its file
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		files[name] = fmt.Sprintf("%v %s", info.Mode(), data)
		return err
	}))
	return files
}

// check is what a person finds, and does, after the power is back.
func (c *cutter) check(t *testing.T, disk string) {
	root := filepath.Join(c.work, "mnt")
	require.NoError(t, os.MkdirAll(root, 0o755))
	c.must("mount", "-o", "loop", disk, root) // the kernel replays ext4's journal
	defer func() {
		c.must("umount", root)
		out, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput()
		assert.NoError(t, err, "the file system itself is damaged\n%s", out)
	}()
	found := snapshot(t, root)
	for name := range c.old {
		if found[name] != c.old[name] {
			assert.Equal(t, c.new[name], found[name], "%s is old or new", name)
		}
	}
	list, _ := c.command(root, "undo", "--list").CombinedOutput()
	out, err := c.command(root, "undo", "--yes").CombinedOutput()
	if err != nil {
		assert.Contains(t, string(out), "nothing to undo", "%s", list)
	}
	back := snapshot(t, root)
	if err != nil {
		// Its locks stay until the next one that locks the file, useradd included.
		delete(back, "/etc/subuid.lock")
		delete(back, "/etc/subgid.lock")
	}
	assert.Equal(t, c.old, back, "undo brings all back and leaves nothing behind\n%s\n%s", list, out)
	out, err = c.command(root, "enable", "--yes").CombinedOutput()
	require.NoError(t, err, "the next enable\n%s", out)
	assert.Equal(t, c.new, snapshot(t, root), "%s", out)
}

// command runs remapctl as the first process of a PID namespace in which, as
// after a boot, another process has the PID that a lock file names.
func (c *cutter) command(root string, args ...string) *exec.Cmd {
	const taken = `for lock in "$1"/etc/*.lock; do
	pid=$(tr -d '\0' <"$lock" 2>/dev/null || true)
	[ "${pid:-1}" -le 1 ] || { echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid; sleep 100 & }
done
root=$1 program=$2
shift 2
exec "$program" --root "$root" "$@"`
	return exec.Command("unshare", append([]string{"--pid", "--fork", "--mount-proc", "sh", "-c", taken, "sh", root, c.bin}, args...)...)
}

// A write is an entry of the log.
type write struct {
	offset int64
	data   []byte
	flush  bool // all before it are on the disk
	fua    bool // it is, itself
}

// disk is the disk after some writes. Where lose is set, those after the last
// flush are there or not, by chance.
func (c *cutter) disk(t *testing.T, writes []write, lose bool, random *rand.Rand) string {
	// One name for each: mount(8) would take a loop device again that still has
	// blocks of the disk before.
	path := filepath.Join(t.TempDir(), "disk")
	data, err := os.ReadFile(c.pristine)
	require.NoError(t, err)
	flushed := 0
	for i, w := range writes {
		if w.flush {
			flushed = i
		}
	}
	for i, w := range writes {
		if !lose || i < flushed || w.fua || random.IntN(2) == 0 {
			copy(data[w.offset:], w.data)
		}
	}
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}

// record runs the machine and returns what it wrote to its disk.
func (c *cutter) record(seconds int, commands string) []write {
	t := c.t
	from := disk(t, Debian13)
	initrd, err := os.ReadFile(filepath.Join(from, "initrd"))
	require.NoError(t, err)
	busybox, err := exec.LookPath("busybox")
	require.NoError(t, err)
	// The kernel unpacks one archive after the other; files of the second win.
	initrd = append(initrd, make([]byte, -len(initrd)&511)...)
	initrd = append(initrd, cpio(t, map[string]string{"busybox": busybox, "remapctl": c.bin}, fmt.Sprintf(overAndOver, seconds, commands))...)
	require.NoError(t, os.WriteFile(filepath.Join(c.work, "initrd"), initrd, 0o600))
	log, console := filepath.Join(c.work, "log"), filepath.Join(c.work, "console")
	used := filepath.Join(c.work, "used")
	c.must("cp", c.pristine, used)
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	require.NoError(t, os.Truncate(log, 4<<30)) // a hole
	done := start(t, exec.Command("qemu-system-x86_64", "-accel", "tcg", "-smp", "1", "-m", "1024",
		"-nodefaults", "-display", "none", "-no-reboot", "-serial", "file:"+console,
		"-kernel", filepath.Join(from, "vmlinuz"), "-initrd", filepath.Join(c.work, "initrd"), "-append", "console=ttyS0 panic=-1",
		"-blockdev", "driver=file,node-name=used,filename="+used,
		"-blockdev", "driver=file,node-name=log,filename="+log,
		"-blockdev", "driver=blklogwrites,node-name=logged,file=used,log=log",
		"-device", "virtio-blk-pci,drive=logged"), nil)
	select {
	case <-done:
	case <-time.After(time.Duration(seconds)*time.Second + 3*time.Minute):
	}
	text, err := os.ReadFile(console)
	require.NoError(t, err)
	require.Contains(t, string(text), "done over and over", "%s", tail(string(text)))
	require.NotContains(t, string(text), "a command failed", "%s", tail(string(text)))
	data, err := os.Open(log)
	require.NoError(t, err)
	defer data.Close()
	writes := parseLog(t, data)
	// A boot would take as long: a process that is as old as a lock may hold it.
	time.Sleep(6 * time.Second)
	return writes
}

const overAndOver = `#!/bin/busybox sh
PATH=/own:/usr/sbin:/usr/bin:/sbin:/bin
busybox --install -s /own/
mkdir -p /proc /sys /dev /mnt
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe virtio_pci; modprobe virtio_blk; modprobe ext4
mount -t ext4 /dev/vda /mnt || reboot -f
end=$(($(date +%%s) + %d))
n=0
while [ $(date +%%s) -lt $end ]; do
	%s
	n=$((n + 1))
done
echo "done over and over, $n times"
reboot -f
`

// cpio is an archive of programs, below /own, and of /init, for the kernel.
func cpio(t *testing.T, programs map[string]string, init string) []byte {
	var b bytes.Buffer
	add := func(name string, mode int, data []byte) {
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.Write(data)
		b.Write(make([]byte, -b.Len()&3))
	}
	add("own", 0o040755, nil)
	for name, path := range programs {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		add("own/"+name, 0o100755, data)
	}
	add("init", 0o100755, []byte(strings.Replace(init, "/bin/busybox", "/own/busybox", 1)))
	add("TRAILER!!!", 0, nil)
	return b.Bytes()
}

// parseLog reads what QEMU's blklogwrites wrote, which is the format of the
// kernel's dm-log-writes.
func parseLog(t *testing.T, f *os.File) (writes []write) {
	var super struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}
	read := func(offset int64, n int) []byte {
		data := make([]byte, n)
		_, err := f.ReadAt(data, offset)
		require.NoError(t, err)
		return data
	}
	require.NoError(t, binary.Read(bytes.NewReader(read(0, 28)), binary.LittleEndian, &super))
	require.EqualValues(t, uint64(0x6a736677736872), super.Magic)
	require.NotZero(t, super.Entries)
	sector := int64(super.SectorSize)
	at := sector
	for range super.Entries {
		var e struct{ Sector, Sectors, Flags, DataLen uint64 }
		require.NoError(t, binary.Read(bytes.NewReader(read(at, 32)), binary.LittleEndian, &e))
		at += sector
		w := write{offset: int64(e.Sector) * sector, flush: e.Flags&1 != 0, fua: e.Flags&2 != 0}
		if e.Flags&4 == 0 { // else a discard, which has no data
			w.data = read(at, int(int64(e.Sectors)*sector))
			at += int64(len(w.data))
		}
		writes = append(writes, w)
	}
	return writes
}
