package bootargs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEditLimine(t *testing.T) {
	const key = "KERNEL_CMDLINE[default]"
	for _, tt := range []struct {
		name, in string
		edit     Edit
		want     string
	}{
		{"the last line gets what is new", key + "=\"a\"\n" + key + "+=\"b\"\nX=1\n", Edit{Set: []string{"c=1"}}, key + "=\"a\"\n" + key + "+=\"b c=1\"\nX=1\n"},
		{"a value keeps its place in an earlier line", key + "=\"c=0 a\"\n" + key + "+=\"b\"\n", Edit{Set: []string{"c=1"}}, key + "=\"c=1 a\"\n" + key + "+=\"b\"\n"},
		{"removed from every line", key + "=\"a c\"\n" + key + "+=\"c b\"\n", Edit{Remove: []string{"c"}}, key + "=\"a\"\n" + key + "+=\"b\"\n"},
		{"blanks inside the quotes stay", key + "=\"  a b \"\n", Edit{Set: []string{"c"}, Remove: []string{"a"}}, key + "=\"  b c \"\n"},
		{"what an assignment discards stays", key + "=\"c=0\"\n" + key + "=\"b\"\n", Edit{Set: []string{"c=1"}}, key + "=\"c=0\"\n" + key + "=\"b c=1\"\n"},
		{"appended where no line has it", key + "=\"console=tty0\"\n" + key + "+=\"b\"\n", Edit{Append: []string{"console=tty0", "console=hvc0"}}, key + "=\"console=tty0\"\n" + key + "+=\"b console=hvc0\"\n"},
		{"a quoted key, blanks and CRLF stay", " KERNEL_CMDLINE[\"default\"] = \"a\"\r\n", Edit{Set: []string{"c"}}, " KERNEL_CMDLINE[\"default\"] = \"a c\"\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ops, err := tt.edit.ops(spellLimine)
			require.NoError(t, err)
			got, err := editLimine([]byte(tt.in), ops)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
			again, err := editLimine(got, ops)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(again))
		})
	}
	_, err := Edit{Set: []string{`a="b c"`}}.ops(spellLimine)
	assert.ErrorIs(t, err, ErrEncoding)
}
