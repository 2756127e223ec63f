package bootargs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

const arg = "user_namespace.enable=1"

// write puts a file into a tree.
func write(t *testing.T, h usernskit.Host, name, text string) {
	t.Helper()
	path := filepath.Join(h.Root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func state(t *testing.T, h usernskit.Host, want ...string) State {
	t.Helper()
	r, err := Status(t.Context(), h, want...)
	require.NoError(t, err)
	return r.State
}

func TestStatusFollowsAnArgumentToTheKernel(t *testing.T) {
	for _, name := range []string{"rhel-8", "fedora-42", "rhel-9", "arch-systemd-boot", "raspberry-pi-os", "extlinux-fedora-arm"} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, name)
			write(t, h, "/proc/cmdline", "ro quiet\n")
			assert.Equal(t, StateMissing, state(t, h, arg))
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, StatePendingReboot, state(t, h, arg))
			write(t, h, "/proc/cmdline", "ro quiet -- user_namespace.enable=1\n")
			assert.Equal(t, StatePendingReboot, state(t, h, arg), "what is init's does not count")
			write(t, h, "/proc/cmdline", "ro quiet user-namespace.enable=1\n")
			assert.Equal(t, StateActive, state(t, h, arg))
			write(t, h, "/proc/cmdline", "ro quiet user_namespace.enable=1 user-namespace.enable=0\n")
			assert.Equal(t, StatePendingReboot, state(t, h, arg), "the last of a name is in force")
		})
	}
}

func TestStatusTellsThatUpdateGrubIsDue(t *testing.T) {
	h := tree(t, "debian-12")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	r, err := Status(t.Context(), h, arg)
	require.NoError(t, err)
	assert.Equal(t, StatePartial, r.State)
	assert.Equal(t, StateActive, r.Future.State)
	assert.Equal(t, StateMissing, r.Default.State)
	again, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	assert.Empty(t, again.Changes)
	require.NotEmpty(t, again.Actions, "what is left to do is still named")
	assert.Equal(t, []string{"update-grub"}, again.Actions[0].Argv)
}

func TestStatusSeesWhoHasTheLastWord(t *testing.T) {
	h := tree(t, "ubuntu-24.04")
	write(t, h, "/boot/grub/grub.cfg", "menuentry x {\n\tlinux /v ro user_namespace.enable=1 user_namespace.enable=0\n}\n")
	write(t, h, "/etc/default/grub.d/zz-vendor.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"user_namespace.enable=0\"\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "overridden", plan.Warnings[0].ID)
	assert.Equal(t, usernskit.Pos{File: "/etc/default/grub.d/zz-vendor.cfg", Line: 1}, plan.Warnings[0].Pos)
	assert.Equal(t, dropInPath, plan.Changes[0].Path, "the file that comes later has another variable")
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, StateOverridden, state(t, h, arg))
}

func TestStatusDoesNotCountWhatGRUBReadsAsACommand(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\"quiet; "+arg+"\"\n-- boot/grub/grub.cfg --\n")
	assert.Equal(t, StateCannotTell, state(t, h, arg))
}

func TestStatusOfOneKernelIsPartial(t *testing.T) {
	h := tree(t, "fedora-42")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{arg}, Kernel: Default, Arch: "amd64"})
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "/boot/loader/entries/b1a2c3-6.14.0-63.fc42.x86_64.conf", plan.Changes[0].Path)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "future-kernels", plan.Warnings[0].ID)
	_, err = h.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, StatePartial, state(t, h, arg))
}

func TestStatusWithoutABootLoader(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n")
	assert.Equal(t, StateCannotTell, state(t, h, arg))
	write(t, h, "/proc/cmdline", "quiet\n")
	assert.Equal(t, StateMissing, state(t, h, arg))
	write(t, h, "/proc/cmdline", arg+"\n")
	assert.Equal(t, StateCannotTell, state(t, h, arg), "the next boot is anybody's guess")
}

func TestStatusKnowsWhatItCannotRead(t *testing.T) {
	h := tree(t, "suse")
	write(t, h, defaultGrub, "GRUB_CMDLINE_LINUX=\"$(cat /etc/args)\"\n")
	r, err := Status(t.Context(), h, arg)
	require.NoError(t, err)
	assert.Equal(t, StateCannotTell, r.Future.State)
	_, err = Status(t.Context(), h, "a b")
	assert.ErrorIs(t, err, ErrSyntax)
	assert.Equal(t, "State(99)", State(99).String())
}
