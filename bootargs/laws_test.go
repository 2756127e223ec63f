package bootargs

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/internal/distro"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// nextArg does to a buffer what the kernel's next_arg() does: it cuts the
// buffer up by writing zeros. It is written down from the description of the
// grammar in the slow way of C, to be held against token.next.
func nextArg(args []byte) (param string, val *string, rest []byte) {
	space := func(b byte) bool { return b == ' ' || b >= 9 && b <= 13 || b == 0xA0 }
	text := func(b []byte) string { s, _, _ := strings.Cut(string(b), "\x00"); return s }
	buf := append(append([]byte{}, args...), 0)
	inQuote, quoted := false, false
	if buf[0] == '"' {
		buf = buf[1:]
		inQuote, quoted = true, true
	}
	i, equals := 0, 0
	for ; buf[i] != 0; i++ {
		if space(buf[i]) && !inQuote {
			break
		}
		if equals == 0 && buf[i] == '=' {
			equals = i
		}
		if buf[i] == '"' {
			inQuote = !inQuote
		}
	}
	var value []byte
	if equals != 0 {
		buf[equals] = 0
		value = buf[equals+1:]
		if value[0] == '"' {
			value = value[1:]
			if buf[i-1] == '"' {
				buf[i-1] = 0
			}
		}
	}
	if quoted && i > 0 && buf[i-1] == '"' {
		buf[i-1] = 0
	}
	if buf[i] != 0 {
		buf[i] = 0
		i++
	}
	rest = buf[i:]
	for len(rest) > 0 && space(rest[0]) {
		rest = rest[1:]
	}
	if equals != 0 {
		v := text(value)
		val = &v
	}
	return text(buf), val, []byte(text(rest))
}

func plainArgs(line string) []Arg {
	args := []byte(line)
	for len(args) > 0 && (args[0] == ' ' || args[0] >= 9 && args[0] <= 13 || args[0] == 0xA0) {
		args = args[1:]
	}
	var list []Arg
	for len(args) > 0 {
		param, val, rest := nextArg(args)
		if val == nil && param == "--" {
			break
		}
		a := Arg{Name: param}
		if val != nil {
			a.Value, a.HasValue = *val, true
		}
		list, args = append(list, a), rest
	}
	return list
}

// Lines made of what matters: blanks, quotes, equal signs, dashes, dollars.
var pieces = []string{" ", "  ", "\t", "\n", "\xa0", `"`, `'`, `\`, "=", "-", "_", "--", " -- ", "a", "b", "ab", "a-b", "a_b=", "x=0", "x=1", " x", "console=tty0", "$kernelopts", "${x}", "y=\"a b\"", "\"y=a b\"", "hugepages=2", "hugepagesz=1G", "\xc3\xa0"}

func drawLine(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "line"), "")
}

func drawEdit(t *rapid.T) Edit {
	args := []string{"x=1", "x", "x=", "a-b=2", "y=\"a b\"", "new=1", "b"}
	some := func(name string, from []string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, name)
	}
	return Edit{
		Set:          some("set", args),
		Replace:      some("replace", append(args, "console=ttyS0", "hugepages=4")),
		Append:       some("append", append(args, "console=tty0", "hugepagesz=1G", "hugepages=2")),
		AddIfMissing: some("add", args),
		Remove:       some("remove", []string{"x", "a_b", "y", "console"}),
		RemoveExact:  some("exact", args),
	}
}

func TestPropertiesOfALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawLine(t)
		agree(t, line)
		e := drawEdit(t)
		after, err := e.Apply(line)
		if err != nil {
			require.Empty(t, after)
			return
		}
		again, err := e.Apply(after)
		require.NoError(t, err)
		require.Equal(t, after, again, "twice is once")
		local(t, e, line, after)
	})
}

// agree holds our reading against the plain one.
func agree(t require.TestingT, line string) {
	var got []Arg
	for a := range Cmdline(line).Args() {
		got = append(got, a)
	}
	require.Equal(t, plainArgs(line), got, "%q", line)
	require.True(t, equalLines(line, line))
}

// local checks that an edit leaves every argument of another name as it is
// written, in its order, and everything from "--" on. What comes out has what
// was asked for.
func local(t require.TestingT, e Edit, before, after string) {
	require.Equal(t, raws(e, before), raws(e, after), "%q to %q", before, after)
	require.True(t, sameInit(Cmdline(before), Cmdline(after)))
	for _, name := range e.Remove {
		_, ok := Cmdline(after).Effective(name)
		require.False(t, ok, "%s in %q", name, after)
	}
	for _, s := range append(append([]string{}, e.Append...), e.Set...) {
		a, err := ParseArg(s)
		require.NoError(t, err)
		require.True(t, holds(after, a), "%s in %q", s, after)
	}
	for _, s := range e.RemoveExact {
		a, _ := ParseArg(s)
		require.False(t, holds(after, a), "%s in %q", s, after)
	}
	if len(e.Set) > 0 {
		a, _ := ParseArg(e.Set[len(e.Set)-1])
		last, ok := Cmdline(after).Effective(a.Name)
		require.True(t, ok && last.equal(a), "%v in %q", a, after)
	}
}

// raws returns the raw bytes of the arguments that an edit does not speak of.
func raws(e Edit, line string) []string {
	var list []string
	all, n := split(line)
	for _, t := range all[:n] {
		a, named := t.Arg, false
		for _, n := range e.names() {
			named = named || group(n) == group(a.Name)
		}
		if !named || isVariable(a.Name) {
			list = append(list, line[t.from:t.to])
		}
	}
	return list
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{tableLine, "", " ", "\ta  b \n", `foo="a b" "c=d e" f" "g`, `a="`, `"`, `"a="`, `"--" z`, "a -- x=0", "x=0 $v x=1 -- x",
		"a\xa0b", "a=\xc3\xa0", "user-namespace.enable=0", "hugepagesz=1G hugepages=2", "  x=1", "x=1  ", `a="b c`} {
		f.Add(s, "x=1", "console=tty0", "foo")
	}
	f.Add("a-b=1 a_b=2", "a-b=3", "d", "e")
	f.Fuzz(func(t *testing.T, line, set, app, remove string) {
		if strings.Contains(line, "\x00") { // the kernel's line ends there
			return
		}
		agree(t, line)
		e := Edit{Set: []string{set}, Append: []string{app}, Remove: []string{remove}}
		after, err := e.Apply(line)
		if err != nil {
			require.Empty(t, after)
			e = Edit{Set: []string{set}}
			if after, err = e.Apply(line); err != nil {
				return
			}
		}
		again, err := e.Apply(after)
		require.NoError(t, err)
		require.Equal(t, after, again)
		agree(t, after)
		local(t, e, line, after)
	})
}

