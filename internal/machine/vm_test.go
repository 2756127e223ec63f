//go:build linux

package machine

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// A VM is a Debian on a disk of its own, with GRUB, in QEMU. The processor is
// emulated, so that a boot takes a minute or more and works everywhere. What
// was written is there at the next boot, and gone with the test.
type VM struct {
	t   testing.TB
	dir string
}

// NewVM prepares a machine. Nothing is started.
func NewVM(t testing.TB, s Suite) *VM {
	t.Helper()
	hosttest.Need(t, "qemu-system-x86_64", "qemu-img", "debootstrap", "mke2fs", "chroot")
	base := filepath.Join(disk(t, s), "disk")
	dir, err := os.MkdirTemp("", "vm") // a comma would end QEMU's option
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	v := &VM{t: t, dir: dir}
	v.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, filepath.Join(v.dir, "disk"))
	return v
}

// Boot starts the machine through its boot loader, runs a script in it once
// everything has started, and turns it off. The script's standard error is in
// Out too.
func (v *VM) Boot(script string) Result {
	v.t.Helper()
	pack(v.t, filepath.Join(v.dir, "in"), map[string]string{"remapctl": remapctl(v.t)}, script)
	console, out := filepath.Join(v.dir, "console"), filepath.Join(v.dir, "out")
	begin := time.Now()
	done := start(v.t, exec.Command("qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1536",
		"-nodefaults", "-display", "none", "-vga", "std", "-no-reboot",
		"-serial", "file:"+console, "-serial", "file:"+out,
		"-drive", "if=virtio,format=qcow2,cache=unsafe,file="+filepath.Join(v.dir, "disk"),
		"-drive", "if=virtio,format=raw,readonly=on,file="+filepath.Join(v.dir, "in")), nil)
	select {
	case <-done:
	case <-time.After(10 * time.Minute):
		log, _ := os.ReadFile(console)
		require.Fail(v.t, "the machine does not end", "%s", tail(string(log)))
	}
	text, err := os.ReadFile(out)
	require.NoError(v.t, err)
	r, err := result(strings.ReplaceAll(string(text), "\r\n", "\n"))
	if err != nil {
		log, _ := os.ReadFile(console)
		require.NoError(v.t, err, "%s\n%s", text, tail(string(log)))
	}
	v.t.Logf("%s\n%v\nbooted and ran in %.0f s", script, r, time.Since(begin).Seconds())
	return r
}

// Must is Boot for a script that ends well. It returns what the script printed.
func (v *VM) Must(script string) string {
	v.t.Helper()
	r := v.Boot(script)
	require.Zero(v.t, r.Code, "%s\n%v", script, r)
	return r.Out
}

// result takes apart what job wrote.
func result(text string) (Result, error) {
	i := strings.LastIndex(text, endMark)
	if i < 0 {
		return Result{}, fmt.Errorf("the script did not come to its end")
	}
	code, err := strconv.Atoi(strings.TrimSpace(text[i+len(endMark):]))
	return Result{Out: text[:i], Code: code}, err
}

func (v *VM) run(argv ...string) {
	v.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	require.NoError(v.t, err, "%s\n%s", argv, out)
}

// pack writes the tar that a machine has as its second disk.
func pack(t testing.TB, path string, programs map[string]string, script string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w := tar.NewWriter(f)
	add := func(name string, mode int64, data []byte) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}))
		_, err := w.Write(data)
		require.NoError(t, err)
	}
	for name, from := range programs {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		add(name, 0o755, data)
	}
	add("script", 0o644, []byte(script))
	require.NoError(t, w.Close())
}

// endMark is what job writes after all that the script wrote, before the exit
// code.
const endMark = "\n-- exit code "

// job runs the script of the second disk, and turns the machine off.
const job = `#!/bin/bash
stty -F /dev/ttyS1 raw
mkdir /run/in && tar -xf /dev/vdb -C /run/in && install /run/in/remapctl /usr/local/sbin
cd /root
{
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root bash -eu /run/in/script
	code=$?
	echo
	echo "-- exit code $code"
} 2>&1 </dev/null | cat >/dev/ttyS1
sync
systemctl poweroff
`

const jobUnit = `[Unit]
After=docker.service

[Service]
Type=idle
ExecStart=/usr/local/sbin/job

[Install]
WantedBy=multi-user.target
`

