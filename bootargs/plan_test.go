package bootargs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestNothingIsPlannedWhereOneStoreCannot(t *testing.T) {
	full := strings.Repeat("y", 800)
	for _, tt := range []struct {
		name, tree string
		files      map[string]string
		edit       Edit
		want       error
		file       string
	}{
		{"a control character", "rhel-8", nil, Edit{Set: []string{"a=\x01"}}, ErrSyntax, ""},
		{"a value that GRUB cannot carry", "fedora-42", nil, Edit{Set: []string{`a="it's"`}}, ErrEncoding, "/boot/loader/entries"},
		{"no room in the environment block", "rhel-8", nil, Edit{Set: []string{"y=" + full + full[:150]}}, ErrTooLong, "/boot/grub2/grubenv"},
		{"a line over the limit", "raspberry-pi-os", nil, Edit{Set: []string{"y=" + full + full}}, ErrTooLong, "/boot/firmware/cmdline.txt"},
		{"an entry over the limit", "rhel-9", nil, Edit{Set: []string{"y=" + full + full + full}}, ErrTooLong, ""},
		{"a broken environment block", "rhel-8", map[string]string{"/boot/efi/EFI/redhat/grubenv": "kernelopts=a\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/boot/grub2/grubenv"},
		{"an unknown kernel", "fedora-42", nil, Edit{Set: []string{arg}, Kernel: "/boot/vmlinuz-1.2.3"}, ErrUnknownKernel, ""},
		{"an index too many", "fedora-42", nil, Edit{Set: []string{arg}, Kernel: "7"}, ErrUnknownKernel, ""},
		{"one kernel where there is one line", "debian-12", nil, Edit{Set: []string{arg}, Kernel: "0"}, ErrUnsupported, ""},
		{"one kernel on a Raspberry Pi", "raspberry-pi-os", nil, Edit{Set: []string{arg}, Kernel: "0"}, ErrUnsupported, ""},
		{"two lines on a Raspberry Pi", "raspberry-pi-os", map[string]string{"/boot/firmware/cmdline.txt": "a\nb\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/boot/firmware/cmdline.txt"},
		{"an unreadable source", "suse", map[string]string{"/etc/default/grub": "GRUB_CMDLINE_LINUX=\"a\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/etc/default/grub"},
		{"a command in /etc/kernel/cmdline", "fedora-42", map[string]string{"/etc/kernel/cmdline": "ro; reboot\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/etc/kernel/cmdline"},
		{"a dollar for U-Boot", "extlinux-fedora-arm", nil, Edit{Set: []string{"a=$b"}}, ErrEncoding, ""},
		{"grubby that is not there", "rhel-9", nil, Edit{Set: []string{arg}, ViaGrubby: true}, ErrUnsupported, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(t, tt.tree)
			for name, text := range tt.files {
				write(t, h, name, text)
			}
			tt.edit.Arch = "amd64"
			plan, err := PlanEdit(t.Context(), h, tt.edit)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, usernskit.Plan{}, plan)
			if tt.file != "" {
				var at *usernskit.FileError
				require.True(t, errors.As(err, &at), "%v", err)
				assert.Equal(t, tt.file, at.File)
			}
		})
	}
}

func TestHostsOfOtherProgramsAreExplained(t *testing.T) {
	for _, tt := range []struct{ name, files, kind, command string }{
		{"rpm-ostree", "-- run/ostree-booted --\n-- usr/bin/rpm-ostree --\n-- usr/bin/bootc --\n", "rpm-ostree", "rpm-ostree kargs --append-if-missing=a=1 --delete-if-present=b"},
		{"ostree", "-- ostree/repo/config --\n", "rpm-ostree", "ostree admin kargs edit-in-place --append-if-missing=a=1 --delete=b"},
		{"bootc", "-- usr/lib/bootc/kargs.d/10.toml --\nkargs = [\"a\"]\n", "bootc", ""},
		{"zipl", "-- etc/zipl.conf --\n[defaultboot]\n", "zipl", "zipl"},
		{"proxmox", "-- etc/kernel/proxmox-boot-uuids --\n0A1B\n-- boot/grub/grub.cfg --\n", "other", "proxmox-boot-tool refresh"},
		{"unified images", "-- efi/EFI/Linux/arch-linux.efi --\nMZ\n-- efi/loader/loader.conf --\ntimeout 3\n", "uki", "kernel-install add-all"},
		{"limine", "-- boot/limine.conf --\n", "other", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.Tree(t, tt.files)
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{"a=1"}, Remove: []string{"b"}})
			require.ErrorIs(t, err, ErrOwned)
			assert.Equal(t, usernskit.Plan{}, plan)
			assert.True(t, strings.HasPrefix(err.Error(), tt.kind+": "+ErrOwned.Error()+": "), "%v", err)
			_, command, _ := strings.Cut(err.Error(), "; run: ")
			assert.Equal(t, tt.command, command)
		})
	}
	_, err := PlanEdit(t.Context(), hosttest.Tree(t, "-- etc/os-release --\nID=alpine\n"), Edit{Set: []string{"a=1"}})
	assert.ErrorIs(t, err, ErrNoLoader)
}

