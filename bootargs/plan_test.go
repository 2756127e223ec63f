package bootargs

import (
	"context"
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
		{"no room in the environment block", "rhel-8", nil, Edit{Set: []string{"y=" + full + full[:150]}}, ErrNoRoom, "/boot/grub2/grubenv"},
		{"a line over the limit", "raspberry-pi-os", nil, Edit{Set: []string{"y=" + full + full}}, ErrTooLong, "/boot/firmware/cmdline.txt"},
		{"an entry over the limit", "rhel-9", nil, Edit{Set: []string{"y=" + full + full + full}}, ErrTooLong, ""},
		{"a broken environment block", "rhel-8", map[string]string{"/boot/efi/EFI/redhat/grubenv": "kernelopts=a\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/boot/grub2/grubenv"},
		{"an unknown kernel", "fedora-42", nil, Edit{Set: []string{arg}, Kernel: "/boot/vmlinuz-1.2.3"}, ErrUnknownKernel, ""},
		{"an index too many", "fedora-42", nil, Edit{Set: []string{arg}, Kernel: "7"}, ErrUnknownKernel, ""},
		{"one kernel where there is one line", "debian-12", nil, Edit{Set: []string{arg}, Kernel: Default}, ErrUnsupported, ""},
		{"one kernel on a Raspberry Pi", "raspberry-pi-os", nil, Edit{Set: []string{arg}, Kernel: "0"}, ErrUnsupported, ""},
		{"two lines on a Raspberry Pi", "raspberry-pi-os", map[string]string{"/boot/firmware/cmdline.txt": "a\nb\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/boot/firmware/cmdline.txt"},
		{"an unreadable source", "suse", map[string]string{"/etc/default/grub": "GRUB_CMDLINE_LINUX=\"a\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/etc/default/grub"},
		{"a command in /etc/kernel/cmdline", "fedora-42", map[string]string{"/etc/kernel/cmdline": "ro; reboot\n"}, Edit{Set: []string{arg}}, ErrUnsupportedSyntax, "/etc/kernel/cmdline"},
		{"a dollar for U-Boot", "extlinux-fedora-arm", nil, Edit{Set: []string{"a=$b"}}, ErrEncoding, ""},
		{"grubby that is not there", "rhel-9", nil, Edit{Set: []string{arg}, Via: Grubby}, ErrUnsupported, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(t, tt.tree)
			for name, text := range tt.files {
				write(t, h, name, text)
			}
			tt.edit.Arch = "amd64"
			plan, err := PlanEdit(h, tt.edit)
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
		{"GRUB legacy", "-- boot/grub/menu.lst --\ntitle a\n", "other", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.Tree(t, tt.files)
			plan, err := PlanEdit(h, Edit{Set: []string{"a=1"}, Remove: []string{"b"}})
			require.ErrorIs(t, err, ErrOwned)
			assert.Equal(t, usernskit.Plan{}, plan)
			var owned *OwnedError
			require.True(t, errors.As(err, &owned))
			assert.Equal(t, tt.kind, owned.Kind.String())
			assert.Equal(t, tt.command, strings.Join(owned.Command, " "))
			assert.NotEmpty(t, owned.Why)
		})
	}
	_, err := PlanEdit(hosttest.Tree(t, "-- etc/os-release --\nID=alpine\n"), Edit{Set: []string{"a=1"}})
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
		plan, err := PlanEdit(h, Edit{Set: []string{arg}, Kernel: kernel, Arch: "amd64"})
		require.NoError(t, err, kernel)
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, "/boot/loader/entries/"+want+".conf", plan.Changes[0].Path, kernel)
	}
	h := tree(t, "fedora-42")
	write(t, h, defaultGrub, "GRUB_DEFAULT=1\nGRUB_CMDLINE_LINUX=\"\"\n")
	plan, err := PlanEdit(h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, "/boot/loader/entries/"+older+".conf", plan.Changes[0].Path)
}

