package bootargs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// show writes what the kernel reads as {name|value}, {name} without a value.
func show(line string) string {
	var b strings.Builder
	for a := range Cmdline(line).Args() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if a.HasValue {
			fmt.Fprintf(&b, "{%s|%s}", a.Name, a.Value)
		} else {
			fmt.Fprintf(&b, "{%s}", a.Name)
		}
	}
	if rest, _ := Cmdline(line).initArgs(); rest != "" {
		b.WriteString(" STOP" + rest)
	}
	return b.String()
}

func TestReadsAsTheKernelDoes(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`foo="a b" c`, `{foo|a b} {c}`},
		{`"foo=a b" c`, `{foo|a b} {c}`},
		{`foo="a b"c d`, `{foo|a b"c} {d}`},
		{`foo=a" "b c`, `{foo|a" "b} {c}`},
		{`a==b`, `{a|=b}`},
		{`=x`, `{=x}`},
		{`=x=y`, `{=x|y}`},
		{`foo=`, `{foo|}`},
		{`foo=""`, `{foo|}`},
		{`foo="`, `{foo|}`},
		{`foo`, `{foo}`},
		{`"foo"=1 x`, `{foo"|1} {x}`},
		{`foo="unterminated bar`, `{foo|unterminated bar}`},
		{`foo='a b'`, `{foo|'a} {b'}`},
		{`a=\"q r`, `{a|\"q r}`},
		{`x="--" -- y`, `{x|--} STOP y`},
		{`"--" z`, ` STOP z`},
		{`a --x b`, `{a} {--x} {b}`},
		{`a ---  b`, `{a} {---} {b}`},
		{"\t a \n\v\f\rb\xa0c ", `{a} {b} {c}`},
		{`"`, `{}`},
		{`""`, `{}`},
		{`"a="`, `{a|}`},
		{`"a="b" c`, `{a|b" c}`},
		{`dyndbg="file a.c +p; file b.c +p" ro`, `{dyndbg|file a.c +p; file b.c +p} {ro}`},
		{`rdinit=/init -- --some-init-flag a="b c"`, `{rdinit|/init} STOP --some-init-flag a="b c"`},
		{"foo=caf\xc3\xa0 x", "{foo|caf\xc3} {x}"}, // 0xA0, second byte of "à", is a blank
		{``, ``},
	} {
		assert.Equal(t, tt.want, show(tt.in), "%q", tt.in)
	}
}

// C programs see a line up to its first NUL.
func TestANULEndsTheLine(t *testing.T) {
	_, ok := Cmdline("ro\x00x=1").Effective("x")
	assert.False(t, ok)
	got, err := Edit{Set: []string{"x=1"}}.Apply("ro\x00x=1")
	require.NoError(t, err)
	assert.Equal(t, "ro x=1\x00x=1", got)
}

func TestLastOfANameIsInForce(t *testing.T) {
	line := Cmdline(`user-namespace.enable=1 user_namespace.enable=0 foo -- foo=init`)
	a, ok := line.Effective("user_namespace-enable")
	assert.False(t, ok, "only - and _ are alike: %v", a)
	a, ok = line.Effective("user-namespace.enable")
	require.True(t, ok)
	assert.Equal(t, Arg{Name: "user_namespace.enable", Value: "0", HasValue: true}, a)
	a, ok = line.Effective("foo")
	require.True(t, ok)
	assert.False(t, a.HasValue, "what follows -- is init's")
	_, ok = line.Effective("Foo")
	assert.False(t, ok)
}

func TestEqualIsWhatTheKernelReads(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{`foo="a b"`, `"foo=a b"`, true},
		{" a  b\n", "a b", true},
		{"a-b=1", "a_b=1", true},
		{"a=x-y", "a=x_y", false},
		{"foo", "foo=", false},
		{"a b", "b a", false},
		{"a b", "a b c", false},
		{"a -- x-y", "a -- x_y", false},
		{"a --", "a", false},
	} {
		assert.Equal(t, tt.want, equalLines(tt.a, tt.b), "%q %q", tt.a, tt.b)
		assert.Equal(t, tt.want, equalLines(tt.b, tt.a), "%q %q", tt.b, tt.a)
	}
}

