package bootargs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

func editEntry(src string, e Edit, grub bool, vars map[string]string) (string, error) {
	spell := speller(spellLiteral)
	if grub {
		spell = spellGRUB
		if vars == nil {
			vars = map[string]string{}
		}
	}
	ops, err := e.ops(spell)
	if err != nil {
		return "", err
	}
	after, err := parseEntry("/boot/loader/entries/e.conf", []byte(src), vars).edit(ops)
	return string(after), err
}

func TestEntriesKeepEverythingButTheirOptions(t *testing.T) {
	const head, tail = "title Fedora\nversion 6.1\n# options not=this\nlinux\t/vmlinuz\n", "\ngrub_class fedora\n"
	for _, tt := range []struct {
		name, in string
		edit     Edit
		grub     bool
		vars     map[string]string
		want     string
	}{
		{"set", "options root=UUID=1 ro quiet", Edit{Set: []string{"x=1"}}, true, nil, "options root=UUID=1 ro quiet x=1"},
		{"blanks stay", "options   root=UUID=1  ro\t quiet ", Edit{Set: []string{"x=1"}}, true, nil, "options   root=UUID=1  ro\t quiet x=1 "},
		{"a carriage return stays", "options ro\r", Edit{Set: []string{"x=1"}}, true, nil, "options ro x=1\r"},
		{"variables stay", "options $kernelopts $tuned_params", Edit{Set: []string{"x=1"}}, true, nil, "options $kernelopts $tuned_params x=1"},
		{"what a variable gives is not written again", "options $kernelopts", Edit{Set: []string{"x=1"}}, true, map[string]string{"kernelopts": "x=1"}, "options $kernelopts"},
		{"what a variable gives is overridden behind it", "options x=1 $kernelopts", Edit{Set: []string{"x=1"}}, true, map[string]string{"kernelopts": "x=0"}, "options $kernelopts x=1"},
		{"before the end mark", "options ro -- init", Edit{Set: []string{"x=1"}}, true, nil, "options ro x=1 -- init"},
		{"an ampersand", "options ro", Edit{Set: []string{"x=a&b"}}, true, nil, `options ro x="a&b"`},
		{"an ampersand without GRUB", "options ro", Edit{Set: []string{"x=a&b"}}, false, nil, "options ro x=a&b"},
		{"GRUB reads the first line", "options ro x=0\noptions x=0", Edit{Set: []string{"x=1"}}, true, nil, "options ro x=1\noptions x=0"},
		{"systemd-boot joins both", "options ro x=0\noptions x=0", Edit{Set: []string{"x=1"}}, false, nil, "options ro x=1"},
		{"one value for each console, over all lines", "options ro console=tty0\noptions quiet", Edit{Replace: []string{"console=ttyS0", "console=tty1"}}, false, nil, "options ro console=ttyS0\noptions quiet console=tty1"},
		{"set once, over all lines", "options ro x=0\noptions quiet", Edit{Set: []string{"x=1"}}, false, nil, "options ro x=1\noptions quiet"},
		{"the end mark of the first line", "options ro -- single\noptions quiet", Edit{Set: []string{"x=1"}}, false, nil, "options ro x=1 -- single\noptions quiet"},
		{"the end mark begins the second line", "options ro \noptions -- single", Edit{Append: []string{"x=1"}}, false, nil, "options ro x=1 \noptions -- single"},
		{"what is behind the end mark stays", "options ro -- single\noptions x=0", Edit{Remove: []string{"x"}}, false, nil, "options ro -- single\noptions x=0"},
		{"the first of a line goes", "options ro  \noptions x=0  b", Edit{Remove: []string{"x"}}, false, nil, "options ro  \noptions b"},
		{"a whole line goes, and blanks stay", "options x=0 \noptions ro  b\noptions x=2 x=3", Edit{Remove: []string{"x"}}, false, nil, "options ro  b"},
		{"new ones go into the last line", "options ro x=0\noptions quiet", Edit{Set: []string{"y=1"}}, false, nil, "options ro x=0\noptions quiet y=1"},
		{"an empty line goes", "options ro\noptions x=0", Edit{Remove: []string{"x"}}, false, nil, "options ro"},
		{"an empty line goes with its trailing blanks", "options ro\noptions x=0 \t", Edit{Remove: []string{"x"}}, false, nil, "options ro"},
		{"a quoted value goes whole", `options ro dyndbg="file a.c +p" quiet`, Edit{Remove: []string{"dyndbg"}}, true, nil, "options ro quiet"},
		{"inside the quotes that systemd-boot takes off a line", `options "root=/dev/x  ro" `, Edit{Set: []string{"x=1"}}, false, nil, `options "root=/dev/x  ro x=1" `},
		{"of a line in quotes", `options "root=/dev/x x=0 ro"`, Edit{Remove: []string{"x"}}, false, nil, `options "root=/dev/x ro"`},
		{"an option with blanks of its own", `options "a=b c"`, Edit{Set: []string{"x=1"}}, true, nil, `options "a=b c" x=1`},
		{"not the whole argument in quotes", "options ro", Edit{Set: []string{`"x=a b"`}}, false, nil, `options ro x="a b"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := editEntry(head+tt.in+tail, tt.edit, tt.grub, tt.vars)
			require.NoError(t, err)
			assert.Equal(t, head+tt.want+tail, got)
			again, err := editEntry(got, tt.edit, tt.grub, tt.vars)
			require.NoError(t, err)
			assert.Equal(t, got, again, "twice is once")
		})
	}
	got, err := editEntry("title a\nlinux /b", Edit{Set: []string{"x=1"}}, false, nil)
	require.NoError(t, err)
	assert.Equal(t, "title a\nlinux /b\noptions x=1\n", got)
}

func TestEntriesThatAreNotEdited(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		edit     Edit
		grub     bool
		vars     map[string]string
		want     error
	}{
		{"in a variable of all entries", "options $kernelopts", Edit{Remove: []string{"x"}}, true, map[string]string{"kernelopts": "x=0"}, ErrUnsupported},
		{"behind the end mark of a variable", "options $kernelopts", Edit{Append: []string{"x=1"}}, true, map[string]string{"kernelopts": "ro -- single"}, ErrUnsupportedSyntax},
		{"a console in a variable of all entries", "options $kernelopts", Edit{Replace: []string{"console=hvc0"}}, true, map[string]string{"kernelopts": "ro console=tty0"}, ErrUnsupported},
		{"no options for GRUB", "linux /a", Edit{Set: []string{"x=1"}}, true, nil, ErrUnsupportedSyntax},
		{"a blank line before them", "title a\n\noptions ro", Edit{Set: []string{"x=1"}}, true, nil, ErrUnsupportedSyntax},
		{"nothing left", "options x", Edit{Remove: []string{"x"}}, true, nil, ErrUnsupported},
		{"nothing left but a trailing blank", "options x ", Edit{Remove: []string{"x"}}, true, map[string]string{"default_kernelopts": "ro"}, ErrUnsupported},
		{"a command behind the line", "options ro; reboot", Edit{Set: []string{"x=1"}}, true, nil, ErrUnsupportedSyntax},
		{"quotes of GRUB only", "options a='b c'", Edit{Set: []string{"x=1"}}, true, nil, ErrUnsupportedSyntax},
		{"an open quote", `options a="b c`, Edit{Set: []string{"x=1"}}, false, nil, ErrUnsupportedSyntax},
		{"a quote over two lines", "options ro \"a=b\noptions c\" d", Edit{Set: []string{"x=1"}}, false, nil, ErrUnsupportedSyntax},
		{"a line in quotes that some versions take off", `options 'root=/dev/x ro'`, Edit{Set: []string{"x=1"}}, false, nil, ErrEncoding},
		{"a line in quotes", `options "a=b" x="c d" y`, Edit{Remove: []string{"y"}}, false, nil, ErrEncoding},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := editEntry("title e\n"+tt.in+"\n", tt.edit, tt.grub, tt.vars)
			require.ErrorIs(t, err, tt.want)
			var at *usernskit.FileError
			require.True(t, errors.As(err, &at))
			assert.Equal(t, "/boot/loader/entries/e.conf", at.File)
		})
	}
}

