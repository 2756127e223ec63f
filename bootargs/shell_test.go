package bootargs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// The edits that every file of testdata/default-grub goes through.
var shellEdits = []struct {
	name string
	edit Edit
}{
	{"set", Edit{Set: []string{"x=1", "new_arg"}}},
	{"set-quoted", Edit{Set: []string{`y="a b;c"`}}},
	{"append", Edit{Append: []string{"console=hvc0"}}},
	{"replace", Edit{Replace: []string{"console=hvc0"}}},
	{"add", Edit{AddIfMissing: []string{"x=2"}}},
	{"remove", Edit{Remove: []string{"quiet", "x"}}},
	{"remove-exact", Edit{RemoveExact: []string{"x=0"}}},
}

// Files in which some edits are refused, and why that is right.
var shellRefuses = map[string]string{
	"refused-crlf":             "set set-quoted append replace add remove remove-exact",
	"refused-nul":              "set set-quoted append replace add remove remove-exact",
	"refused-open-quote":       "set set-quoted append replace add remove remove-exact",
	"refused-exit":             "set set-quoted append replace add remove remove-exact",
	"refused-semicolon":        "set set-quoted append replace remove remove-exact",
	"refused-newline-in-value": "set set-quoted append replace remove remove-exact",
	"refused-grub-quotes":      "set set-quoted append replace remove remove-exact",
	// What is to go, or may be there already, cannot be told by reading.
	"condition-after":                "replace add remove remove-exact",
	"condition-only":                 "replace add remove remove-exact",
	"case":                           "replace add remove remove-exact",
	"short-circuit":                  "replace add remove remove-exact",
	"loop":                           "replace add remove remove-exact",
	"function":                       "replace add remove remove-exact",
	"command-in-value":               "replace add remove remove-exact",
	"backticks-in-value":             "replace add remove remove-exact",
	"default-value":                  "replace add remove remove-exact",
	"assigning-default":              "replace add remove remove-exact",
	"arithmetic":                     "replace add remove remove-exact",
	"unset":                          "replace add remove remove-exact",
	"eval":                           "replace add remove remove-exact",
	"another-variable":               "replace",
	"readonly-later":                 "replace add remove remove-exact set set-quoted append",
	"bash-append":                    "replace add remove remove-exact",
	"export-of-a-name-in-a-variable": "add remove remove-exact replace",
	"export-of-a-quoted-word":        "add remove remove-exact replace",
	"function-in-a-condition":        "add remove remove-exact replace",
	"eval-by-command":                "add remove remove-exact replace",
	"unset-by-command":               "add remove remove-exact replace",
	"unset-with-a-backslash":         "add remove remove-exact replace",
	"before-a-command":               "add remove remove-exact replace",
	"loop-over-the-name":             "add remove remove-exact replace",
	"braces-in-value":                "add append replace set set-quoted",
	"return-in-a-condition":          "add append remove remove-exact replace set set-quoted",
	"return-before-the-last":         "add append remove remove-exact replace set set-quoted",
	"readonly-of-a-quoted-word":      "add append remove remove-exact replace set set-quoted",
	"bash-dollar-quote":              "replace add remove remove-exact",
}

func shellFiles(t *testing.T) map[string][]byte {
	names, err := filepath.Glob("testdata/default-grub/*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 40)
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		files[filepath.Base(name)] = data
	}
	return files
}

// editShell edits GRUB_CMDLINE_LINUX of one file.
func editShell(name string, src []byte, e Edit) ([]byte, error) {
	f, err := parseShell(name, src)
	if err != nil {
		return nil, err
	}
	ops, err := e.ops(spellGRUB)
	if err != nil {
		return nil, err
	}
	return f.edit(grubVariable, ops)
}

func TestEachEditIsDoneOrRefusedWithItsPlace(t *testing.T) {
	for name, src := range shellFiles(t) {
		for _, e := range shellEdits {
			t.Run(name+"/"+e.name, func(t *testing.T) {
				after, err := editShell(name, src, e.edit)
				if slices.Contains(strings.Fields(shellRefuses[name]), e.name) {
					require.ErrorIs(t, err, ErrUnsupportedSyntax)
					var at *usernskit.FileError
					require.True(t, errors.As(err, &at), "%v", err)
					assert.NotZero(t, at.Line, "%v", err)
					return
				}
				require.NoError(t, err)
				again, err := editShell(name, after, e.edit)
				require.NoError(t, err)
				assert.Equal(t, string(after), string(again), "twice is once")
			})
		}
	}
}

