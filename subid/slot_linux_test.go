package subid

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// limits are lines of login.defs for both files, each with a %s for UID or GID.
func limits(lines string) string {
	lines = "SUB_%[1]s_DETERMINISTIC yes\n" + lines
	return fmt.Sprintf(lines, "UID") + fmt.Sprintf(lines, "GID")
}

// The useradd of shadow-utils 4.20 gives each UID the slot that we say it does,
// and gives none where we say so.
func TestSlotsOfUseradd(t *testing.T) {
	root := hosttest.Debian(t, "sid")
	put := func(path, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc", path), []byte(text), 0o644))
	}
	for i, c := range []struct {
		name, defs string
		uids       []uint32
	}{
		{"limits", limits("SUB_%[1]s_MIN 200000\nSUB_%[1]s_COUNT 65536\n") + "UID_MIN 1000\nUID_MAX 1099\n", []uint32{1001, 1002, 1050, 1099, 1100}},
		{"nothing but the mode", limits(""), []uint32{1001, 5000, 33766, 33767, 50000, 60000}},
		{"the last that fits", limits("SUB_%[1]s_MIN 100000\nSUB_%[1]s_MAX 299999\nSUB_%[1]s_COUNT 50000\n"), []uint32{1001, 1003, 1004}},
		{"one ID too few for the last", limits("SUB_%[1]s_MIN 100000\nSUB_%[1]s_MAX 299998\nSUB_%[1]s_COUNT 50000\n"), []uint32{1002, 1003}},
		{"octal and hex", limits("SUB_%[1]s_MIN 0x30d40\nSUB_%[1]s_COUNT 0200000\n") + "UID_MIN 01750\n", []uint32{1001, 1010}},
		{"a minimum below zero counts as not set", limits("SUB_%[1]s_MIN -5\nSUB_%[1]s_COUNT -1\n"), []uint32{1001, 1010}},
		{"binary", limits("SUB_%[1]s_MIN 0b110000110101000000\n"), []uint32{1001}},
		{"starts over", limits("SUB_%[1]s_MIN 100000\nSUB_%[1]s_MAX 299999\nUNSAFE_SUB_%[1]s_DETERMINISTIC_WRAP yes\n"), []uint32{1001, 1003, 1004, 1050}},
	} {
		t.Run(c.name, func(t *testing.T) {
			put("login.defs", c.defs)
			w := windowOf(parseDefs(c.defs), "UID")
			require.NoError(t, w.err)
			for _, uid := range c.uids {
				put("subuid", "")
				put("subgid", "")
				name, want := fmt.Sprintf("u%dn%d", uid, i), ""
				if slot, ok := w.slot(uid); ok {
					want = fmt.Sprintf("%s:%v\n", name, slot)
				}
				out, err := exec.Command("chroot", root, "useradd", "-M", "-N", "-o", "-u", fmt.Sprint(uid), name).CombinedOutput()
				got, readErr := os.ReadFile(filepath.Join(root, "etc/subuid"))
				require.NoError(t, readErr)
				assert.Equal(t, want, string(got), "UID %d: %v: %s", uid, err, out)
				if want != "" {
					assert.NoError(t, err, "%s", out)
				}
			}
		})
	}
}

// usermod -S of shadow-utils 4.20.0 gives an account its slot and one ID more,
// which is the first of the next slot. The audit says so.
func TestUsermodGivesOneMore(t *testing.T) {
	root := hosttest.Debian(t, "sid")
	defs := limits("SUB_%[1]s_MIN 200000\nSUB_%[1]s_COUNT 65536\n")
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/login.defs"), []byte(defs), 0o644))
	for _, argv := range [][]string{{"useradd", "-M", "-N", "-u", "1001", "next"}, {"usermod", "-S", "alice"}} {
		out, err := exec.Command("chroot", append([]string{root}, argv...)...).CombinedOutput()
		require.NoError(t, err, "%v: %s", argv, out)
	}
	s, err := Read(t.Context(), usernskit.Host{Root: root})
	require.NoError(t, err)
	have := s.Held("alice")
	require.Len(t, have, 2)
	assert.EqualValues(t, 200000, have[0].Range.Start, "by the formula")
	list, err := s.Problems(t.Context())
	require.NoError(t, err)
	var found []ProblemID
	for _, p := range list {
		if p.File == UIDFile && p.Owner == "alice" || p.ID == ProblemOverlap && p.File == UIDFile {
			found = append(found, p.ID)
		}
	}
	t.Logf("usermod -S: %v; the audit: %v", have[0].Range, found)
	if have[0].Range.Count == 65536 {
		assert.Empty(t, found, "mended")
		return
	}
	assert.EqualValues(t, 65537, have[0].Range.Count)
	assert.Contains(t, found, ProblemOverlap)
	assert.Contains(t, found, ProblemFormulaBroken)
}