func TestRescueEntriesAreEditedOnlyWhenAsked(t *testing.T) {
	h := tree(t, "fedora-42")
	plan, err := PlanEdit(h, Edit{Set: []string{arg}, Rescue: true, Arch: "amd64"})
	require.NoError(t, err)
	assert.Contains(t, plan.Diff(), "0-rescue")
}

// Defects of grubby's script, each with what is right.
func TestWhereGrubbyGoesWrong(t *testing.T) {
	plan := func(t *testing.T, h usernskit.Host, e Edit) map[string]string {
		t.Helper()
		e.Arch = "amd64"
		p, err := PlanEdit(h, e)
		require.NoError(t, err)
		after := map[string]string{}
		for _, c := range p.Changes {
			after[c.Path] = string(c.After)
		}
		return after
	}
	set := Edit{Set: []string{arg}}
	t.Run("other variables are left alone", func(t *testing.T) { // 1
		h := tree(t, "rhel-8")
		assert.Contains(t, plan(t, h, set)[defaultGrub], "GRUB_CMDLINE_LINUX_DEFAULT=\"loglevel=3\"\n")
	})
	t.Run("a quoted value does not break the file", func(t *testing.T) { // 2
		after := plan(t, tree(t, "rhel-9"), Edit{Set: []string{`bar="a b"`, "baz"}})
		assert.Contains(t, after[defaultGrub], ` quiet bar=\"a b\" baz"`)
		assert.Contains(t, after["/etc/kernel/cmdline"], ` quiet bar="a b" baz`)
	})
	t.Run("an ampersand and a star are bytes", func(t *testing.T) { // 3
		after := plan(t, tree(t, "rhel-9"), Edit{Set: []string{"a.b=1&c", "d=*"}})
		assert.Contains(t, after[defaultGrub], ` a.b=\"1&c\" d=*"`)
		assert.Contains(t, after["/etc/kernel/cmdline"], ` a.b="1&c" d=*`)
	})
	t.Run("a dot in a name is a dot", func(t *testing.T) { // 3
		h := tree(t, "rhel-9")
		write(t, h, "/etc/kernel/cmdline", "ro aXb=1 a.b=1\n")
		assert.Equal(t, "ro aXb=1\n", plan(t, h, Edit{Remove: []string{"a.b"}})["/etc/kernel/cmdline"])
	})
	t.Run("several options lines are not doubled", func(t *testing.T) { // 4
		h := tree(t, "rhel-10")
		const name = "/boot/loader/entries/b1a2c3-6.12.0-55.9.1.el10_0.x86_64.conf"
		write(t, h, name, "title a\nlinux /v\noptions ro\noptions quiet\n")
		assert.Equal(t, "title a\nlinux /v\noptions ro "+arg+"\noptions quiet\n", plan(t, h, set)[name])
	})
	t.Run("kernel-install is not seeded from the rescue entry", func(t *testing.T) { // 5
		assert.NotContains(t, plan(t, tree(t, "rhel-10"), set), "/etc/kernel/cmdline")
	})
	t.Run("kernel-install is seeded from what it would read", func(t *testing.T) { // 5
		h := tree(t, "rhel-10")
		write(t, h, "/usr/lib/kernel/cmdline", "root=UUID=1 quiet\n")
		assert.Equal(t, "root=UUID=1 quiet "+arg+"\n", plan(t, h, set)["/etc/kernel/cmdline"])
	})
	t.Run("all lines of /etc/kernel/cmdline are kept", func(t *testing.T) { // 6
		h := tree(t, "rhel-9")
		write(t, h, "/etc/kernel/cmdline", "ro\nquiet\n")
		assert.Equal(t, "ro\nquiet "+arg+"\n", plan(t, h, set)["/etc/kernel/cmdline"])
	})
	t.Run("an empty value is filled", func(t *testing.T) { // 7
		h := tree(t, "rhel-9")
		write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"\"\n")
		assert.Equal(t, "GRUB_CMDLINE_LINUX=\""+arg+"\"\n", plan(t, h, set)[defaultGrub])
	})
	t.Run("a link stays a link", func(t *testing.T) { // 8
		h := tree(t, "rhel-9")
		write(t, h, "/etc/sysconfig/grub", "GRUB_CMDLINE_LINUX=\"\"\n")
		require.NoError(t, os.Remove(filepath.Join(h.Root, defaultGrub)))
		require.NoError(t, os.Symlink("/etc/sysconfig/grub", filepath.Join(h.Root, defaultGrub)))
		p, err := PlanEdit(h, Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err)
		_, err = h.Apply(t.Context(), p)
		require.NoError(t, err)
		files := hosttest.Snapshot(t, h)
		assert.Equal(t, "-> /etc/sysconfig/grub", files[defaultGrub])
		assert.Equal(t, "GRUB_CMDLINE_LINUX=\""+arg+"\"\n", files["/etc/sysconfig/grub"])
	})
	t.Run("a full environment block changes no other file", func(t *testing.T) { // 9
		_, err := PlanEdit(tree(t, "rhel-8"), Edit{Set: []string{"y=" + strings.Repeat("y", 950)}, Arch: "amd64"})
		assert.ErrorIs(t, err, ErrNoRoom)
	})
	t.Run("blanks and the place of $tuned_params stay", func(t *testing.T) { // 11
		h := tree(t, "rhel-10")
		const name = "/boot/loader/entries/b1a2c3-6.12.0-55.9.1.el10_0.x86_64.conf"
		write(t, h, name, "linux /v\noptions ro  x=0 $tuned_params\tquiet -- init\n")
		assert.Equal(t, "linux /v\noptions ro  x=1 $tuned_params\tquiet y -- init\n", plan(t, h, Edit{Set: []string{"x=1", "y"}})[name])
	})
	t.Run("line ends stay", func(t *testing.T) { // 13
		h := tree(t, "rhel-10")
		const name = "/boot/loader/entries/b1a2c3-6.12.0-55.9.1.el10_0.x86_64.conf"
		write(t, h, name, "title a\r\nlinux /v\r\noptions ro\r\n")
		after := plan(t, h, Edit{Set: []string{arg}, Kernel: "/boot/v"})
		assert.Equal(t, "title a\r\nlinux /v\r\noptions ro "+arg+"\r\n", after[name])
	})
	// 10 is an option of grubby's that we do not use; 12, no lock, no dry run,
	// no undo and exit code 0, is what a plan is for.
}

