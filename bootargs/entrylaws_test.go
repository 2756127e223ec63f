package bootargs

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What holds for a line holds for an entry: twice is once, what was
// asked for is so, and the rest stays. An entry that had options keeps some, or GRUB would take its own $default_kernelopts.
func TestPropertiesOfAnEntryThatGRUBReads(t *testing.T) {
	manyTimes(t, func(t *rapid.T) {
		src, e := drawEntry(t), drawVerb(t)
		vars := map[string]string{
			"default_kernelopts": "ro default",
			"kernelopts":         rapid.SampledFrom([]string{"", "ro", "ro x=0 console=tty0", "ro -- single"}).Draw(t, "kernelopts"),
		}
		after, err := editEntry(src, e, true, vars)
		if err != nil {
			require.Empty(t, after)
			return
		}
		again, err := editEntry(after, e, true, vars)
		require.NoError(t, err)
		require.Equal(t, after, again, "twice is once")
		before, now := parseEntry("e", []byte(src), vars), parseEntry("e", []byte(after), vars)
		if len(before.options) > 0 {
			require.NotEmpty(t, now.options, "%q to %q", src, after)
		}
		local(t, e, before.cmdline(), now.cmdline())
	})
}

// systemd-boot joins the lines of an entry. The kernel sees what the same edit
// makes of that one line.
func TestPropertiesOfAnEntryThatSystemdBootReads(t *testing.T) {
	manyTimes(t, func(t *rapid.T) {
		src, e := drawEntry(t), drawVerb(t)
		after, err := editEntry(src, e, false, nil)
		if err != nil {
			require.Empty(t, after)
			return
		}
		again, err := editEntry(after, e, false, nil)
		require.NoError(t, err)
		require.Equal(t, after, again, "twice is once")
		before, now := parseEntry("e", []byte(src), nil).cmdline(), parseEntry("e", []byte(after), nil).cmdline()
		want, err := e.Apply(before)
		require.NoError(t, err)
		require.True(t, equalLines(want, now), "%q to %q, and not to %q", before, now, want)
		local(t, e, before, now)
	})
}

// manyTimes is for what goes wrong in one draw of hundreds only.
func manyTimes(t *testing.T, check func(t *rapid.T)) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			check(t)
		}
	})
}

// drawEntry draws an entry of up to three options lines.
func drawEntry(t *rapid.T) string {
	word := rapid.SampledFrom([]string{"a", "b", "x", "x=0", "x=1", "a-b=2", "a_b=3", "--", `y="a b"`, "console=tty0", "console=ttyS1", "hugepages=2", "$kernelopts", `c="d`, `e"`})
	src := "title a\nversion 1\n"
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		src += "options"
		for _, w := range rapid.SliceOfN(word, 1, 3).Draw(t, "words") {
			src += rapid.SampledFrom([]string{" ", " ", "  ", "\t"}).Draw(t, "blank") + w
		}
		src += rapid.SampledFrom([]string{"\n", "\n", " \n", "\r\n"}).Draw(t, "end")
	}
	return src + "linux /v\n"
}

// drawVerb draws an edit of one verb: one of several mostly contradicts itself.
func drawVerb(t *rapid.T) Edit {
	some := func(args ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(append(args, "x=1", "x=2", "a-b=2", `y="a b"`, "new=1", "b")), 1, 3).Draw(t, "args")
	}
	return rapid.Custom(func(t *rapid.T) Edit {
		switch rapid.IntRange(0, 5).Draw(t, "verb") {
		case 0:
			return Edit{Set: some()}
		case 1:
			return Edit{Replace: some("console=tty0", "console=hvc0", "hugepages=4")}
		case 2:
			return Edit{Append: some("console=tty0", "console=hvc0")}
		case 3:
			return Edit{AddIfMissing: some("console=hvc0")}
		case 4:
			return Edit{Remove: rapid.SliceOfN(rapid.SampledFrom([]string{"x", "a", "b", "a_b", "y", "console"}), 1, 3).Draw(t, "names")}
		}
		return Edit{RemoveExact: some("x", "x=0", "console=tty0")}
	}).Draw(t, "edit")
}