func TestOneKernelIsFoundByEachOfItsNames(t *testing.T) {
	const newest, older = "b1a2c3-6.14.0-63.fc42.x86_64", "b1a2c3-6.13.9-200.fc42.x86_64"
	for kernel, want := range map[string]string{
		Default:                                newest,
		"0":                                    newest,
		"1":                                    older,
		"2":                                    "b1a2c3-0-rescue",
		"/boot/vmlinuz-6.13.9-200.fc42.x86_64": older,
		"/vmlinuz-6.13.9-200.fc42.x86_64":      older,
		older:                                  older,
		"Fedora Linux (6.14.0-63.fc42.x86_64) 42": newest,
	} {
		h := tree(t, "fedora-42")
		plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: kernel, Arch: "amd64"})
		require.NoError(t, err, kernel)
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, "/boot/loader/entries/"+want+".conf", plan.Changes[0].Path, kernel)
	}
	h := tree(t, "fedora-42")
	write(t, h, defaultGrub, "GRUB_DEFAULT=1\nGRUB_CMDLINE_LINUX=\"\"\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, "/boot/loader/entries/"+older+".conf", plan.Changes[0].Path)
}

func TestRescueEntriesAreEditedOnlyWhenAsked(t *testing.T) {
	h := tree(t, "fedora-42")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Rescue: true, Arch: "amd64"})
	require.NoError(t, err)
	assert.Contains(t, plan.Diff(), "0-rescue")
}

func TestKernelInstallKeepsBelievingItsFile(t *testing.T) {
	h := tree(t, "rhel-9")
	write(t, h, "/etc/kernel/cmdline", "ro "+arg+"\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Actions)
	assert.Equal(t, []string{"touch", "/etc/kernel/cmdline"}, plan.Actions[0].Argv, "it must not be older than /etc/default/grub")
}

func TestLongLinesWarn(t *testing.T) {
	plan, err := PlanEdit(t.Context(), tree(t, "raspberry-pi-os"), Edit{Set: []string{"y=" + strings.Repeat("y", 750)}, Arch: "arm64"})
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "long-line", plan.Warnings[0].ID)
}

func TestArchitectureIsTheTreesOwn(t *testing.T) {
	h := tree(t, "suse")
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x02\x02\x01")
	elf[19], elf[23] = 22, 1 // s390x, big endian
	write(t, h, "/usr/bin/env", string(elf))
	_, err := PlanEdit(t.Context(), h, Edit{Set: []string{"y=" + strings.Repeat("y", 850)}})
	require.ErrorIs(t, err, ErrTooLong)
	assert.Contains(t, err.Error(), "895 on s390x")
}

// Someone may have commented out what our drop-in says. What is added there
// again must not take the place of the main file's arguments.
func TestADropInOfCommentsKeepsTheMainFilesArguments(t *testing.T) {
	for _, e := range []Edit{{Set: []string{arg}}, {Append: []string{arg}}, {AddIfMissing: []string{arg}}, {Replace: []string{"console=hvc0"}}} {
		h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\"root=/dev/x ro\"\n"+
			"-- etc/default/grub.d/99-usernskit.cfg --\n#GRUB_CMDLINE_LINUX=\"${GRUB_CMDLINE_LINUX} x\"\n")
		plan, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		_, err = h.Apply(t.Context(), plan)
		require.NoError(t, err)
		report, err := Status(t.Context(), h)
		require.NoError(t, err)
		want, err := e.Apply("root=/dev/x ro")
		require.NoError(t, err)
		assert.True(t, equalLines(want, report.Future.Line), "%+v: %s", e, report.Future.Line)
		plan, err = PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		assert.Empty(t, plan.Changes)
	}
}