func TestArgumentsThatAreNone(t *testing.T) {
	for _, s := range []string{"", " ", "a b", " a", "a ", `a="b`, "a=\n", "a\x00", "a\x7f", "--", `"--"`, "$kernelopts", "${x}", `""`, `"`, "a=caf\xc3\xa0"} {
		a, err := ParseArg(s)
		assert.ErrorIs(t, err, ErrSyntax, "%q", s)
		assert.Zero(t, a)
	}
	for s, want := range map[string]Arg{
		`dyndbg="file a.c +p"`: {"dyndbg", "file a.c +p", true},
		`"foo=a b"`:            {"foo", "a b", true},
		`quiet`:                {"quiet", "", false},
		`a=$b`:                 {"a", "$b", true},
		`a=`:                   {"a", "", true},
	} {
		a, err := ParseArg(s)
		require.NoError(t, err)
		assert.Equal(t, want, a)
		again, err := ParseArg(a.String())
		require.NoError(t, err)
		assert.Equal(t, a, again)
	}
}

// The line on which both grubbys were run, for their table of operations.
const tableLine = `root=/dev/sda1 ro  console=tty0 console=ttyS0 foo=1 foo=2 foo dyndbg="file a.c +p; file b.c +p" user-namespace.enable=0 empty=`

func TestOperationsThatGrubbyGetsWrong(t *testing.T) {
	swap := func(from, to string) string { return strings.Replace(tableLine, from, to, 1) }
	for _, tt := range []struct {
		name string
		edit Edit
		want string
	}{
		{"one value for three", Edit{Set: []string{"foo=9"}}, swap("foo=1 foo=2 foo ", "foo=9 ")},
		{"more values than places", Edit{Set: []string{"foo=9", "foo=8", "foo=7", "foo=6"}}, swap("foo=1 foo=2 foo ", "foo=9 foo=8 foo=7 ") + " foo=6"},
		{"a console is added", Edit{Append: []string{"console=ttyS1"}}, tableLine + " console=ttyS1"},
		{"a console that is there", Edit{Append: []string{"console=ttyS0"}}, tableLine},
		{"consoles replaced when asked", Edit{Replace: []string{"console=ttyS1"}}, swap("  console=tty0 console=ttyS0", "  console=ttyS1")},
		{"all of a name", Edit{Remove: []string{"foo"}}, swap(" foo=1 foo=2 foo ", " ")},
		{"one value", Edit{RemoveExact: []string{"foo=2"}}, swap(" foo=2", "")},
		{"a value that is not there", Edit{RemoveExact: []string{"foo=3"}}, tableLine},
		{"an empty value is not none", Edit{RemoveExact: []string{"foo="}}, tableLine},
		{"no value is not empty", Edit{RemoveExact: []string{"empty"}}, tableLine},
		{"an empty value", Edit{RemoveExact: []string{"empty="}}, swap(" empty=", "")},
		{"quotes stay", Edit{Set: []string{`bar="a b"`, "baz"}}, tableLine + ` bar="a b" baz`},
		{"a quoted value goes whole", Edit{Remove: []string{"dyndbg"}}, swap(` dyndbg="file a.c +p; file b.c +p"`, "")},
		{"a quoted value is replaced whole", Edit{Replace: []string{"dyndbg=x"}}, swap(`dyndbg="file a.c +p; file b.c +p"`, "dyndbg=x")},
		{"a dash is an underscore", Edit{Set: []string{"user_namespace.enable=1"}}, swap("user-namespace.enable=0", "user_namespace.enable=1")},
		{"an ampersand is a byte", Edit{Set: []string{"a=1&b"}}, tableLine + " a=1&b"},
		{"added only if missing", Edit{AddIfMissing: []string{"foo=5", "new=1"}}, tableLine + " new=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.edit.Apply(tableLine)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			again, err := tt.edit.Apply(got)
			require.NoError(t, err)
			assert.Equal(t, got, again, "twice is once")
		})
	}
}