func TestEntryIDsForgetTheBootCount(t *testing.T) {
	for name, want := range map[string]string{
		"fedora-6.1.conf":       "fedora-6.1",
		"fedora-6.1+3.conf":     "fedora-6.1",
		"fedora-6.1+3-1.conf":   "fedora-6.1",
		"fedora-6.1+0-3.conf":   "fedora-6.1",
		"a+b.conf":              "a+b",
		"kernel-6.1+deb12.conf": "kernel-6.1+deb12",
	} {
		e := parseEntry("/boot/loader/entries/"+name, nil, nil)
		assert.Equal(t, want, e.id())
		assert.Equal(t, strings.Contains(name, "+0"), e.failed(), name)
	}
}

// env makes an environment block of 1024 bytes.
func env(lines string) []byte {
	text := envHeader + lines
	return []byte(text + strings.Repeat("#", 1024-len(text)))
}

func TestEnvironmentBlockKeepsItsSize(t *testing.T) {
	src := env("saved_entry=a\nkernelopts=ro quiet\nboot_success=0\n")
	b, err := parseEnv("grubenv", src)
	require.NoError(t, err)
	for _, value := range []string{"ro quiet x=1", "ro", "", `ro a=b\c`, "ro " + strings.Repeat("y", 900)} {
		after, err := b.set("kernelopts", value)
		require.NoError(t, err)
		require.Len(t, after, 1024)
		c, err := parseEnv("grubenv", after)
		require.NoError(t, err)
		got, ok := c.get("kernelopts")
		assert.True(t, ok)
		assert.Equal(t, value, got)
		got, _ = c.get("boot_success")
		assert.Equal(t, "0", got)
		back, err := c.set("kernelopts", "ro quiet")
		require.NoError(t, err)
		assert.Equal(t, string(src), string(back))
	}
	_, err = b.set("kernelopts", strings.Repeat("y", 1000))
	assert.ErrorIs(t, err, ErrTooLong)
	room := strings.Repeat("y", 1024-b.pad)
	full, err := b.set("kernelopts", "ro quiet"+room)
	require.NoError(t, err, "to the last byte")
	assert.NotContains(t, string(full), "##")
	_, err = b.set("kernelopts", "ro quiet"+room+"y")
	assert.ErrorIs(t, err, ErrTooLong, "and not one more")
	escaped, err := parseEnv("grubenv", env("a=1\\\nkernelopts=no\nkernelopts=b\\\\c\n"))
	require.NoError(t, err)
	got, _ := escaped.get("kernelopts")
	assert.Equal(t, `b\c`, got, "an escaped newline ends no variable")
	got, _ = escaped.get("a")
	assert.Equal(t, "1\nkernelopts=no", got)
	for _, bad := range []string{"", "x", "# GRUB Environment Block", string(src[:60])} {
		_, err := parseEnv("grubenv", []byte(bad))
		assert.ErrorIs(t, err, ErrUnsupportedSyntax, "%q", bad)
	}
}