// firstConfig starts Linux until update-grub has run.
const firstConfig = `set timeout=0
menuentry Debian {
	linux /boot/vmlinuz-%[1]s root=LABEL=root ro console=ttyS0
	initrd /boot/initrd.img-%[1]s
}
`

// disk returns a directory with the disk of a Debian that boots through GRUB,
// as "disk", and with its kernel, as "vmlinuz" and "initrd".
func disk(t testing.TB, s Suite) string {
	t.Helper()
	list := append(s.packages(), "linux-image-cloud-amd64", "initramfs-tools", "zstd", "grub-pc-bin", "grub2-common", "apparmor")
	recipe := strings.Join(list, ",") + job + jobUnit + firstConfig
	return cached(t, string(s)+"-disk", recipe, func(dir string) error {
		root := filepath.Join(dir, "root")
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = debootstrap(s, list, root)
		}
		if err == nil {
			err = prepare(root, dir)
		}
		if err == nil {
			err = format(root, filepath.Join(dir, "disk"))
		}
		if err != nil {
			return err
		}
		return os.RemoveAll(root)
	})
}

// prepare adds to a tree what makes it a disk's, and takes the kernel out to
// dir.
func prepare(root, dir string) error {
	kernels, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return fmt.Errorf("kernels: %v, %w", kernels, err)
	}
	_, version, _ := strings.Cut(filepath.Base(kernels[0]), "-")
	script := fmt.Sprintf(`set -eu
cp %[1]s/boot/vmlinuz-%[3]s %[2]s/vmlinuz
cp %[1]s/boot/initrd.img-%[3]s %[2]s/initrd
cd %[1]s
mkdir -p boot/grub/i386-pc
cp usr/lib/grub/i386-pc/*.mod usr/lib/grub/i386-pc/*.lst boot/grub/i386-pc
sed 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=0/; s/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=ttyS0"/' usr/share/grub/default/grub >etc/default/grub
echo 'LABEL=root / ext4 defaults 0 1' >etc/fstab
echo machine >etc/hostname
chmod 755 usr/local/sbin/job
systemctl --root=. enable job.service
systemctl --root=. mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service
chroot . grub-mkimage -O i386-pc -o /core.img -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2
`, root, dir, version)
	files := map[string]string{
		"usr/local/sbin/job":             job,
		"etc/systemd/system/job.service": jobUnit,
		"boot/grub/grub.cfg":             fmt.Sprintf(firstConfig, version),
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		err = os.MkdirAll(filepath.Dir(path), 0o755)
		if err != nil {
			return err
		}
		err = os.WriteFile(path, []byte(text), 0o644)
		if err != nil {
			return err
		}
	}
	out, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

const (
	mebibyte = 1 << 20
	diskSize = 4096 // mebibytes, nearly all of it a hole
)

// format writes a disk with one partition, from 1 MiB on, that holds the tree,
// and GRUB in front of it.
func format(root, path string) error {
	err := os.WriteFile(path, nil, 0o644)
	if err == nil {
		err = os.Truncate(path, diskSize*mebibyte)
	}
	if err != nil {
		return err
	}
	out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", root, "-E", "offset="+strconv.Itoa(mebibyte),
		path, fmt.Sprintf("%dM", diskSize-1)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mke2fs: %w\n%s", err, out)
	}
	boot, err := os.ReadFile(filepath.Join(root, "usr/lib/grub/i386-pc/boot.img"))
	if err != nil {
		return err
	}
	core, err := os.ReadFile(filepath.Join(root, "core.img"))
	if err != nil {
		return err
	}
	if len(boot) != 512 || 512+len(core) > mebibyte {
		return fmt.Errorf("GRUB does not fit: %d and %d bytes", len(boot), len(core))
	}
	disk, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	// One active partition of type Linux; the rest of the table is empty. GRUB
	// expects its core where boot.img looks for it, in the second sector.
	sector := append([]byte{}, boot...)
	clear(sector[446:510])
	entry := sector[446:462]
	entry[0], entry[4] = 0x80, 0x83
	binary.LittleEndian.PutUint32(entry[8:], mebibyte/512)
	binary.LittleEndian.PutUint32(entry[12:], (diskSize-1)*(mebibyte/512))
	_, err = disk.WriteAt(append(sector, core...), 0)
	return err
}