func TestEditsOfALine(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		edit     Edit
		want     string
	}{
		{"before the end mark", "a -- init=1", Edit{Set: []string{"x=1"}}, "a x=1 -- init=1"},
		{"before an end mark that is first", "-- b", Edit{Set: []string{"x=1"}}, "x=1 -- b"},
		{"never behind the end mark", "a -- x=0 x=0", Edit{Set: []string{"x=1"}, Remove: []string{"y"}}, "a x=1 -- x=0 x=0"},
		{"removal stops at the end mark", "x a -- x", Edit{Remove: []string{"x"}}, "a -- x"},
		{"the newline stays last", "a b\n", Edit{Set: []string{"x"}}, "a b x\n"},
		{"an empty line", "", Edit{Set: []string{"x", "y"}}, "x y"},
		{"a blank line", "\n", Edit{Set: []string{"x"}}, "x\n"},
		{"the first goes", "  a b", Edit{Remove: []string{"a"}}, "  b"},
		{"the first two go", "a b  c", Edit{Remove: []string{"a", "b"}}, "c"},
		{"everything goes", "a b\n", Edit{Remove: []string{"a", "b"}}, "\n"},
		{"the last goes", "a\tb  ", Edit{Remove: []string{"b"}}, "a  "},
		{"odd blanks stay", "a\t\tb   c", Edit{Set: []string{"b=1"}}, "a\t\tb=1   c"},
		{"a variable is not moved", "$kernelopts x=0 $tuned_params", Edit{Set: []string{"x=1", "y=2"}}, "$kernelopts x=1 $tuned_params y=2"},
		{"equal though spelled otherwise", `"a=b c" d-e=1`, Edit{Set: []string{`a="b c"`, "d_e=1"}}, `"a=b c" d-e=1`},
		{"what is right keeps its place", "x=1 a x=2", Edit{Set: []string{"x=1"}}, "x=1 a"},
		{"huge pages are one sequence", "hugepagesz=1G hugepages=2", Edit{Append: []string{"hugepagesz=2M", "hugepages=2"}}, "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=2"},
		{"a sequence that is there", "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=2", Edit{Append: []string{"hugepagesz=2M", "hugepages=2"}}, "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=2"},
		{"huge pages replaced in order", "hugepages=8 quiet", Edit{Replace: []string{"hugepagesz=1G", "hugepages=2"}}, "hugepagesz=1G quiet hugepages=2"},
		{"one console for another", "console=tty0 console=ttyS0", Edit{RemoveExact: []string{"console=tty0"}, Append: []string{"console=hvc0"}}, "console=ttyS0 console=hvc0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.edit.Apply(tt.in)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			again, err := tt.edit.Apply(got)
			require.NoError(t, err)
			assert.Equal(t, got, again, "twice is once")
		})
	}
}

func TestEditsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		edit     Edit
		want     error
	}{
		{"two arguments in one", "", Edit{Set: []string{"a b"}}, ErrSyntax},
		{"a newline", "", Edit{Append: []string{"a=\nb"}}, ErrSyntax},
		{"a value where names go", "", Edit{Remove: []string{"a=1"}}, ErrSyntax},
		{"a console by Set", "", Edit{Set: []string{"console=tty0"}}, ErrAccumulates},
		{"an LVM volume by Set", "", Edit{Set: []string{"rd.lvm.lv=vg/root"}}, ErrAccumulates},
		{"a control group by Set", "cgroup_enable=cpuset", Edit{Set: []string{"cgroup_enable=memory"}}, ErrAccumulates},
		{"an initcall by Set", "", Edit{Set: []string{"initcall_blacklist=x"}}, ErrAccumulates},
		{"set and removed", "", Edit{Set: []string{"a-b=1"}, Remove: []string{"a_b"}}, errConflict},
		{"set and added", "", Edit{Set: []string{"a=1"}, AddIfMissing: []string{"a=2"}}, errConflict},
		{"given and taken", "", Edit{Append: []string{"a=1"}, RemoveExact: []string{"a=1"}}, errConflict},
		{"behind an open quote", `a="b c`, Edit{Set: []string{"x=1"}}, ErrUnsupportedSyntax},
		{"a variable", "$tuned_params", Edit{Remove: []string{"$tuned_params"}}, ErrSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.edit.Apply(tt.in)
			assert.ErrorIs(t, err, tt.want)
			assert.Empty(t, got)
		})
	}
}

func BenchmarkEditLine4096(b *testing.B) {
	line := strings.Repeat(`console=ttyS0,115200n8 rd.lvm.lv=vg/root dyndbg="file a.c +p" quiet `, 60)
	line += strings.Repeat("x", 4096-len(line))
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Edit{Set: []string{"user_namespace.enable=1"}}).Apply(line); err != nil {
			b.Fatal(err)
		}
	}
}

// equalLines reports whether both lines mean the same to the kernel and to init:
// the same names and values in the same order. Quoting and blanks do not
// count; GRUB writes foo="a b" back as "foo=a b".
func equalLines(c, d string) bool {
	ours, n := split(c)
	theirs, m := split(d)
	return n == m && slices.EqualFunc(ours[:n], theirs[:m], func(a, b token) bool { return a.equal(b.Arg) }) &&
		slices.EqualFunc(ours[n:], theirs[n:], func(a, b token) bool { return a.Arg == b.Arg })
}