func TestKernelInstallKeepsBelievingItsFile(t *testing.T) {
	h := tree(t, "rhel-9")
	write(t, h, "/etc/kernel/cmdline", "ro "+arg+"\n")
	plan, err := PlanEdit(h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Actions)
	assert.Equal(t, []string{"touch", "/etc/kernel/cmdline"}, plan.Actions[0].Argv, "it must not be older than /etc/default/grub")
}

func TestLongLinesWarn(t *testing.T) {
	plan, err := PlanEdit(tree(t, "raspberry-pi-os"), Edit{Set: []string{"y=" + strings.Repeat("y", 750)}, Arch: "arm64"})
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "long-line", plan.Warnings[0].ID)
}

func TestArchitectureIsTheTreesOwn(t *testing.T) {
	h := tree(t, "suse")
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x02\x02")
	elf[19] = 22 // s390x, big endian
	write(t, h, "/usr/bin/env", string(elf))
	_, err := PlanEdit(h, Edit{Set: []string{"y=" + strings.Repeat("y", 850)}})
	require.ErrorIs(t, err, ErrTooLong)
	assert.Contains(t, err.Error(), "895 on s390x")
}

// fakeGrubby answers --info and keeps the calls. Each call that edits puts the
// next of infos in force.
func fakeGrubby(t *testing.T, h usernskit.Host, head string, infos ...string) (usernskit.Host, *[]string) {
	write(t, h, "/usr/sbin/grubby", head)
	calls := &[]string{}
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		*calls = append(*calls, strings.Join(argv, " "))
		if strings.HasPrefix(argv[1], "--info") {
			return []byte(infos[0]), nil
		}
		infos = infos[1:]
		return nil, nil
	}
	return h, calls
}

