package bootargs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// The real grub-mkconfig, told by a copy of its script to look into a tree and
// to ask a stand-in about devices, makes a menu of what we wrote. Its own
// grub-script-check reads that menu.
func TestMkconfigAcceptsWhatWasWritten(t *testing.T) {
	hosttest.Need(t) // grub-mkconfig runs as root only
	tool := hosttest.NeedProgram(t, "grub-mkconfig")
	hosttest.NeedProgram(t, "grub-script-check")
	script, err := os.ReadFile(tool)
	require.NoError(t, err)

	for _, name := range []string{"debian-12", "suse", "ubuntu-24.04"} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, name)
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{"user_namespace.enable=1", `y="a b;c"`}, Append: []string{"console=hvc0"}, Arch: "amd64"})
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)

			etc := filepath.Join(h.Root, "etc")
			probe := filepath.Join(h.Root, "probe")
			require.NoError(t, os.WriteFile(probe, []byte("#!/bin/sh\necho /dev/sda1\n"), 0o755))
			require.NoError(t, os.MkdirAll(filepath.Join(etc, "grub.d"), 0o755))
			menu := "#!/bin/sh\ncat <<EOF\nmenuentry test {\n\tlinux /vmlinuz root=UUID=1 ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT\n}\nEOF\n"
			require.NoError(t, os.WriteFile(filepath.Join(etc, "grub.d", "10_test"), []byte(menu), 0o755))
			copied := strings.Replace(string(script), `sysconfdir="/etc"`, `sysconfdir="`+etc+`"`, 1)
			copied = strings.Replace(copied, `grub_probe="${sbindir}/grub-probe"`, `grub_probe="`+probe+`"`, 1)
			require.NotEqual(t, string(script), copied)
			mkconfig, out := filepath.Join(h.Root, "mkconfig"), filepath.Join(h.Root, "out.cfg")
			require.NoError(t, os.WriteFile(mkconfig, []byte(copied), 0o755))
			text, err := exec.Command("/bin/sh", mkconfig, "-o", out).CombinedOutput()
			require.NoError(t, err, "%s", text)

			made, err := os.ReadFile(out)
			require.NoError(t, err)
			cfg := parseGRUBCfg(made)
			require.Len(t, cfg.entries, 1)
			for _, want := range []string{"user_namespace.enable=1", `y="a b;c"`, "console=hvc0"} {
				a, err := ParseArg(want)
				require.NoError(t, err)
				assert.True(t, holds(cfg.entries[0], a), "%s in %s", want, cfg.entries[0])
			}
		})
	}
}