func TestVendorDropInsAreNamedAndLeft(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, "/etc/default/grub.d/60-vendor.cfg", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX vendor.x=1\"\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	plan, err = PlanEdit(t.Context(), h, Edit{Remove: []string{"vendor.x", "net.ifnames"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, defaultGrub, plan.Changes[0].Path, "where the administrator writes")
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "still-set", plan.Warnings[0].ID)
	assert.Contains(t, plan.Warnings[0].Text, "vendor.x")
	plan, err = PlanEdit(t.Context(), h, Edit{Set: []string{"vendor.x=2"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Contains(t, string(plan.Changes[0].After), arg+" vendor.x=2\"\n", "ours comes later and wins")
	assert.Empty(t, plan.Warnings)
}

func TestConsolesOnDebianAreReplacedWhereTheyStand(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0 a\"\n")
	require.NoError(t, os.Remove(filepath.Join(h.Root, "/etc/default/grub.d/50-cloudimg-settings.cfg")))
	plan, err := PlanEdit(t.Context(), h, Edit{Replace: []string{"console=hvc0"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "GRUB_CMDLINE_LINUX=\"console=hvc0 a\"\n", string(plan.Changes[0].After))
}

func TestMenuOnTheESPIsTheOneThatIsMade(t *testing.T) {
	h := tree(t, "rhel-7.9")
	write(t, h, "/sys/firmware/efi/fw_platform_size", "64\n")
	write(t, h, "/boot/efi/EFI/redhat/grub.cfg", "menuentry x {\n\tlinuxefi /v ro\n}\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"grub2-mkconfig", "-o", "/boot/efi/EFI/redhat/grub.cfg"}, plan.Actions[0].Argv)
	write(t, h, "/boot/efi/EFI/redhat/grub.cfg", "search --set x\nconfigfile $prefix/grub.cfg\n")
	plan, err = PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"}, plan.Actions[0].Argv, "a wrapper is not overwritten")
}

func TestOurDropInSortsLast(t *testing.T) {
	e := Edit{Set: []string{arg}, Arch: "amd64"}
	for vendor, want := range map[string]string{"hetzner": "zz", "50-x": "99", "zz-cloud": "zz", "zzzz": "zzzzz"} {
		h := tree(t, "debian-12")
		write(t, h, "/etc/default/grub.d/"+vendor+".cfg", "GRUB_CMDLINE_LINUX=\"consoleblank=0\"\n")
		plan, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1, vendor)
		assert.Equal(t, "/etc/default/grub.d/"+want+"-usernskit.cfg", plan.Changes[0].Path, vendor)
		assert.Empty(t, plan.Warnings)
		_, err = h.Apply(t.Context(), plan)
		require.NoError(t, err)
		report, err := Status(t.Context(), h, arg)
		require.NoError(t, err)
		assert.Equal(t, StateActive, report.Future.State, "%s: %s", vendor, report.Future.Line)
		again, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		assert.Empty(t, again.Changes, vendor)
	}

	// A file that comes behind ours later: ours moves, with all that it holds.
	h := tree(t, "debian-12")
	before := hosttest.Snapshot(t, h)
	apply := func(e Edit) usernskit.Plan {
		e.Arch = "amd64"
		plan, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		_, err = h.Apply(t.Context(), plan)
		require.NoError(t, err)
		return plan
	}
	apply(e)
	write(t, h, "/etc/default/grub.d/hetzner.cfg", "GRUB_CMDLINE_LINUX=\"consoleblank=0\"\n")
	plan := apply(Edit{Set: []string{"x=1"}})
	require.Len(t, plan.Changes, 2)
	report, err := Status(t.Context(), h, arg, "x=1")
	require.NoError(t, err)
	assert.Equal(t, StateActive, report.Future.State)
	assert.Equal(t, "/etc/default/grub.d/zz-usernskit.cfg", report.Future.Path)
	apply(Edit{Remove: []string{"x", "user_namespace.enable"}})
	require.NoError(t, os.Remove(filepath.Join(h.Root, "/etc/default/grub.d/hetzner.cfg")))
	assert.Equal(t, before, hosttest.Snapshot(t, h))
}

func TestEachDistributionMakesItsMenuInItsOwnWay(t *testing.T) {
	const grub = "-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\"\"\n"
	for _, tt := range []struct{ name, files, want string }{
		{"Arch", "-- etc/os-release --\nID=arch\n" + grub, "grub-mkconfig -o /boot/grub/grub.cfg"},
		{"Gentoo", "-- etc/os-release --\nID=gentoo\n-- boot/grub/grub.cfg --\n" + grub, "grub-mkconfig -o /boot/grub/grub.cfg"},
		{"Mint", "-- etc/os-release --\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n" + grub, "update-grub"},
		{"an EL image without a menu", "-- etc/os-release --\nID=rocky\nID_LIKE=\"rhel centos fedora\"\n" + grub, "grub2-mkconfig -o /boot/grub2/grub.cfg"},
		{"MicroOS", "-- etc/os-release --\nID=opensuse-microos\nID_LIKE=\"suse opensuse\"\n-- usr/sbin/transactional-update --\n" + grub, "transactional-update grub.cfg"},
	} {
		plan, err := PlanEdit(t.Context(), hosttest.Tree(t, tt.files), Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err, tt.name)
		require.NotEmpty(t, plan.Actions, tt.name)
		assert.Equal(t, tt.want, strings.Join(plan.Actions[0].Argv, " "), tt.name)
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, defaultGrub, plan.Changes[0].Path, "without grub.d the file itself")
	}
	_, err := PlanEdit(t.Context(), hosttest.Tree(t, "-- boot/loader/loader.conf --\ntimeout 3\n"), Edit{Set: []string{arg}})
	assert.ErrorIs(t, err, ErrNoPlace)
}

// A U-Boot host whose extlinux.conf is made from another file is edited there.
func TestExtlinuxIsEditedWhereItIsMadeFrom(t *testing.T) {
	const conf = "-- boot/extlinux/extlinux.conf --\nlabel l0\n\tlinux /v\n\tappend root=/dev/sda1 ro\n"
	for _, tt := range []struct{ name, files, path, after, run string }{
		{"u-boot-menu", "-- etc/default/u-boot --\nU_BOOT_PARAMETERS=\"ro quiet\"\n", "/etc/default/u-boot", "U_BOOT_PARAMETERS=\"ro quiet " + arg + "\"\n", "u-boot-update"},
		{"u-boot-menu by kernel-install's file", "-- etc/default/u-boot --\n#\n-- etc/kernel/cmdline --\nroot=/dev/x ro\n", "/etc/kernel/cmdline", "root=/dev/x ro " + arg + "\n", "u-boot-update"},
		{"Alpine", "-- etc/update-extlinux.conf --\ndefault_kernel_opts=\"quiet\"\nmodules=ext4\n", "/etc/update-extlinux.conf", "default_kernel_opts=\"quiet " + arg + "\"\nmodules=ext4\n", "update-extlinux"},
	} {
		plan, err := PlanEdit(t.Context(), hosttest.Tree(t, conf+tt.files), Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err, tt.name)
		require.Len(t, plan.Changes, 1, tt.name)
		assert.Equal(t, tt.path, plan.Changes[0].Path)
		assert.Equal(t, tt.after, string(plan.Changes[0].After))
		assert.Equal(t, []string{tt.run}, plan.Actions[0].Argv)
	}
}

// u-boot-update takes all of /etc/kernel/cmdline for the root where it has no
// root=, and one line of it for the menu.
func TestUBootMenuNeedsARootInKernelCmdline(t *testing.T) {
	const host = "-- boot/extlinux/extlinux.conf --\nlabel l0\n\tlinux /v\n\tappend root=/dev/sda1 ro\n-- etc/kernel/cmdline --\n"
	for _, tt := range []struct {
		files string
		want  error
	}{
		{"ro\n-- etc/default/u-boot --\n#\n", ErrUnsupported},
		{"ro\n-- etc/default/u-boot --\nU_BOOT_ROOT=root=/dev/x\n", nil},
		{"root=/dev/x\nro\n-- etc/default/u-boot --\n#\n", ErrUnsupportedSyntax},
		{"root=/dev/x\nro\n-- etc/default/u-boot --\n. /etc/x\n-- etc/x --\n", ErrUnsupportedSyntax},
	} {
		_, err := PlanEdit(t.Context(), hosttest.Tree(t, host+tt.files), Edit{Set: []string{arg}, Arch: "arm64"})
		require.ErrorIs(t, err, tt.want, tt.files)
	}
}

// Where the boot loader would take its arguments from another place, an argument
// alone is not written, and what does not boot this host is not edited.
func TestPlacesThatTheBootLoaderDoesNotRead(t *testing.T) {
	const pi = "-- boot/firmware/cmdline.txt --\nroot=/dev/x\n-- boot/firmware/config.txt --\n"
	const limine = "-- boot/limine.conf --\n/a\n-- usr/bin/limine-update --\n-- etc/default/limine --\n"
	for name, tt := range map[string]struct {
		files string
		want  error
		says  string
	}{
		"a label without append, for U-Boot":      {"-- boot/extlinux/extlinux.conf --\nlabel a\n linux /v\n", ErrUnsupported, "/boot/extlinux/extlinux.conf:2: label a: "},
		"another partition of a Raspberry Pi":     {pi + "-- boot/firmware/autoboot.txt --\n[all]\nboot_partition=2\n", ErrNoPlace, "partition 2"},
		"the first partition of a Raspberry Pi":   {pi + "-- boot/firmware/autoboot.txt --\n[all]\nboot_partition=1\n[tryboot]\nboot_partition=2\n", nil, ""},
		"an image of a Raspberry Pi":              {pi + "boot_ramdisk=1\n-- boot/firmware/boot.img --\n", ErrUnsupported, "inside boot.img"},
		"an empty line for Limine":                {limine + limineKey + "=\"\"\n", ErrOwned, "put the whole command line"},
		"a later line in other quotes for Limine": {limine + limineKey + "=\"ro\"\n" + limineKey + "='rw'\n", ErrOwned, "put the whole command line"},
		"Alpine's tool that does not overwrite":   {"-- boot/extlinux.conf --\nlabel a\n linux /v\n append ro\n-- etc/update-extlinux.conf --\noverwrite=0\n", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, tt.files)
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "arm64"})
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				assert.ErrorContains(t, err, tt.says)
				return
			}
			require.Len(t, plan.Changes, 1)
			assert.NotContains(t, plan.Changes[0].Path, "/etc/")
		})
	}
}

