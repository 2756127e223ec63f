//go:build linux

package machine

import (
	"debug/pe"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

const (
	firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	stub     = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	loader   = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
	embedded = "console=ttyS0 panic=-1 root=/dev/embedded"
)

// systemd-boot hands an entry's options to a unified kernel image in place of
// its own line: one options line too many and root= is gone. So an entry without
// options has to stay without.
func TestUKI(t *testing.T) {
	if !long() {
		t.Skip("USERNSKIT_LONG is not set")
	}
	hosttest.Need(t, "qemu-system-x86_64", "objcopy", "busybox")
	for _, path := range []string{firmware, stub, loader} {
		require.FileExists(t, path, "packages ovmf and systemd-boot-efi")
	}
	const arg = "user_namespace.enable=1"
	e := newESP(t)

	t.Run("an entry of a UKI without options is left alone", func(t *testing.T) {
		e.write("loader/entries/arch.conf", "title Arch Linux\nefi /EFI/Linux/arch.efi\n")
		before := hash(t, e.root)
		out, err := exec.Command(remapctl(t), "--root", e.root, "bootargs", "set", "--yes", arg).CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), "arch", "it says which entry")
		assert.Equal(t, before, hash(t, e.root))
		assert.Equal(t, embedded, e.boot(t))
	})
	t.Run("options replace the line inside a UKI", func(t *testing.T) {
		e.write("loader/entries/arch.conf", "title Arch Linux\nefi /EFI/Linux/arch.efi\noptions console=ttyS0 panic=-1 "+arg+"\n")
		assert.Equal(t, "console=ttyS0 panic=-1 "+arg, e.boot(t))
	})
	t.Run("an entry of a kernel gets the argument", func(t *testing.T) {
		e.write("loader/entries/arch.conf", "title Arch Linux\nlinux /vmlinuz\ninitrd /initrd\noptions "+embedded+"\n")
		out, err := exec.Command(remapctl(t), "--root", e.root, "bootargs", "set", "--yes", arg).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, e.boot(t), embedded+" "+arg)
	})
}

// An esp is a host's tree whose /efi has systemd-boot, a kernel and a UKI of it.
type esp struct {
	t         *testing.T
	root, dir string
}

func newESP(t *testing.T) *esp {
	root, err := os.MkdirTemp("", "esp") // a comma would end QEMU's option
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	e := &esp{t: t, root: root, dir: filepath.Join(root, "efi")}
	busybox, err := exec.LookPath("busybox")
	require.NoError(t, err)
	kernel, err := os.ReadFile(filepath.Join(disk(t, Debian13), "vmlinuz"))
	require.NoError(t, err)
	program, err := os.ReadFile(loader)
	require.NoError(t, err)
	e.write("vmlinuz", string(kernel))
	e.write("initrd", string(cpio(t, map[string]string{"busybox": busybox}, `#!/bin/busybox sh
/own/busybox mkdir /proc
/own/busybox mount -t proc proc /proc
echo "== line"
/own/busybox cat /proc/cmdline
echo "== end"
/own/busybox reboot -f
`)))
	e.write("EFI/BOOT/BOOTX64.EFI", string(program))
	e.write("loader/loader.conf", "default arch.conf\ntimeout 0\n")
	e.write("cmdline", embedded)
	e.unify("EFI/Linux/arch.efi", map[string]string{".cmdline": "cmdline", ".initrd": "initrd", ".linux": "vmlinuz"})
	return e
}

func (e *esp) write(path, text string) {
	e.t.Helper()
	full := filepath.Join(e.dir, path)
	require.NoError(e.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(e.t, os.WriteFile(full, []byte(text), 0o644))
}

// unify adds files to systemd's stub, each as a section behind the one before.
func (e *esp) unify(path string, sections map[string]string) {
	f, err := pe.Open(stub)
	require.NoError(e.t, err)
	defer f.Close()
	last := f.Sections[len(f.Sections)-1]
	next := f.OptionalHeader.(*pe.OptionalHeader64).ImageBase + uint64(last.VirtualAddress) + uint64(last.VirtualSize)
	var args []string
	for _, name := range []string{".cmdline", ".initrd", ".linux"} { // the kernel needs room behind it
		file := filepath.Join(e.dir, sections[name])
		info, err := os.Stat(file)
		require.NoError(e.t, err)
		next = (next + 0xffff) &^ 0xffff
		args = append(args, "--add-section", name+"="+file, "--change-section-vma", name+"="+strconv.FormatUint(next, 10))
		next += uint64(info.Size())
	}
	require.NoError(e.t, os.MkdirAll(filepath.Dir(filepath.Join(e.dir, path)), 0o755))
	out, err := exec.Command("objcopy", append(args, stub, filepath.Join(e.dir, path))...).CombinedOutput()
	require.NoError(e.t, err, "%s", out)
}

// boot returns the command line that the kernel was started with.
func (e *esp) boot(t *testing.T) string {
	console := filepath.Join(e.root, "console")
	require.NoError(t, os.RemoveAll(console))
	done := start(t, exec.Command("qemu-system-x86_64", "-accel", "tcg", "-m", "1024",
		"-nodefaults", "-display", "none", "-vga", "std", "-no-reboot", "-serial", "file:"+console,
		"-drive", "if=pflash,format=raw,readonly=on,file="+firmware,
		"-drive", "if=virtio,format=raw,readonly=on,file=fat:"+e.dir), nil)
	select {
	case <-done:
	case <-time.After(4 * time.Minute):
	}
	text, err := os.ReadFile(console)
	require.NoError(t, err)
	return strings.TrimSpace(section(t, strings.ReplaceAll(string(text), "\r\n", "\n"), "line"))
}

func hash(t *testing.T, root string) string {
	out, err := exec.Command("sh", "-c", fmt.Sprintf("cd %s && find . -type f ! -name console -exec sha256sum {} + | sort", root)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