// Each shell that grub-mkconfig may run under sources the edited file: the
// variable says what was asked, and every other one what it said before.
func TestShellsReadWhatWasAsked(t *testing.T) {
	for _, shell := range []string{"sh", "dash", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			s := newSourcing(t, shell)
			type want struct {
				name   string
				edit   Edit
				before int
				after  int
				src    []byte
			}
			var wants []want
			for name, src := range shellFiles(t) {
				before := s.add(src, src)
				for _, e := range shellEdits {
					if after, err := editShell(name, src, e.edit); err == nil {
						wants = append(wants, want{name + "/" + e.name, e.edit, before, s.add(after, src), after})
					}
				}
			}
			got := s.run()
			for _, w := range wants {
				before, after := got[w.before], got[w.after]
				obeys(t, w.name, w.edit, before[grubVariable], after[grubVariable])
				delete(before, "")
				for name, value := range before {
					if name != grubVariable {
						assert.Equal(t, value, after[name], "%s: %s", w.name, name)
					}
				}
				f, err := parseShell("edited", w.src)
				require.NoError(t, err)
				if v := evaluate(f)[grubVariable]; !v.unknown {
					assert.Equal(t, v.text, after[grubVariable], "%s: what we read", w.name)
				}
			}
		})
	}
}

// obeys holds a line against its edit: done, and nothing else changed.
func obeys(t *testing.T, where string, e Edit, before, after string) {
	t.Helper()
	ops, err := e.ops(spellGRUB)
	require.NoError(t, err)
	for _, o := range ops {
		if o.verb == verbSet && !o.replacesGroup() {
			assert.True(t, o.inForce(after), "%s: %q", where, after)
		} else {
			assert.True(t, o.done(after), "%s: %q", where, after)
		}
	}
	others := Edit{Remove: e.names()}
	if e.RemoveExact != nil || e.Append != nil || e.AddIfMissing != nil { // other values of the name stay
		others = Edit{RemoveExact: slices.Concat(e.RemoveExact, e.Append, e.AddIfMissing)}
	}
	a, err := others.Apply(before)
	require.NoError(t, err)
	b, err := others.Apply(after)
	require.NoError(t, err)
	assert.True(t, equalLines(a, b), "%s: the rest was %q and is %q", where, a, b)
}

// A sourcing runs many files through one shell, each in a subshell.
type sourcing struct {
	t      *testing.T
	shell  string
	dir    string
	script bytes.Buffer
	n      int
}

func newSourcing(t *testing.T, shell string) *sourcing {
	return &sourcing{t: t, shell: hosttest.NeedProgram(t, shell), dir: t.TempDir()}
}

var assigned = regexp.MustCompile(`(?m)\b([A-Z_]{2,})\+?=`)

// add has the file sourced, and all variables shown that are assigned in like.
func (s *sourcing) add(src, like []byte) int {
	name := filepath.Join(s.dir, fmt.Sprint(s.n))
	require.NoError(s.t, os.WriteFile(name, src, 0o644))
	fmt.Fprintf(&s.script, "( cd /; . %s >/dev/null 2>&1\nprintf '%s=%%s\\036' \"${%s-}\"\n", name, grubVariable, grubVariable)
	seen := map[string]bool{grubVariable: true}
	for _, m := range assigned.FindAllSubmatch(like, -1) {
		if v := string(m[1]); !seen[v] {
			seen[v] = true
			fmt.Fprintf(&s.script, "printf '%s=%%s\\036' \"${%s-}\"\n", v, v)
		}
	}
	s.script.WriteString(") </dev/null 2>/dev/null; printf '\\035'\n")
	s.n++
	return s.n - 1
}

func (s *sourcing) run() []map[string]string {
	script := filepath.Join(s.dir, "script")
	require.NoError(s.t, os.WriteFile(script, s.script.Bytes(), 0o644))
	cmd := exec.Command(s.shell, script)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := cmd.Output()
	require.NoError(s.t, err)
	var list []map[string]string
	for _, one := range strings.Split(strings.TrimSuffix(string(out), "\x1d"), "\x1d") {
		vars := map[string]string{}
		for _, pair := range strings.Split(one, "\x1e") {
			name, value, _ := strings.Cut(pair, "=")
			vars[name] = value
		}
		list = append(list, vars)
	}
	require.Len(s.t, list, s.n)
	return list
}