// In place of an empty /etc/kernel/cmdline kernel-install takes the line that runs.
func TestAnEmptyKernelCmdlineStaysEmpty(t *testing.T) {
	h := tree(t, "fedora-42")
	write(t, h, kernelCmdline, "\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Changes)
	assert.NotContains(t, plan.Diff(), kernelCmdline)
	require.NotEmpty(t, plan.Warnings)
	assert.Equal(t, WarnFutureKernels, plan.Warnings[0].ID)
}

// The default of systemd-boot is the firmware's variable, then loader.conf.
func TestDefaultEntryOfSystemdBoot(t *testing.T) {
	h := tree(t, "arch-systemd-boot")
	planned := func() string {
		plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1)
		return filepath.Base(plan.Changes[0].Path)
	}
	assert.Equal(t, "arch.conf", planned())
	variable := "\x07\x00\x00\x00"
	for _, c := range "arch-fallback.conf\x00" {
		variable += string(c) + "\x00"
	}
	write(t, h, "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", variable)
	assert.Equal(t, "arch-fallback.conf", planned())
	require.NoError(t, os.RemoveAll(filepath.Join(h.Root, "sys")))
	write(t, h, "/boot/loader/loader.conf", "default @saved\n")
	_, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrUnknownKernel, "it is kept where we cannot look")
	write(t, h, "/boot/loader/loader.conf", "default \"arch-f*\"\n")
	assert.Equal(t, "arch-fallback.conf", planned(), "systemd-boot takes the quotes off")
	write(t, h, "/boot/loader/loader.conf", "default arch.conf\npreferred arch-fallback.conf\n")
	_, err = PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrUnknownKernel, "new versions read it, old ones do not")
}

