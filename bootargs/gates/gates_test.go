package gates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// el7 is a host of the CentOS 7 family with one kernel.
func el7(t *testing.T, release, kernel string) usernskit.Host {
	h := hosttest.Tree(t, `
-- etc/os-release --
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
-- etc/default/grub --
GRUB_CMDLINE_LINUX="rhgb quiet"
-- boot/grub2/grub.cfg --
menuentry 'CentOS' {
	linux16 /vmlinuz root=/dev/sda1 ro rhgb quiet
}
`)
	if release != "" {
		write(t, h, "/etc/redhat-release", "CentOS Linux release "+release+" (Core)\n")
	}
	if kernel != "" {
		write(t, h, "/lib/modules/"+kernel+"/modules.order", "")
	}
	return h
}

func shut(t *testing.T, h usernskit.Host) string {
	t.Helper()
	g, err := Read(t.Context(), h)
	require.NoError(t, err)
	var list []string
	for _, gate := range g.Shut() {
		list = append(list, gate.Name)
		assert.NotEmpty(t, gate.Text)
	}
	return strings.Join(list, " ")
}

func TestEachKernelOfEL7HasItsGates(t *testing.T) {
	const limit = "user.max_user_namespaces"
	for _, tt := range []struct{ release, kernel, want string }{
		{"7.1.1503", "3.10.0-229.el7.x86_64", "CONFIG_USER_NS"},
		{"7.2.1511", "3.10.0-327.el7.x86_64", "user_namespace.enable"},
		{"7.3.1611", "3.10.0-514.26.2.el7.x86_64", "user_namespace.enable"},
		{"7.4.1708", "3.10.0-693.el7.x86_64", "namespace.unpriv_enable " + limit},
		{"7.5.1804", "3.10.0-862.14.4.el7.x86_64", "namespace.unpriv_enable " + limit},
		{"7.6.1810", "3.10.0-957.el7.x86_64", limit},
		{"7.9.2009", "3.10.0-1160.119.1.el7.x86_64", limit},
		{"7.9.2009", "3.10.0-514.el7.x86_64", "user_namespace.enable"}, // the kernel tells, not the release
		{"7.3.1611", "", "user_namespace.enable"},
		{"7.4.1708", "", "namespace.unpriv_enable " + limit},
		{"7.9.2009", "", limit},
		{"", "", "user_namespace.enable namespace.unpriv_enable " + limit},
		{"7.9.2009", "5.4.278-1.el7.elrepo.x86_64", ""},
	} {
		assert.Equal(t, tt.want, shut(t, el7(t, tt.release, tt.kernel)), "%s %s", tt.release, tt.kernel)
	}
}

func TestModernHostsNeedNothing(t *testing.T) {
	for _, name := range []string{"debian-12", "ubuntu-24.04", "fedora-42", "rhel-8", "rhel-10", "suse", "arch-systemd-boot", "raspberry-pi-os"} {
		text, err := os.ReadFile("../testdata/trees/" + name + ".txtar")
		require.NoError(t, err)
		h := hosttest.Tree(t, string(text))
		assert.Empty(t, shut(t, h), name)
		plan, err := Plan(t.Context(), h)
		require.NoError(t, err)
		assert.Equal(t, usernskit.Plan{}, plan, name)
	}
}

func TestEL74GetsItsArgumentAndItsLimit(t *testing.T) {
	h := el7(t, "7.4.1708", "3.10.0-693.el7.x86_64")
	before := hosttest.Snapshot(t, h)
	plan, err := Plan(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, `--- /etc/default/grub
+++ /etc/default/grub
@@ -1 +1 @@
-GRUB_CMDLINE_LINUX="rhgb quiet"
+GRUB_CMDLINE_LINUX="rhgb quiet namespace.unpriv_enable=1"
--- /dev/null
+++ /etc/sysctl.d/99-usernskit.conf
@@ -0,0 +1,2 @@
+# Made by usernskit: each remapped container needs a user namespace on root's account.
+user.max_user_namespaces = 15000
`, plan.Diff())
	var actions []string
	for _, a := range plan.Actions {
		actions = append(actions, a.When.String()+" "+a.Where.String()+" "+strings.Join(a.Argv, " "))
	}
	assert.Equal(t, []string{"now tree grub2-mkconfig -o /boot/grub2/grub.cfg", "later boot reboot", "now boot sysctl -p /etc/sysctl.d/99-usernskit.conf"}, actions)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "boot-arguments", plan.Warnings[0].ID)
	assert.Contains(t, plan.Warnings[0].Text, "namespace.unpriv_enable=1")

	receipt, err := h.Apply(t.Context(), plan)
	require.NoError(t, err)
	again, err := Plan(t.Context(), h)
	require.NoError(t, err)
	assert.Empty(t, again.Changes)
	require.NoError(t, h.Undo(t.Context(), receipt.ID, nil))
	assert.Equal(t, before, hosttest.Snapshot(t, h))
}