// What was added can be taken away again, to the byte.
func TestAddedAndRemovedIsAsItWas(t *testing.T) {
	same := 0
	for name, src := range shellFiles(t) {
		after, err := editShell(name, src, Edit{Set: []string{"fresh=1"}})
		if err != nil {
			continue
		}
		require.NotEqual(t, string(src), string(after), name)
		back, err := editShell(name, after, Edit{Remove: []string{"fresh"}})
		require.NoError(t, err, name)
		assert.Equal(t, string(src), strings.Replace(string(back), `""`, "", strings.Count(string(back), `""`)-strings.Count(string(src), `""`)), name)
		same++
	}
	assert.Greater(t, same, 25)
}

func TestEditsOfTheFileAreLocal(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		edit     Edit
		want     string
	}{
		{"double quotes", "A=1\nGRUB_CMDLINE_LINUX=\"quiet\" # c\nB=2\n", Edit{Set: []string{`y="a b"`}}, "A=1\nGRUB_CMDLINE_LINUX=\"quiet y=\\\"a b\\\"\" # c\nB=2\n"},
		{"single quotes", "GRUB_CMDLINE_LINUX='quiet'\n", Edit{Set: []string{`y="a b"`}}, "GRUB_CMDLINE_LINUX='quiet y=\"a b\"'\n"},
		{"no quotes", "GRUB_CMDLINE_LINUX=quiet\n", Edit{Set: []string{"x=1"}}, "GRUB_CMDLINE_LINUX=quiet\" x=1\"\n"},
		{"nothing", "GRUB_CMDLINE_LINUX=\nB=2", Edit{Set: []string{"x=1"}}, "GRUB_CMDLINE_LINUX=\"x=1\"\nB=2"},
		{"not there", "B=2", Edit{Set: []string{"x=1"}}, "B=2\n# usernskit: begin, and an end for the line above\nGRUB_CMDLINE_LINUX=\"x=1\"\n# usernskit: end\n"},
		{"a condition", "if a; then\nGRUB_CMDLINE_LINUX=b\nfi\n", Edit{Set: []string{"x=1"}}, "if a; then\nGRUB_CMDLINE_LINUX=b\nfi\n# usernskit: begin\nGRUB_CMDLINE_LINUX=\"${GRUB_CMDLINE_LINUX} x=1\"\n# usernskit: end\n"},
		{"a continued line", "GRUB_CMDLINE_LINUX=\"a \\\n  x=0 \\\n  b\"\n", Edit{Set: []string{"x=1"}}, "GRUB_CMDLINE_LINUX=\"a \\\n  x=1 \\\n  b\"\n"},
		{"the last of two", "GRUB_CMDLINE_LINUX=\"x=0\"\nGRUB_CMDLINE_LINUX=\"x=0\"\n", Edit{Set: []string{"x=1"}}, "GRUB_CMDLINE_LINUX=\"x=0\"\nGRUB_CMDLINE_LINUX=\"x=1\"\n"},
		{"moved behind what would win", "GRUB_CMDLINE_LINUX=\"x=5\"\nGRUB_CMDLINE_LINUX=\"x=0 $GRUB_CMDLINE_LINUX\"\n", Edit{Set: []string{"x=1"}}, "GRUB_CMDLINE_LINUX=\"x=5\"\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX x=1\"\n"},
		{"removed along the chain", "GRUB_CMDLINE_LINUX=\"x=5 a\"\nGRUB_CMDLINE_LINUX=\"x=0 $GRUB_CMDLINE_LINUX\"\n", Edit{Remove: []string{"x"}}, "GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := editShell("grub", []byte(tt.in), tt.edit)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

// The quotes that an argument came in go with it.
func TestSetAndRemovedGivesTheInputBack(t *testing.T) {
	for _, in := range []string{"quiet", `"quiet"`, `"quiet"'s'`, `quiet\ s`, `"a"b`, "'a'", `""`, `"\"a\""`, `a"b"`, `"$A"`, "$A", `""a`} {
		src := "GRUB_CMDLINE_LINUX=" + in + " # c\n"
		after, err := editShell("grub", []byte(src), Edit{Set: []string{"x=1", "y"}})
		require.NoError(t, err, in)
		back, err := editShell("grub", after, Edit{Remove: []string{"x", "y"}})
		require.NoError(t, err, in)
		assert.Equal(t, src, string(back), "%s", after)
	}
}

func TestWhatGRUBCannotCarryIsRefused(t *testing.T) {
	for _, arg := range []string{`a="it's"`, `a=b"c"`, `a=b\c`, `a=$b`, "a=`b`", `a;b=1`, `a&b`} {
		_, err := editShell("grub", []byte("GRUB_CMDLINE_LINUX=\"\"\n"), Edit{Set: []string{arg}})
		assert.ErrorIs(t, err, ErrEncoding, arg)
	}
	for arg, want := range map[string]string{
		"a=b;c":   `"a=\"b;c\""`,
		"a=b&c":   `"a=\"b&c\""`,
		"a=#1":    `"a=\"#1\""`,
		`"a=b c"`: `"a=\"b c\""`,
		"a=1G!2G": `"a=1G!2G"`,
	} {
		got, err := editShell("grub", []byte("GRUB_CMDLINE_LINUX=\"\"\n"), Edit{Set: []string{arg}})
		require.NoError(t, err)
		assert.Equal(t, "GRUB_CMDLINE_LINUX="+want+"\n", string(got))
	}
}

func TestValuesAreKnownOrSaidToBeUnknown(t *testing.T) {
	const unknown = "?"
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "GRUB_CMDLINE_LINUX=\"a b\"", "a b"},
		{"not set", "A=1", ""},
		{"a condition on another variable", "GRUB_CMDLINE_LINUX=a\nif x; then B=1; fi", "a"},
		{"built on a variable of a condition", "if x; then B=1; fi\nGRUB_CMDLINE_LINUX=\"a $B\"", unknown},
		{"set anew after a condition", "if x; then GRUB_CMDLINE_LINUX=b; fi\nGRUB_CMDLINE_LINUX=a", "a"},
		{"a file sourced before", ". /etc/x\nGRUB_CMDLINE_LINUX=a", "a"},
		{"built on what a sourced file may set", ". /etc/x\nGRUB_CMDLINE_LINUX=\"a $B\"", unknown},
		{"a file sourced after", "GRUB_CMDLINE_LINUX=a\n. /etc/x", unknown},
		{"a file sourced and no more", ". /etc/x", unknown},
		{"a function called", "f() { B=1; }\nGRUB_CMDLINE_LINUX=a\nf", unknown},
		{"a function not called", "GRUB_CMDLINE_LINUX=a\nf() { B=1; }", "a"},
		{"a command", "GRUB_CMDLINE_LINUX=a\necho b", "a"},
		{"a command by a variable", "GRUB_CMDLINE_LINUX=a\n$c b", unknown},
		{"a variable glued to text", "B=x\nGRUB_CMDLINE_LINUX=\"$B\"a", "xa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parseShell("f", []byte(tt.in))
			require.NoError(t, err)
			v := evaluate(f)[grubVariable]
			if tt.want == unknown {
				assert.True(t, v.unknown, "%+v", v)
				return
			}
			assert.False(t, v.unknown)
			assert.Equal(t, tt.want, v.text)
		})
	}
}

// A drop-in that is read after the main file and cannot be parsed may set it again.
func TestCheckKnowsNoValueBesideAFileThatCannotBeRead(t *testing.T) {
	for name, dropIn := range map[string]string{"line ends of another system": "GRUB_CMDLINE_LINUX=a\r\n", "not shell": "GRUB_CMDLINE_LINUX=(\n"} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/os-release --\nID=debian\n-- boot/grub/grub.cfg --\nset x\n-- etc/default/grub --\nGRUB_CMDLINE_LINUX=quiet\n-- etc/default/grub.d/a.cfg --\n"+dropIn)
			s, err := Check(t.Context(), h)
			require.NoError(t, err)
			require.Len(t, s.Values, 2)
			for _, v := range s.Values {
				assert.Equal(t, Place{What: v.What, For: "every kernel", State: StateCannotTell}, v)
			}
		})
	}
}