// U-Boot skips an append line before all labels, which extlinux takes for labels without one.
func TestAGlobalAppendLineIsForPCs(t *testing.T) {
	h := hosttest.Tree(t, "-- boot/extlinux/extlinux.conf --\nappend root=/dev/sda1\nlabel a\n  linux /vmlinuz\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Contains(t, string(plan.Changes[0].After), "append root=/dev/sda1 "+arg+"\n")
	_, err = PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "arm64"})
	assert.ErrorIs(t, err, ErrUnsupported)
}

// update-grub cannot change these menu entries, so they do not make it due for ever.
func TestMenuEntriesThatAreNotMadeFromDefaultGrub(t *testing.T) {
	const made = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry a {\n\tlinux /vmlinuz ro " + arg + "\n}\n"
	for name, entry := range map[string]string{
		"a memory test":           "### BEGIN /etc/grub.d/20_memtest86+ ###\nmenuentry m {\n\tlinux /boot/memtest86+x64.efi console=ttyS0\n}\n",
		"another system":          "### BEGIN /etc/grub.d/30_os-prober ###\nmenuentry u {\n\tlinux /vmlinuz root=/dev/sdb1 ro\n}\n",
		"one that somebody wrote": "### BEGIN /etc/grub.d/40_custom ###\nmenuentry c {\n\tlinux /vmlinuz root=/dev/sda1 ro\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\""+arg+"\"\n-- boot/grub/grub.cfg --\n"+made+entry)
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
			require.NoError(t, err)
			assert.Empty(t, plan.Actions)
			if strings.Contains(entry, "40_custom") {
				require.Len(t, plan.Warnings, 1)
				assert.Equal(t, usernskit.Warning{ID: WarnSkipped, Pos: usernskit.Pos{File: "/boot/grub/grub.cfg", Line: 7}, Text: "entry 1 is left alone: its command line is written in /etc/grub.d/40_custom"}, plan.Warnings[0])
				assert.Equal(t, StatePartial, state(t, h, arg))
				return
			}
			assert.Empty(t, plan.Warnings)
			assert.Equal(t, StatePendingReboot, state(t, h, arg))
		})
	}
}