func TestGRUBReadsTheEnvironmentBlock(t *testing.T) {
	tool := hosttest.NeedProgram(t, "grub-editenv")
	name := filepath.Join(t.TempDir(), "grubenv")
	require.NoError(t, exec.Command(tool, name, "create").Run())
	require.NoError(t, exec.Command(tool, name, "set", `kernelopts=root=UUID=1 ro a=b\c`, "saved_entry=x", "later=y").Run())
	src, err := os.ReadFile(name)
	require.NoError(t, err)
	b, err := parseEnv(name, src)
	require.NoError(t, err)
	got, ok := b.get("kernelopts")
	require.True(t, ok)
	assert.Equal(t, `root=UUID=1 ro a=b\c`, got)
	after, err := b.set("kernelopts", `root=UUID=1 ro a=b\c user_namespace.enable=1`)
	require.NoError(t, err)
	require.Len(t, after, len(src))
	require.NoError(t, os.WriteFile(name, after, 0o644))
	list, err := exec.Command(tool, name, "list").Output()
	require.NoError(t, err)
	assert.Equal(t, "kernelopts=root=UUID=1 ro a=b\\c user_namespace.enable=1\nsaved_entry=x\nlater=y\n", string(list))
	require.NoError(t, exec.Command(tool, name, "set", "more=1").Run(), "GRUB can go on writing")
}