func TestGrubbyIsAskedAndLookedAfter(t *testing.T) {
	const before = "index=0\nkernel=/boot/vmlinuz-3.10.0\nargs=\"ro quiet\"\nroot=/dev/sda1\nindex=1\nnon linux entry\n"
	const good = "index=0\nkernel=/boot/vmlinuz-3.10.0\nargs=\"ro quiet user_namespace.enable=1\"\n"
	const bad = "index=0\nkernel=/boot/vmlinuz-3.10.0\nargs=\"ro quiet user_namespace.enable=1 user-namespace.enable=0\"\n"
	h, calls := fakeGrubby(t, tree(t, "rhel-7.9"), "\x7fELF", before, good, bad)
	e := Edit{Set: []string{arg}, Kernel: Default, Via: Grubby}
	plan, err := PlanEdit(h, e)
	require.NoError(t, err)
	assert.Empty(t, plan.Changes, "grubby writes, not we")
	require.Len(t, plan.Actions, 2)
	assert.Equal(t, []string{"/usr/sbin/grubby", "--update-kernel=DEFAULT", "--args=" + arg}, plan.Actions[0].Argv)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "future-kernels", plan.Warnings[0].ID)
	assert.Equal(t, []string{"/usr/sbin/grubby --info=DEFAULT"}, *calls, "planning only asks")

	require.ErrorIs(t, Confirm(t.Context(), h, e), ErrNotApplied)
	_, err = h.Command(t.Context(), plan.Actions[0].Argv...)
	require.NoError(t, err)
	require.NoError(t, Confirm(t.Context(), h, e))
	again, err := PlanEdit(h, e)
	require.NoError(t, err)
	assert.Empty(t, again.Actions, "nothing is left to do")
	_, err = h.Command(t.Context(), plan.Actions[0].Argv...)
	require.NoError(t, err)
	err = Confirm(t.Context(), h, e)
	require.ErrorIs(t, err, ErrNotApplied)
	assert.Contains(t, err.Error(), "user-namespace.enable=0", "the duplicate that grubby does not see")

	assert.NoError(t, unmet(mustOps(t, e), []info{{args: "user-namespace.enable=0 user_namespace.enable=1"}}), "the last of a name is in force")

	plan, err = PlanEdit(h, Edit{Remove: []string{"user_namespace.enable"}, Kernel: Default, Via: Grubby})
	require.NoError(t, err)
	assert.Equal(t, "--remove-args=user_namespace.enable", plan.Actions[0].Argv[2])
}

func mustOps(t *testing.T, e Edit) []op {
	ops, err := e.ops(spellGrubby)
	require.NoError(t, err)
	return ops
}

