package bootargs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// The real u-boot-update (Debian's u-boot-menu) makes extlinux.conf from what we
// wrote, in a mount namespace with the directories of a tree for its own.
func TestUBootUpdate(t *testing.T) {
	if !hosttest.Private(t, "u-boot-update", "linux-version") {
		return
	}
	script, err := os.ReadFile("/usr/sbin/u-boot-update")
	require.NoError(t, err)
	ran := 0
	for _, c := range hostCases(t) {
		if !strings.HasPrefix(c.name, "u-boot-menu-") || c.head["kind"] == "unknown" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			ran++
			h := c.host(t)
			write(t, h, "/boot/vmlinuz-6.1.0", "")
			for _, dir := range []string{"/etc/default", "/etc/kernel", "/etc/u-boot-menu", "/boot"} {
				inside := filepath.Join(h.Root, dir)
				require.NoError(t, os.MkdirAll(inside, 0o755))
				require.NoError(t, os.MkdirAll(dir, 0o755)) // /etc is a copy here
				require.NoError(t, syscall.Mount(inside, dir, "", syscall.MS_BIND, ""))
				defer syscall.Unmount(dir, syscall.MNT_DETACH)
			}
			require.NoError(t, os.WriteFile("/etc/fstab", []byte("/dev/mmcblk0p2 / ext4 defaults 0 1\n"), 0o644))
			program := filepath.Join(h.Root, "u-boot-update")
			vendor := filepath.Join(h.Root, ubootVendor)
			require.NoError(t, os.WriteFile(program, []byte(strings.ReplaceAll(string(script), ubootVendor, vendor)), 0o755))
			update := func() error {
				out, err := exec.Command("/bin/sh", program).CombinedOutput()
				t.Logf("%s", out)
				return err
			}
			lines := func() (list []string) {
				for _, s := range parseExtlinux("/boot/extlinux/extlinux.conf", func(name string) []byte {
					data, err := h.ReadFile(name)
					require.NoError(t, err)
					return data
				}).labels {
					list = append(list, s.append.text)
				}
				return list
			}
			want, err := ParseArg(arg)
			require.NoError(t, err)

			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "arm64"})
			if c.head["refuse"] != "" {
				require.Error(t, err)
				assert.Error(t, update(), "it stops there too")
				return
			}
			require.NoError(t, err)
			require.NoError(t, update())
			for _, line := range lines() {
				assert.False(t, holds(line, want), line)
			}
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			require.NoError(t, update())
			require.NotEmpty(t, lines())
			for _, line := range lines() {
				assert.Contains(t, line, "root=/dev/mmcblk0p2", "it boots")
				if !strings.HasSuffix(line, " single") || c.name != "u-boot-menu-off" {
					assert.True(t, holds(line, want), line)
				}
			}
			report, err := Status(t.Context(), h, arg)
			require.NoError(t, err)
			if c.name != "u-boot-menu-off" {
				assert.Equal(t, StateActive, report.Future.State, "%+v", report.Future)
			}
		})
	}
	assert.GreaterOrEqual(t, ran, 8)
}
