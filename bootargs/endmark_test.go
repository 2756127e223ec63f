package bootargs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// What is added to a value that is built on another one comes behind the "--"
// of that: the kernel does not find it there. The line with the "--" is named.
func TestAnEndMarkThatComesBeforeIsRefused(t *testing.T) {
	const debian = "-- etc/os-release --\nID=debian\nVERSION_ID=12\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub --\n"
	const fedora = "-- etc/os-release --\nID=fedora\nVERSION_ID=30\n-- boot/grub2/grub.cfg --\nset x\n-- etc/default/grub --\n"
	for _, tt := range []struct{ name, tree, want string }{
		{"in the main file", debian + "# c\nGRUB_CMDLINE_LINUX=\"rdinit=/init -- --flag\"\n-- etc/default/grub.d/x.cfg --\n\n", "/etc/default/grub:2: "},
		{"in a drop-in before ours", debian + "GRUB_CMDLINE_LINUX=ro\n-- etc/default/grub.d/50-x.cfg --\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX --\"\n", "/etc/default/grub.d/50-x.cfg:1: "},
		{"in a drop-in behind ours", debian + "GRUB_CMDLINE_LINUX=ro\n-- etc/default/grub.d/zz.cfg --\nGRUB_CMDLINE_LINUX=\"-- $GRUB_CMDLINE_LINUX\"\n", "/etc/default/grub.d/zz.cfg:1: "},
		{"in an earlier assignment", fedora + "GRUB_CMDLINE_LINUX=\"a --\"\nGRUB_CMDLINE_LINUX=${GRUB_CMDLINE_LINUX}\n", "/etc/default/grub:1: "},
		{"in a variable", fedora + "B=\"a --\"\nGRUB_CMDLINE_LINUX=\"$B\"\n", "/etc/default/grub:2: "},
		{"an open quote in the main file", debian + "GRUB_CMDLINE_LINUX='a=\"b'\n-- etc/default/grub.d/x.cfg --\n\n", "/etc/default/grub.d/99-usernskit.cfg:2:"},
	} {
		for verb, e := range map[string]Edit{
			"set": {Set: []string{"x.y=1"}}, "append": {Append: []string{"x.y=1"}}, "add": {AddIfMissing: []string{"x.y=1"}}, "replace": {Replace: []string{"console=hvc0"}},
		} {
			t.Run(tt.name+"/"+verb, func(t *testing.T) {
				plan, err := PlanEdit(t.Context(), hosttest.Tree(t, tt.tree), e)
				require.ErrorIs(t, err, ErrUnsupportedSyntax)
				assert.Equal(t, usernskit.Plan{}, plan)
				assert.Contains(t, err.Error(), tt.want)
			})
		}
	}
	h := hosttest.Tree(t, debian+"GRUB_CMDLINE_LINUX=\"ro x.y=1 -- --flag\"\n-- etc/default/grub.d/x.cfg --\n\n")
	plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{"x.y=1"}})
	require.NoError(t, err)
	assert.Empty(t, plan.Changes, "it is there already, before the mark")
}

// What holds for a line holds for the value that assignments come to, one built
// on the other: twice is once, what was asked for is so, and the rest stays.
func TestPropertiesOfAssignments(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "x=0", "x=1", "a-b=2", "--", "console=tty0", "$B", "${B}", "$GRUB_CMDLINE_LINUX", "${GRUB_CMDLINE_LINUX}"})
	manyTimes(t, func(t *rapid.T) {
		src, e := "", drawVerb(t)
		for range rapid.IntRange(1, 3).Draw(t, "lines") {
			src += rapid.SampledFrom([]string{"B=", "GRUB_CMDLINE_LINUX=", "GRUB_CMDLINE_LINUX="}).Draw(t, "name")
			if words := rapid.SliceOfN(word, 0, 4).Draw(t, "words"); len(words) == 1 {
				src += words[0] + "\n"
			} else {
				src += `"` + strings.Join(words, " ") + "\"\n"
			}
		}
		after, err := editShell("f", []byte(src), e)
		if err != nil {
			require.Empty(t, after)
			return
		}
		again, err := editShell("f", after, e)
		require.NoError(t, err, "%s%s", src, after)
		require.Equal(t, string(after), string(again), "twice is once")
		value := func(src []byte) string {
			f, err := parseShell("f", src)
			require.NoError(t, err)
			return evaluate(f)[grubVariable].text
		}
		local(t, e, value([]byte(src)), value(after))
	})
}
