package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// A grubby that does as told, or only says so.
func grubbyHost(t *testing.T, obeys bool) (e *env, calls *[]string) {
	line := "ro quiet"
	calls = &[]string{}
	e = &env{host: hosttest.Tree(t, "-- usr/sbin/grubby --\nELF\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=\"quiet\"\n"), out: &output{w: &bytes.Buffer{}}, err: &bytes.Buffer{}}
	e.host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		*calls = append(*calls, strings.Join(argv[1:], " "))
		if arg, ok := strings.CutPrefix(argv[len(argv)-1], "--args="); ok && obeys {
			line += " " + arg
		}
		return []byte("index=0\nkernel=/boot/vmlinuz\nargs=\"" + line + "\"\n"), nil
	}
	return e, calls
}

func runGrubby(t *testing.T, e *env, flags ...string) error {
	e.yes, e.dryRun = slices.Contains(flags, "--yes"), slices.Contains(flags, "--dry-run")
	return e.grubby(t.Context(), bootargs.Edit{Set: []string{"a=1"}, Kernel: bootargs.Default, ViaGrubby: true})
}

func TestGrubbyRunsOnlyWhenAgreedAndIsLookedAfter(t *testing.T) {
	const edits = "--update-kernel=DEFAULT --args=a=1"
	e, calls := grubbyHost(t, true)
	require.ErrorIs(t, runGrubby(t, e, "--dry-run"), findings)
	require.ErrorContains(t, runGrubby(t, e), "give --yes")
	assert.NotContains(t, *calls, edits)
	require.NoError(t, runGrubby(t, e, "--yes"))
	assert.Contains(t, *calls, edits)
	*calls = nil
	require.NoError(t, runGrubby(t, e, "--yes"))
	assert.Equal(t, []string{"--info=DEFAULT"}, *calls, "nothing is left to do")

	e, _ = grubbyHost(t, false)
	assert.Equal(t, exitCode(2), e.failed(runGrubby(t, e)), "it was not run")
	err := runGrubby(t, e, "--yes")
	require.ErrorIs(t, err, bootargs.ErrNotApplied)
	assert.Equal(t, behind, e.failed(err), "2 says that nothing was changed")
}

func TestGrubbyThatHasRunIsNotSaidToHaveChangedNothing(t *testing.T) {
	e, _ := grubbyHost(t, true)
	e.out, e.json = &output{w: &full{}}, true
	require.ErrorIs(t, e.finish(runGrubby(t, e, "--yes")), behind)
	assert.Contains(t, e.err.(*bytes.Buffer).String(), "grubby has edited the entries, but that could not be printed: no space left on device")
}
