package bootargs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A quote in the middle of a value stays open without those around the whole
// argument, and would swallow "--" and what follows.
func TestAnOddQuoteIsRefusedAndNotLeftOpen(t *testing.T) {
	for _, arg := range []string{`"x=a"b`, `"a"b`, `"x"=1`} {
		got, err := editEntry("options root=/dev/x -- single\n", Edit{Append: []string{arg}}, false, nil)
		require.ErrorIs(t, err, ErrEncoding, arg)
		require.Empty(t, got)
		_, err = Edit{Append: []string{arg}}.ops(spellUBoot)
		require.ErrorIs(t, err, ErrEncoding, arg)
	}
}

// However an argument is spelled for a layer, it is the same one to the kernel.
func TestSpellingsKeepTheArgument(t *testing.T) {
	pieces := []string{"a", "b", "=", `"`, `"`, " ", "\xa0", "-", "$", `\`, "'", "#"}
	manyTimes(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 8).Draw(t, "arg"), "")
		a, err := ParseArg(text)
		if err != nil {
			return
		}
		for name, spell := range map[string]speller{"literal": spellLiteral, "uboot": spellUBoot, "grub": spellGRUB} {
			spelled, err := spell(a, text)
			if err != nil {
				continue
			}
			b, err := ParseArg(spelled)
			require.NoError(t, err, "%s: %q as %q", name, text, spelled)
			require.Equal(t, a, b, "%s: %q as %q", name, text, spelled)
		}
	})
}