// FuzzShellValue writes a value into /etc/default/grub's quoting in three
// ways, and reads it back; where sh is there, as sh does.
func FuzzShellValue(f *testing.F) {
	for _, s := range []string{"", "a b", `a\b`, `"`, "'", `$x ${y} \$z`, "`id`", "a\nb", "#a", "~", "caf\xe9", `\\\"$`, "a\\\nb", "!x"} {
		f.Add(s)
	}
	sh, _ := exec.LookPath("sh")
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "\r\x00") {
			return
		}
		for _, src := range []string{
			`V="` + encodeShell(value, inDouble) + "\"\n",
			"V='" + encodeShell(value, inSingle) + "'\n",
			"V=\nW=1\n",
		} {
			file, err := parseShell("v", []byte(src))
			require.NoError(t, err)
			word := file.steps[0].word
			if src == "V=\nW=1\n" {
				if value == "" {
					continue
				}
				src = string(word.splice([]splice{{text: value}}))
				file, err = parseShell("v", []byte(src))
				require.NoError(t, err)
				word = file.steps[0].word
			}
			require.NoError(t, file.steps[0].odd)
			require.Equal(t, value, word.text, "%s", src)
			for _, n := range word.variable {
				require.Zero(t, n, "%s", src)
			}
			if sh != "" {
				out, err := exec.Command(sh, "-c", src+`printf '%s.' "$V"`).Output()
				require.NoError(t, err)
				require.Equal(t, value+".", string(out), "%s", src)
			}
		}
	})
}