func TestNothingToDoIsNotSaidOfAPlaceThatIsNotEdited(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\"a=1\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet a=0\"\n-- boot/grub/grub.cfg --\n")
	for _, e := range []Edit{{Remove: []string{"quiet"}}, {Set: []string{"a=1"}}} {
		_, err := PlanEdit(t.Context(), h, e)
		assert.ErrorContains(t, err, "/etc/default/grub:2: "+ErrUnsupported.Error())
	}
}

func TestXenHasALineOfItsOwn(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX_XEN_REPLACE=\"quiet\"\n-- boot/grub/grub.cfg --\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, usernskit.Warning{ID: WarnOverridden, Pos: usernskit.Pos{File: defaultGrub, Line: 1}, Text: "under Xen this replaces GRUB_CMDLINE_LINUX"}, plan.Warnings[0])
}

func TestWhatGRUBAddsCountsForTheLength(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/default/grub --\n-- boot/grub/grub.cfg --\n")
	_, err := PlanEdit(t.Context(), h, Edit{Set: []string{"y=" + strings.Repeat("y", 1990)}, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrTooLong)
}

func TestLeftoversOfGRUBDoNotHideSystemdBoot(t *testing.T) {
	h := tree(t, "arch-systemd-boot")
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"\"\n")
	loader, err := Detect(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, KindSDBoot, loader.Kind)
}

// What an administrator wrote into a file that cannot be edited stays, and our
// own block in it can still be emptied.
func TestRemoveReachesOurOwnBlock(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=arch\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub --\nif [ -e /etc/serial ]; then GRUB_CMDLINE_LINUX=\"console=ttyS0\"; fi\nGRUB_CMDLINE_LINUX=\"a $(cat /etc/args)\"\n-- etc/args --\nb\n")
	before := hosttest.Snapshot(t, h)
	for _, e := range []Edit{{Set: []string{arg, "x=1"}}, {Remove: []string{"x"}}, {RemoveExact: []string{arg}}} {
		e.Arch = "amd64"
		plan, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1)
		require.NotEmpty(t, plan.Warnings)
		assert.Equal(t, WarnCannotTell, plan.Warnings[len(plan.Warnings)-1].ID)
		_, err = h.Apply(t.Context(), plan)
		require.NoError(t, err)
	}
	assert.Equal(t, before, hosttest.Snapshot(t, h))
	_, err := PlanEdit(t.Context(), h, Edit{Remove: []string{"a"}, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrUnsupportedSyntax, "that is not in our block")
}