func TestGrubbyIsNotAskedForWhatItBreaks(t *testing.T) {
	const info = "index=0\nkernel=\"/boot/vmlinuz\"\nargs=\"ro console=tty0\"\n"
	for _, tt := range []struct {
		name  string
		edit  Edit
		files map[string]string
		want  error
	}{
		{"quotes", Edit{Set: []string{`a="b c"`}}, nil, ErrEncoding},
		{"an ampersand", Edit{Set: []string{"a=b&c"}}, nil, ErrEncoding},
		{"a star", Edit{Set: []string{"a=*"}}, nil, ErrEncoding},
		{"root", Edit{Set: []string{"root=/dev/sda1"}}, nil, ErrUnsupported},
		{"a second console", Edit{Append: []string{"console=ttyS0"}}, nil, ErrUnsupported},
		{"variables that it overwrites", Edit{Set: []string{arg}}, map[string]string{defaultGrub: "GRUB_CMDLINE_LINUX=\"\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"}, ErrUnsupported},
		{"a continued value", Edit{Set: []string{arg}}, map[string]string{defaultGrub: "GRUB_CMDLINE_LINUX=\"a \\\n b\"\n"}, ErrUnsupported},
		{"two lines for kernel-install", Edit{Set: []string{arg}}, map[string]string{"/etc/kernel/cmdline": "ro\nquiet\n"}, ErrUnsupported},
		{"two options lines", Edit{Set: []string{arg}}, map[string]string{"/boot/loader/entries/a.conf": "options a\noptions b\n"}, ErrUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, calls := fakeGrubby(t, tree(t, "rhel-9"), "#!/bin/bash\n", info)
			for name, text := range tt.files {
				write(t, h, name, text)
			}
			tt.edit.Via = Grubby
			_, err := PlanEdit(h, tt.edit)
			require.ErrorIs(t, err, tt.want)
			for _, call := range *calls {
				assert.Contains(t, call, "--info")
			}
		})
	}
	h, _ := fakeGrubby(t, tree(t, "rhel-8"), "#!/bin/bash\n", info)
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"\"\n")
	_, err := PlanEdit(h, Edit{Set: []string{"y=" + strings.Repeat("y", 950)}, Via: Grubby})
	assert.ErrorIs(t, err, ErrNoRoom, "grubby would say so and exit with 0")
	h, _ = fakeGrubby(t, tree(t, "rhel-9"), "#!/bin/bash\n", "")
	_, err = PlanEdit(h, Edit{Set: []string{arg}, Kernel: "/boot/none", Via: Grubby})
	assert.ErrorIs(t, err, ErrUnknownKernel)
}