// Whatever sh makes of a file that we can read, we read the same.
func TestShAgreesWithOurReadingOfAnyAssignments(t *testing.T) {
	sh := hosttest.NeedProgram(t, "sh")
	rapid.Check(t, func(t *rapid.T) {
		var src strings.Builder
		for i := range rapid.IntRange(1, 12).Draw(t, "lines") {
			part := rapid.SampledFrom([]string{"a", " b", `"c d"`, "'e f'", `"$V"`, `"${V} g"`, "$W", `\ `, `\"`, `"\\"`, `"\$V"`, `'$V'`, "x=1", `"h\` + "\n" + `i"`, `"#"`, "\xe9"})
			word := strings.ReplaceAll(strings.Join(rapid.SliceOfN(part, 0, 4).Draw(t, "word"), ""), " b", "b")
			fmt.Fprintf(&src, "%s=%s\n", rapid.SampledFrom([]string{"V", "W"}).Draw(t, fmt.Sprint(i)), word)
		}
		f, err := parseShell("v", []byte(src.String()))
		require.NoError(t, err, "%s", src.String())
		env := evaluate(f)
		out, err := exec.Command(sh, "-c", src.String()+`printf '%s\036%s' "$V" "$W"`).Output()
		require.NoError(t, err)
		require.Equal(t, string(out), env["V"].text+"\x1e"+env["W"].text, "%s", src.String())
	})
}

// FuzzStores lets every parser and editor loose on any bytes.
func FuzzStores(f *testing.F) {
	f.Add([]byte("GRUB_CMDLINE_LINUX=\"a ${GRUB_CMDLINE_LINUX}\"\nif x; then y; fi"), "x=1")
	f.Add([]byte("GRUB_CMDLINE_LINUX=\"a --\"\nGRUB_CMDLINE_LINUX=${GRUB_CMDLINE_LINUX}"), "x=1")
	f.Add([]byte("title a\noptions a -- b\noptions c"), "x=1")
	f.Add([]byte("title a\noptions a b\r\noptions\n\n#x\noptions c"), "x=1")
	f.Add([]byte(envHeader+"kernelopts=a\\\\b\n####"), "x")
	f.Add([]byte("default a\nlabel a\n\tappend x\nlabel b\n  linux y\n"), "console=a")
	f.Add([]byte("include f\ninclude f\nmenu include f\ninclude f\ninclude f\nlabel a\nlinux b\n"), "x=1")
	f.Add([]byte("append x\nLABEL a\r\n LINUX y\r\nlabel b\nlinux z\nappend -"), "x=1")
	f.Fuzz(func(t *testing.T, src []byte, arg string) {
		e := Edit{Set: []string{arg}}
		ops, err := e.ops(spellGRUB)
		if err != nil {
			return
		}
		if file, err := parseShell("f", src); err == nil {
			if after, err := file.edit(grubVariable, ops); err == nil {
				file, err := parseShell("f", after)
				require.NoError(t, err)
				again, err := file.edit(grubVariable, ops)
				require.NoError(t, err)
				require.Equal(t, string(after), string(again))
			}
		}
		for _, vars := range []map[string]string{{}, nil} {
			if after, err := parseEntry("f", src, vars).edit(ops); err == nil {
				again, err := parseEntry("f", after, vars).edit(ops)
				require.NoError(t, err)
				require.Equal(t, string(after), string(again))
			}
		}
		if b, err := parseEnv("f", src); err == nil {
			if _, ok := b.get("kernelopts"); ok {
				if after, err := b.set("kernelopts", arg); err == nil {
					require.Len(t, after, len(src))
				}
			}
		}
		if after, err := editExtlinux(src, ops); err == nil {
			again, err := editExtlinux(after, ops)
			require.NoError(t, err)
			require.Equal(t, string(after), string(again))
		}
		parseGRUBCfg(src)
		parseInfo(string(src))
		distro.Parse(src, src)
	})
}

// To the kernel byte 0xa0 is a blank; GRUB drops the quotes that would keep it
// in a name, so such a name must be refused and not written in two.
func TestANameWithTheKernelsOtherBlankIsRefusedForGRUB(t *testing.T) {
	e := Edit{Set: []string{"\"a\xa0b\""}}
	_, err := e.ops(spellGRUB)
	require.ErrorIs(t, err, ErrEncoding)
	_, err = e.ops(spellLiteral)
	require.NoError(t, err)
}

func TestAnAppendLineOfNothingGetsABlank(t *testing.T) {
	e := Edit{Set: []string{"x=1"}}
	ops, err := e.ops(spellUBoot)
	require.NoError(t, err)
	got, err := editExtlinux([]byte("label a\n\tlinux /v\n\tappend\n"), ops)
	require.NoError(t, err)
	require.Equal(t, "label a\n\tlinux /v\n\tappend x=1\n", string(got))
}

// editExtlinux edits every label of a file that includes nothing.
func editExtlinux(src []byte, ops []op) ([]byte, error) {
	read := func(name string) []byte {
		if name == "f" {
			return src
		}
		return nil
	}
	conf := parseExtlinux("f", read)
	chosen, err := choose(&planner{edit: Edit{Rescue: true}}, "f", "label", conf.labels, conf.named)
	if err != nil {
		return nil, err
	}
	files, err := conf.edit(read, ops, chosen, func(string, string) error { return nil })
	if after, ok := files["f"]; ok {
		return after, err
	}
	return src, err
}
