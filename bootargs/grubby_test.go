package bootargs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// Defects of grubby's script, each with what is right.
func TestWhereGrubbyGoesWrong(t *testing.T) {
	plan := func(t *testing.T, h usernskit.Host, e Edit) map[string]string {
		t.Helper()
		e.Arch = "amd64"
		p, err := PlanEdit(t.Context(), h, e)
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
		p, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
		require.NoError(t, err)
		_, err = h.Apply(t.Context(), p)
		require.NoError(t, err)
		files := hosttest.Snapshot(t, h)
		assert.Equal(t, "-> /etc/sysconfig/grub", files[defaultGrub])
		assert.Equal(t, "GRUB_CMDLINE_LINUX=\""+arg+"\"\n", files["/etc/sysconfig/grub"])
	})
	t.Run("a full environment block changes no other file", func(t *testing.T) { // 9
		_, err := PlanEdit(t.Context(), tree(t, "rhel-8"), Edit{Set: []string{"y=" + strings.Repeat("y", 950)}, Arch: "amd64"})
		assert.ErrorIs(t, err, ErrTooLong)
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
	e := Edit{Set: []string{arg}, Kernel: Default, ViaGrubby: true}
	plan, err := PlanEdit(t.Context(), h, e)
	require.NoError(t, err)
	assert.Empty(t, plan.Changes, "grubby writes, not we")
	require.Len(t, plan.Actions, 2)
	assert.Equal(t, []string{"/usr/sbin/grubby", "--update-kernel=DEFAULT", "--args=" + arg}, plan.Actions[0].Argv)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "future-kernels", plan.Warnings[0].ID)
	assert.Equal(t, []string{"/usr/sbin/grubby --info=DEFAULT"}, *calls, "planning only asks")

	require.ErrorIs(t, e.Confirm(t.Context(), h), ErrNotApplied)
	_, err = h.Command(t.Context(), plan.Actions[0].Argv...)
	require.NoError(t, err)
	require.NoError(t, e.Confirm(t.Context(), h))
	again, err := PlanEdit(t.Context(), h, e)
	require.NoError(t, err)
	assert.Empty(t, again.Actions, "nothing is left to do")
	_, err = h.Command(t.Context(), plan.Actions[0].Argv...)
	require.NoError(t, err)
	err = e.Confirm(t.Context(), h)
	require.ErrorIs(t, err, ErrNotApplied)
	assert.Contains(t, err.Error(), "user-namespace.enable=0", "the duplicate that grubby does not see")

	assert.NoError(t, unmet(mustOps(t, e), []info{{args: "user-namespace.enable=0 user_namespace.enable=1"}}), "the last of a name is in force")

	plan, err = PlanEdit(t.Context(), h, Edit{Remove: []string{"user_namespace.enable"}, Kernel: Default, ViaGrubby: true})
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
			tt.edit.ViaGrubby = true
			_, err := PlanEdit(t.Context(), h, tt.edit)
			require.ErrorIs(t, err, tt.want)
			for _, call := range *calls {
				assert.Contains(t, call, "--info")
			}
		})
	}
	h, _ := fakeGrubby(t, tree(t, "rhel-8"), "#!/bin/bash\n", info)
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"\"\n")
	_, err := PlanEdit(t.Context(), h, Edit{Set: []string{"y=" + strings.Repeat("y", 950)}, ViaGrubby: true})
	assert.ErrorIs(t, err, ErrTooLong, "grubby would say so and exit with 0")
	h, _ = fakeGrubby(t, tree(t, "rhel-9"), "#!/bin/bash\n", "")
	_, err = PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: "/boot/none", ViaGrubby: true})
	assert.ErrorIs(t, err, ErrUnknownKernel)
}