func TestLimitsThatAreResetAtTheNextBoot(t *testing.T) {
	const limit = "user.max_user_namespaces"
	for _, tt := range []struct {
		name  string
		files map[string]string
		shut  string
		where string
		warn  string // what the plan warns of
	}{
		{"the kernel's default", nil, "", "", ""},
		{"a STIG drop-in", map[string]string{"/etc/sysctl.d/99-stig.conf": "# V-1\nuser.max_user_namespaces = 0\n"}, limit, "/etc/sysctl.d/99-stig.conf:2", ""},
		{"with slashes and a minus", map[string]string{"/etc/sysctl.d/50.conf": "-user/max_user_namespaces=0\n"}, limit, "/etc/sysctl.d/50.conf:1", ""},
		{"a later file repairs it", map[string]string{"/etc/sysctl.d/50.conf": limit + "=0\n", "/usr/lib/sysctl.d/60.conf": limit + "=20000\n"}, "", "/usr/lib/sysctl.d/60.conf:1", ""},
		{"/etc hides /usr/lib", map[string]string{"/etc/sysctl.d/60.conf": "# nothing\n", "/usr/lib/sysctl.d/60.conf": limit + "=0\n"}, "", "", ""},
		{"the last line wins", map[string]string{"/etc/sysctl.d/60.conf": limit + "=20000\n" + limit + "=0\n"}, limit, "/etc/sysctl.d/60.conf:2", ""},
		{"a pattern", map[string]string{"/etc/sysctl.d/60.conf": "user.max_*_namespaces=0\n"}, limit + " user.max_mnt_namespaces user.max_pid_namespaces user.max_ipc_namespaces user.max_uts_namespaces user.max_net_namespaces user.max_cgroup_namespaces", "/etc/sysctl.d/60.conf:1", ""},
		{"a pattern does not change what is named", map[string]string{"/etc/sysctl.d/10.conf": limit + "=20000\n", "/etc/sysctl.d/60.conf": "user.max_us*=0\n"}, "", "/etc/sysctl.d/10.conf:1", ""},
		{"comments do not count", map[string]string{"/etc/sysctl.d/60.conf": "#" + limit + "=0\n;" + limit + "=0\n"}, "", "", ""},
		{"the missing s of many guides", map[string]string{"/etc/sysctl.d/60.conf": "user.max_user_namespace=0\n"}, "", "", ""},
		{"a file after ours", map[string]string{"/etc/sysctl.d/99-zz.conf": limit + "=0\n"}, limit, "/etc/sysctl.d/99-zz.conf:1", "sysctl-overridden"},
		{"too few", map[string]string{"/etc/sysctl.d/60.conf": limit + "=100\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"no number", map[string]string{"/etc/sysctl.d/60.conf": limit + "=lots\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"a binary number", map[string]string{"/etc/sysctl.d/60.conf": limit + "=0b1111111111111\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"a number with 0o", map[string]string{"/etc/sysctl.d/60.conf": limit + "=0o77777\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"a number with _", map[string]string{"/etc/sysctl.d/60.conf": limit + "=15_000\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"a hexadecimal number", map[string]string{"/etc/sysctl.d/60.conf": limit + "=0x3a98\n"}, "", "/etc/sysctl.d/60.conf:1", ""},
		{"an octal number", map[string]string{"/etc/sysctl.d/60.conf": limit + "=035230\n"}, "", "/etc/sysctl.d/60.conf:1", ""},
		{"an octal number that is too low", map[string]string{"/etc/sysctl.d/60.conf": limit + "=01024\n"}, limit, "/etc/sysctl.d/60.conf:1", ""},
		{"sysctl.conf by its link", map[string]string{"/etc/sysctl.d/99-sysctl.conf": limit + "=0\n"}, limit, "/etc/sysctl.d/99-sysctl.conf:1", ""},
		{"sysctl.conf that systemd does not read", map[string]string{"/etc/sysctl.conf": limit + "=0\n"}, "", "", "sysctl-conf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\nVERSION_ID=12\n")
			for name, text := range tt.files {
				write(t, h, name, text)
			}
			assert.Equal(t, tt.shut, shut(t, h))
			g, err := Read(t.Context(), h)
			require.NoError(t, err)
			assert.Equal(t, tt.where, g.List[0].Where)
			plan, err := Plan(t.Context(), h)
			require.NoError(t, err)
			warned := ""
			for _, w := range plan.Warnings {
				warned = w.ID
			}
			assert.Equal(t, tt.warn, warned)
			if tt.shut == "" {
				assert.Empty(t, plan.Changes)
				return
			}
			require.Len(t, plan.Changes, 1)
			assert.Equal(t, sysctlPath, plan.Changes[0].Path)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			again, err := Plan(t.Context(), h)
			require.NoError(t, err)
			assert.Empty(t, again.Changes)
			if tt.warn == "" {
				assert.Empty(t, shut(t, h))
			}
		})
	}
}

func TestGatesOfTheRunningKernel(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- proc/sys/user/max_user_namespaces --\n0\n-- proc/sys/kernel/osrelease --\n6.1.0\n"+
		"-- proc/sys/kernel/unprivileged_userns_clone --\n0\n-- proc/sys/kernel/apparmor_restrict_unprivileged_userns --\n1\n-- proc/self/ns/mnt --\n")
	assert.Equal(t, "CONFIG_USER_NS user.max_user_namespaces", shut(t, h))
	g, err := Read(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, "6.1.0", g.Kernel)
	var harmless []string
	for _, gate := range g.List {
		if gate.State == StateHarmless {
			harmless = append(harmless, gate.Name+"="+gate.Now)
		}
	}
	assert.Equal(t, []string{"kernel.unprivileged_userns_clone=0", "kernel.apparmor_restrict_unprivileged_userns=1"}, harmless)

	write(t, h, "/proc/self/ns/user", "")
	write(t, h, "/etc/sysctl.d/10-containers.conf", "user.max_user_namespaces=28633\n")
	plan, err := Plan(t.Context(), h)
	require.NoError(t, err)
	assert.Empty(t, plan.Changes, "the next boot is fine already")
	require.Len(t, plan.Actions, 1)
	assert.Equal(t, []string{"sysctl", "-w", "user.max_user_namespaces=15000"}, plan.Actions[0].Argv)
}

func TestOurOwnSysctlFileIsEditedInPlace(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/sysctl.d/99-usernskit.conf --\n# mine\nuser.max_user_namespaces\t=  10 \nkernel.x=1\n")
	plan, err := Plan(t.Context(), h)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "# mine\nuser.max_user_namespaces\t=  15000 \nkernel.x=1\n", string(plan.Changes[0].After))
}

