package bootargs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

const dropInPath = dropInDir + "/99-usernskit.cfg"

// tree makes the host of testdata/trees/NAME.txtar. A grubenv has no newline at
// its end, which txtar adds.
func tree(t *testing.T, name string) usernskit.Host {
	t.Helper()
	text, err := os.ReadFile("testdata/trees/" + name + ".txtar")
	require.NoError(t, err)
	h := hosttest.Tree(t, string(text))
	for _, env := range []string{"/boot/grub/grubenv", "/boot/grub2/grubenv"} {
		if data, err := h.ReadFile(env); err == nil {
			path, err := h.Path(env)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, bytes.TrimSuffix(data, []byte("\n")), 0o644))
		}
	}
	return h
}

// What each tree is, where an edit of every kernel is written, in order, and
// what is to be run then.
var trees = []struct {
	name, kind, distro string
	writes             []string
	actions            []string
	warnings           []string
}{
	{"debian-12", "grub", "debian 12", []string{dropInPath}, []string{"now: update-grub", "later: reboot"}, nil},
	{"ubuntu-24.04", "grub", "ubuntu 24.04", []string{dropInPath}, []string{"now: update-grub", "later: reboot"}, nil},
	{"rhel-7.9", "grub", "rhel 7.9", []string{defaultGrub}, []string{"now: grub2-mkconfig -o /boot/grub2/grub.cfg", "later: reboot"}, nil},
	{"rhel-8", "grub-bls", "rhel 8.8", []string{defaultGrub, "/boot/grub2/grubenv"}, []string{"later: reboot"}, nil},
	{"fedora-42", "grub-bls", "fedora 42", []string{defaultGrub, "/boot/loader/entries/b1a2c3-6.14.0-63.fc42.x86_64.conf", "/boot/loader/entries/b1a2c3-6.13.9-200.fc42.x86_64.conf", "/etc/kernel/cmdline"}, []string{"later: reboot"}, nil},
	{"rhel-9", "grub-bls", "rhel 9.4", []string{defaultGrub, "/boot/loader/entries/b1a2c3-5.14.0-427.13.1.el9_4.x86_64.conf", "/etc/kernel/cmdline"}, []string{"later: reboot"}, nil},
	{"rhel-10", "grub-bls", "rhel 10.0", []string{defaultGrub, "/boot/loader/entries/b1a2c3-6.12.0-55.9.1.el10_0.x86_64.conf"}, []string{"later: reboot"}, []string{"future-kernels"}},
	{"suse", "grub", "opensuse-leap 15.6", []string{defaultGrub}, []string{"now: grub2-mkconfig -o /boot/grub2/grub.cfg", "later: reboot"}, nil},
	{"arch-systemd-boot", "systemd-boot", "arch", []string{"/boot/loader/entries/arch-fallback.conf", "/boot/loader/entries/arch.conf"}, []string{"later: reboot"}, nil},
	{"raspberry-pi-os", "raspberry-pi", "debian 12", []string{"/boot/firmware/cmdline.txt"}, []string{"later: reboot"}, nil},
	{"extlinux-fedora-arm", "extlinux", "fedora 36", []string{"/boot/extlinux/extlinux.conf"}, []string{"later: reboot"}, nil},
}

func TestEachDistributionIsEditedInItsOwnPlacesAndUndone(t *testing.T) {
	all, err := filepath.Glob("testdata/trees/*.txtar")
	require.NoError(t, err)
	require.Len(t, trees, len(all), "every tree has its line in the table")
	edit := Edit{Set: []string{"user_namespace.enable=1"}, Append: []string{"console=hvc0"}, Remove: []string{"rhgb"}, Arch: "amd64"}
	for _, tt := range trees {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(t, tt.name)
			loader, err := Detect(t.Context(), h)
			require.NoError(t, err)
			assert.Equal(t, tt.kind, loader.Kind.String())
			assert.Equal(t, tt.distro, loader.Distro)
			var stores []string
			for _, s := range loader.Stores {
				stores = append(stores, s.Path)
			}
			before := hosttest.Snapshot(t, h)

			plan, err := PlanEdit(t.Context(), h, edit)
			require.NoError(t, err)
			var writes, actions, warnings []string
			for _, c := range plan.Changes {
				writes = append(writes, c.Path)
				assert.Contains(t, stores, c.Path, "Detect names what is written")
			}
			for _, a := range plan.Actions {
				actions = append(actions, a.When.String()+": "+strings.Join(a.Argv, " "))
				assert.NotEmpty(t, a.Why)
			}
			for _, w := range plan.Warnings {
				warnings = append(warnings, w.ID)
			}
			assert.Equal(t, tt.writes, writes)
			assert.Equal(t, tt.actions, actions)
			assert.Equal(t, tt.warnings, warnings)
			assert.Equal(t, before, hosttest.Snapshot(t, h), "a plan writes nothing")
			golden(t, "testdata/trees/"+tt.name+".diff", plan.Diff())

			receipt, err := h.Apply(t.Context(), plan)
			require.NoError(t, err)
			for _, c := range plan.Changes {
				if strings.HasSuffix(c.Path, "grubenv") {
					assert.Len(t, c.After, len(c.Before))
				}
			}
			again, err := PlanEdit(t.Context(), h, edit)
			require.NoError(t, err)
			assert.Empty(t, again.Diff(), "twice is once")
			require.NoError(t, h.Undo(t.Context(), receipt.ID, nil))
			assert.Equal(t, before, hosttest.Snapshot(t, h), "undone to the byte")

			// And back by the opposite edit, where nothing was taken away.
			set := Edit{Set: []string{"fresh.one=1"}, Arch: "amd64"}
			plan, err = PlanEdit(t.Context(), h, set)
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			plan, err = PlanEdit(t.Context(), h, Edit{Remove: []string{"fresh.one"}, Arch: "amd64"})
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, before, hosttest.Snapshot(t, h), "removed to the byte")
		})
	}
}

// golden holds text against a file; BOOTARGS_UPDATE=1 writes it.
func golden(t *testing.T, name, text string) {
	t.Helper()
	if os.Getenv("BOOTARGS_UPDATE") == "1" {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}