// The main file cannot be edited, and what we added is in our drop-in alone.
func TestRemoveReachesOurDropIn(t *testing.T) {
	for name, main := range map[string]string{
		"a condition":    "if true; then GRUB_CMDLINE_LINUX=a; fi\n",
		"a sourced file": ". /etc/default/other\nGRUB_CMDLINE_LINUX=\"$X\"\n",
		"a command":      "GRUB_CMDLINE_LINUX=\"a $(cat /etc/default/other)\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/other --\nX=1\n-- etc/default/grub.d/README --\n-- etc/default/grub --\n"+main)
			before := hosttest.Snapshot(t, h)
			for _, e := range []Edit{{Set: []string{arg, "x=1"}}, {Remove: []string{"x"}}, {RemoveExact: []string{arg}}} {
				plan, err := PlanEdit(t.Context(), h, e)
				require.NoError(t, err)
				require.Len(t, plan.Changes, 1)
				require.NotEmpty(t, plan.Warnings)
				assert.Equal(t, WarnCannotTell, plan.Warnings[len(plan.Warnings)-1].ID)
				_, err = h.Apply(t.Context(), plan)
				require.NoError(t, err)
			}
			assert.Equal(t, before, hosttest.Snapshot(t, h))
			_, err := PlanEdit(t.Context(), h, Edit{Remove: []string{"x"}})
			assert.ErrorIs(t, err, ErrUnsupportedSyntax, "that may be in the main file")
		})
	}
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=a\n-- etc/default/grub.d/99-usernskit.cfg --\n")
	before := hosttest.Snapshot(t, h)
	for _, e := range []Edit{{Set: []string{arg}}, {Remove: []string{"user_namespace.enable"}}} {
		plan, err := PlanEdit(t.Context(), h, e)
		require.NoError(t, err)
		_, err = h.Apply(t.Context(), plan)
		require.NoError(t, err)
	}
	assert.Equal(t, before, hosttest.Snapshot(t, h), "an empty drop-in stays")
}

// Our drop-in would assign to it, and update-grub end there.
func TestAReadOnlyVariableIsNotAssigned(t *testing.T) {
	const debian = "-- etc/os-release --\nID=debian\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub.d/README --\n-- etc/default/grub --\nreadonly GRUB_CMDLINE_LINUX=quiet\n"
	_, err := PlanEdit(t.Context(), hosttest.Tree(t, debian), Edit{Set: []string{arg}})
	require.ErrorIs(t, err, ErrUnsupportedSyntax)
	assert.ErrorContains(t, err, "/etc/default/grub.d/99-usernskit.cfg:2:1: ")
}

func TestEvidence(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, "/etc/default/u-boot", "U_BOOT_PARAMETERS=ro\n")
	loader, err := Detect(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, KindGRUB, loader.Kind)
	assert.Equal(t, []string{"/etc/default/grub", "/boot/grub/grub.cfg"}, loader.Evidence)
	assert.Equal(t, []string{"extlinux (/etc/default/u-boot)"}, loader.Others, "weaker")

	write(t, h, "/boot/limine.conf", "/a\n")
	loader, err = Detect(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, KindUnknown, loader.Kind)
	report, err := Status(t.Context(), h, arg)
	require.NoError(t, err)
	assert.Equal(t, StateCannotTell, report.State)
	_, err = PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.ErrorIs(t, err, ErrAmbiguous)
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Store: defaultGrub, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, dropInPath, plan.Changes[0].Path)
}

func TestActionsSayWhereTheyRun(t *testing.T) {
	for name, tt := range map[string]struct {
		host        usernskit.Host
		files, boot usernskit.Where
	}{
		"on the running host": {usernskit.Host{}, usernskit.WhereHost, usernskit.WhereHost},
		"in a tree":           {usernskit.Host{Root: "/mnt"}, usernskit.WhereTree, usernskit.WhereBoot},
	} {
		t.Run(name, func(t *testing.T) {
			p := &planner{site: &site{h: tt.host}}
			p.act("grub.cfg is generated", "update-grub")
			p.reboot()
			assert.Equal(t, tt.files, p.plan.Actions[0].Where)
			assert.Equal(t, tt.boot, p.plan.Actions[1].Where)
		})
	}
	plan, err := PlanEdit(t.Context(), tree(t, "debian-12"), Edit{Set: []string{arg}})
	require.NoError(t, err)
	var where []usernskit.Where
	for _, a := range plan.Actions {
		where = append(where, a.Where)
	}
	assert.Equal(t, []usernskit.Where{usernskit.WhereTree, usernskit.WhereBoot}, where)
}