func TestMaskedSysctlFilesHoldNothing(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- dev/null/is-not-regular --\n-- etc/sysctl.d/60.conf -> /dev/null --\n-- usr/lib/sysctl.d/60.conf --\nuser.max_user_namespaces=0\n")
	assert.Empty(t, shut(t, h))
}

func TestGatesDoNotNeedTheBootLoadersFiles(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=fedora\nVERSION_ID=42\n-- boot/grub2/grub.cfg/is-a-directory --\n")
	assert.Empty(t, shut(t, h))
	_, err := bootargs.Detect(t.Context(), h)
	assert.ErrorIs(t, err, usernskit.ErrNotRegular)
}

func TestArgumentsThatAreNotOursToSetAreAWarning(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=centos\nID_LIKE=rhel\nVERSION_ID=7\n-- etc/redhat-release --\nCentOS Linux release 7.3.1611 (Core)\n")
	plan, err := Plan(t.Context(), h)
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "boot-arguments", plan.Warnings[0].ID)
}

func write(t *testing.T, h usernskit.Host, name, text string) {
	t.Helper()
	path := filepath.Join(h.Root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// With any one file unreadable a plan is refused, or stays what it was.
func TestUnreadableFiles(t *testing.T) {
	files := []string{"/etc/os-release", "/etc/redhat-release", "/etc/default/grub", "/boot/grub2/grub.cfg", "/etc/sysctl.d/10-limits.conf", "/etc/sysctl.conf"}
	host := func() usernskit.Host {
		h := el7(t, "7.4.1708", "3.10.0-693.el7.x86_64")
		write(t, h, "/etc/sysctl.d/10-limits.conf", "user.max_mnt_namespaces=0\n")
		write(t, h, "/etc/sysctl.conf", "user.max_user_namespaces=0\n")
		return h
	}
	for _, name := range files {
		h := host()
		path := filepath.Join(h.Root, name)
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Symlink(filepath.Base(path), path)) // a loop: root cannot read it either
		_, err := Plan(t.Context(), h)
		assert.Error(t, err, name)
		report, err := Read(t.Context(), h)
		if err == nil {
			for _, gate := range report.List {
				assert.NotEqual(t, StateOpen, gate.State, "%s: %s", name, gate.Name)
			}
		}
	}
	plan, err := Plan(t.Context(), host())
	require.NoError(t, err)
	assert.Len(t, plan.Changes, 2)
}