func TestVendorDropInsAreNamedAndLeft(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, "/etc/default/grub.d/60-vendor.cfg", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX vendor.x=1\"\n")
	plan, err := PlanEdit(h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	plan, err = PlanEdit(h, Edit{Remove: []string{"vendor.x", "net.ifnames"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, defaultGrub, plan.Changes[0].Path, "where the administrator writes")
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "still-set", plan.Warnings[0].ID)
	assert.Contains(t, plan.Warnings[0].Text, "vendor.x")
	plan, err = PlanEdit(h, Edit{Set: []string{"vendor.x=2"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Contains(t, string(plan.Changes[0].After), arg+" vendor.x=2\"\n", "ours comes later and wins")
	assert.Empty(t, plan.Warnings)
}

func TestConsolesOnDebianAreReplacedWhereTheyStand(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0 a\"\n")
	require.NoError(t, os.Remove(filepath.Join(h.Root, "/etc/default/grub.d/50-cloudimg-settings.cfg")))
	plan, err := PlanEdit(h, Edit{Replace: []string{"console=hvc0"}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "GRUB_CMDLINE_LINUX=\"console=hvc0 a\"\n", string(plan.Changes[0].After))
}

func TestMenuOnTheESPIsTheOneThatIsMade(t *testing.T) {
	h := tree(t, "rhel-7.9")
	write(t, h, "/sys/firmware/efi/fw_platform_size", "64\n")
	write(t, h, "/boot/efi/EFI/redhat/grub.cfg", "menuentry x {\n\tlinuxefi /v ro\n}\n")
	plan, err := PlanEdit(h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"grub2-mkconfig", "-o", "/boot/efi/EFI/redhat/grub.cfg"}, plan.Actions[0].Argv)
	write(t, h, "/boot/efi/EFI/redhat/grub.cfg", "search --set x\nconfigfile $prefix/grub.cfg\n")
	plan, err = PlanEdit(h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"}, plan.Actions[0].Argv, "a wrapper is not overwritten")
}

func TestDropInsAfterOursHaveTheLastWord(t *testing.T) {
	h := tree(t, "debian-12")
	write(t, h, "/etc/default/grub.d/hetzner.cfg", "GRUB_CMDLINE_LINUX=\"consoleblank=0\"\n")
	e := Edit{Set: []string{arg}, Arch: "amd64"}
	plan, err := PlanEdit(h, e)
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "overridden", plan.Warnings[0].ID)
	assert.Contains(t, plan.Warnings[0].Text, "/etc/default/grub.d/hetzner.cfg:1: GRUB_CMDLINE_LINUX ")
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	again, err := PlanEdit(h, e)
	require.NoError(t, err)
	assert.Empty(t, again.Changes)
	assert.Equal(t, plan.Warnings, again.Warnings)
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
		plan, err := PlanEdit(hosttest.Tree(t, tt.files), Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err, tt.name)
		require.NotEmpty(t, plan.Actions, tt.name)
		assert.Equal(t, tt.want, strings.Join(plan.Actions[0].Argv, " "), tt.name)
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, defaultGrub, plan.Changes[0].Path, "without grub.d the file itself")
	}
	_, err := PlanEdit(hosttest.Tree(t, "-- boot/loader/loader.conf --\ntimeout 3\n"), Edit{Set: []string{arg}})
	assert.ErrorIs(t, err, ErrUnsupported)
}

// A U-Boot host whose extlinux.conf is made from another file is edited there.
func TestExtlinuxIsEditedWhereItIsMadeFrom(t *testing.T) {
	const conf = "-- boot/extlinux/extlinux.conf --\nlabel l0\n\tlinux /v\n\tappend root=/dev/sda1 ro\n"
	for _, tt := range []struct{ name, files, path, after, run string }{
		{"u-boot-menu", "-- etc/default/u-boot --\nU_BOOT_PARAMETERS=\"ro quiet\"\n", "/etc/default/u-boot", "U_BOOT_PARAMETERS=\"ro quiet " + arg + "\"\n", "u-boot-update"},
		{"u-boot-menu by kernel-install's file", "-- etc/default/u-boot --\n#\n-- etc/kernel/cmdline --\nro\n", "/etc/kernel/cmdline", "ro " + arg + "\n", "u-boot-update"},
		{"Alpine", "-- etc/update-extlinux.conf --\ndefault_kernel_opts=\"quiet\"\nmodules=ext4\n", "/etc/update-extlinux.conf", "default_kernel_opts=\"quiet " + arg + "\"\nmodules=ext4\n", "update-extlinux"},
	} {
		plan, err := PlanEdit(hosttest.Tree(t, conf+tt.files), Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err, tt.name)
		require.Len(t, plan.Changes, 1, tt.name)
		assert.Equal(t, tt.path, plan.Changes[0].Path)
		assert.Equal(t, tt.after, string(plan.Changes[0].After))
		assert.Equal(t, []string{tt.run}, plan.Actions[0].Argv)
	}
	_, err := PlanEdit(hosttest.Tree(t, conf+"-- etc/default/u-boot --\n# U_BOOT_PARAMETERS=\"\"\n"), Edit{Set: []string{arg}, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrUnsupported)
}

// The default of systemd-boot is the firmware's variable, then loader.conf.
func TestDefaultEntryOfSystemdBoot(t *testing.T) {
	h := tree(t, "arch-systemd-boot")
	planned := func() string {
		plan, err := PlanEdit(h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
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
	_, err := PlanEdit(h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	assert.ErrorIs(t, err, ErrUnknownKernel, "it is kept where we cannot look")
}

func TestLeftoversOfGRUBDoNotHideSystemdBoot(t *testing.T) {
	h := tree(t, "arch-systemd-boot")
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"\"\n")
	loader, err := Detect(h)
	require.NoError(t, err)
	assert.Equal(t, KindSDBoot, loader.Kind)
}
