package bootargs

import (
	"bytes"
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

// mkconfig runs the real grub-mkconfig over a tree: a copy of its script is
// directed into the tree and asks a stand-in about devices. It returns the
// command line of the menu that is made, checked by grub-script-check.
func mkconfig(t *testing.T, h usernskit.Host, shell ...string) (string, error) {
	t.Helper()
	script, err := os.ReadFile(hosttest.NeedProgram(t, "grub-mkconfig"))
	require.NoError(t, err)
	dir := t.TempDir()
	etc, probe := filepath.Join(h.Root, "etc"), filepath.Join(dir, "probe")
	require.NoError(t, os.WriteFile(probe, []byte("#!/bin/sh\necho /dev/sda1\n"), 0o755))
	scripts := filepath.Join(dir, "grub.d")
	require.NoError(t, os.Mkdir(scripts, 0o755))
	menu := "#!/bin/sh\ncat <<EOF\nmenuentry test {\n\tlinux /vmlinuz root=UUID=1 ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT\n}\nEOF\n"
	require.NoError(t, os.WriteFile(filepath.Join(scripts, "10_test"), []byte(menu), 0o755))
	text := string(script)
	for _, r := range [][2]string{
		{`grub_mkconfig_dir="${sysconfdir}"/grub.d`, `grub_mkconfig_dir="` + scripts + `"`},
		{`sysconfdir="/etc"`, `sysconfdir="` + etc + `"`},
		{`grub_probe="${sbindir}/grub-probe"`, `grub_probe="` + probe + `"`},
	} {
		require.Contains(t, text, r[0])
		text = strings.Replace(text, r[0], r[1], 1)
	}
	program, out := filepath.Join(dir, "mkconfig"), filepath.Join(dir, "out.cfg")
	require.NoError(t, os.WriteFile(program, []byte(text), 0o755))
	cmd := exec.Command(shell[0], append(shell[1:], program, "-o", out)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("grub-mkconfig: %s", said)
		return "", err
	}
	made, err := os.ReadFile(out)
	if err != nil {
		return "", err
	}
	cfg := parseGRUBCfg(made)
	if len(cfg.entries) != 1 {
		return "", nil // what came after the file went to pieces
	}
	return cfg.entries[0].line, nil
}

func TestMkconfigAcceptsWhatWasWritten(t *testing.T) {
	hosttest.Need(t, "grub-mkconfig", "grub-script-check")
	for _, name := range []string{"debian-12", "suse", "ubuntu-24.04"} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, name)
			plan, err := PlanEdit(t.Context(), h, Edit{Set: []string{"user_namespace.enable=1", `y="a b;c"`}, Append: []string{"console=hvc0"}, Arch: "amd64"})
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			line, err := mkconfig(t, h, "/bin/sh")
			require.NoError(t, err)
			for _, want := range []string{"user_namespace.enable=1", `y="a b;c"`, "console=hvc0"} {
				a, err := ParseArg(want)
				require.NoError(t, err)
				assert.True(t, holds(line, a), "%s in %s", want, line)
			}
		})
	}
}

// Every /etc/default/grub of testdata goes through the real grub-mkconfig, under
// dash and under bash, before and after an edit. None on which it stops is
// called done, and Check tells for each what happens.
func TestMkconfigAndCheckAgree(t *testing.T) {
	hosttest.Need(t, "grub-mkconfig", "grub-script-check", "dash", "bash")
	files := shellFiles(t)
	for _, c := range hostCases(t) {
		for _, f := range c.archive.Files {
			if f.Name == "etc/default/grub" {
				files["hosts-"+c.name] = f.Data
			}
		}
	}
	for name, text := range map[string]string{ // any shell ends there, -e or not
		"readonly":           "GRUB_TIMEOUT=1\nreadonly GRUB_TIMEOUT\nGRUB_TIMEOUT=2\n",
		"readonly-ours":      "readonly GRUB_CMDLINE_LINUX=quiet\n",
		"unset":              "set -u\nGRUB_CMDLINE_LINUX=\"quiet $NOT_SET\"\n",
		"error-unset":        "GRUB_TIMEOUT=\"${NOT_SET:?}\"\n",
		"division":           "GRUB_TIMEOUT=$((1/0))\n",
		"substitution":       "GRUB_TIMEOUT=$(exit 1)\n",
		"substitution-of-0":  "GRUB_TIMEOUT=$(exit 0)\n",
		"unset-by-name":      "set -o nounset\nGRUB_CMDLINE_LINUX=\"quiet $NOT_SET\"\n",
		"no-globs":           "set -f\nGRUB_CMDLINE_LINUX=quiet\n", // it lists grub.d
		"no-exit":            "set +e\nGRUB_CMDLINE_LINUX=quiet\nno-such-command\n",
		"source-or-true":     ". /etc/no-such-file 2>/dev/null || true\nGRUB_CMDLINE_LINUX=quiet\n",
		"source-in-subshell": "GRUB_DISTRIBUTOR=`( . /etc/no-such-file; echo x ) 2>/dev/null || echo Debian`\nGRUB_CMDLINE_LINUX=quiet\n",
		"pipe-in-value":      "GRUB_CMDLINE_LINUX=\"quiet a|b\"\n",
		"open-brace":         "GRUB_CMDLINE_LINUX=\"quiet a{\"\n",
		"byte-order-mark":    "\ufeffGRUB_CMDLINE_LINUX=quiet\n",
	} {
		files["any-"+name] = []byte(text)
	}
	stopped, passed := 0, 0
	for _, shell := range []string{"dash", "bash"} {
		for name, src := range files {
			if shell == "bash" && strings.HasPrefix(name, "hosts-") && !bytes.Contains(src, []byte("+=")) {
				continue // time is better spent on the files that differ
			}
			t.Run(shell+"/"+name, func(t *testing.T) {
				h := mkconfigHost(t, shell, src)
				run := []string{"/bin/dash"}
				if shell == "bash" {
					run = []string{"/bin/bash", "--posix"}
				}
				sources, err := Check(t.Context(), h)
				require.NoError(t, err)
				before, failed := mkconfig(t, h, run...)
				switch {
				case sources.Stops():
					stopped++
					assert.True(t, failed != nil || before == "", "Check: %v, but a menu was made: %s", sources.Problems, before)
				case len(sources.Problems) == 0:
					passed++
					assert.NoError(t, failed, "Check found nothing")
				}

				edit := Edit{Set: []string{arg}, Arch: "amd64"}
				plan, err := PlanEdit(t.Context(), h, edit)
				if sources.Stops() {
					assert.Error(t, err)
				}
				if err != nil {
					return
				}
				_, err = h.Apply(t.Context(), plan)
				require.NoError(t, err)
				after, broken := mkconfig(t, h, run...)
				if failed == nil {
					require.NoError(t, broken)
				}
				if broken == nil {
					a, err := ParseArg(arg)
					require.NoError(t, err)
					assert.True(t, holds(after, a), "%q", after)
				} else {
					assert.NotEmpty(t, plan.Warnings, "it may stop, and nothing said so")
				}
			})
		}
	}
	assert.Greater(t, stopped, 10)
	assert.Greater(t, passed, 60)
}

// One line more, and update-grub passes or ends. Check does not promise a menu
// that is not made, nor an end that does not come.
func TestCheckIsRightAboutEachLine(t *testing.T) {
	hosttest.Need(t, "grub-mkconfig", "grub-script-check", "dash", "bash")
	for _, shell := range [][]string{{"/bin/dash"}, {"/bin/bash", "--posix"}} {
		for _, line := range []string{
			"command -v nosuch >/dev/null && X=1", "[ -f /nosuch ] && X=1\nX=2", "test -f /nosuch\nX=1", "false || true", "! true", "! false",
			"X=$(false)", "export X=$(false)", "readonly X=$(false)", "X=`nosuch`", "export X=`nosuch`", "if ! nosuch; then X=1; fi", "if nosuch; then X=1; fi",
			"true | false", "false | true", "(exit 3)", "(exit 0)", "{ false; }", "while false; do :; done", "until true; do :; done", "for i in a b; do false; done",
			"cat <<EOF >/dev/null\nfoo\nEOF", "cat < /nosuch", "cat < /nosuch || true", ": > /nosuch/x", "echo a > /nosuch/x", "X=1 > /nosuch/x", "true > /nosuch/x || true", ": > /nosuch/x || true",
			". ./relative", ". relative", ". relative || true", ": ${X?}", ": ${X?} || true", "shift", "shift 3", "break", "continue", "unset X", "unset -v X",
			"[[ a == b ]]", "[[ a == a ]]", "function f { :; }", "let X=1", "let X=0", "((X=1))", "X=(a b)", "$X", "$X\nGRUB_TIMEOUT=1", "\"$X\"", "return 1", "return", "umask 077", "cd /nosuch", "cd /",
			"trap 'exit 1' EXIT", "trap - EXIT", "set -- a", "set a", "set", "type nosuch", "type cat >/dev/null", "hash nosuch", "wait", "ulimit -c 0", "test 1 = 2", "[ 1 = 1 ]", "[ 1 = 2 ] || X=1",
			"exit 0", "exit", "eval false", "eval nosuch", "eval X=1", "eval 'X=$(false)'", "f() { false; }\nf", "f() { nosuch; }\nif f; then :; fi", "f() { return 1; }\nf || true", "f() { X=1; }\nf", "f() { exit 1; }\nf",
			"nosuch &", "true &&\nnosuch", "true && false", "false && true", "false && true\nX=1", "true || nosuch", "false || nosuch", "case x in x) false;; esac", "case x in y) false;; esac", "if true; then false; fi", "if false; then nosuch; fi",
			"nosuch 2>/dev/null || :", "X=$(nosuch || true)", "X=$(nosuch; true)", "X=$(exit 2)", "X=\"a$(false)\"", "X=$(true)$(false)", "Y=1 X=$(false)", "X=$(false) true", "X=1 nosuch", "X=1 true", "alias x=y", "printf -v X a", "declare X=1", "typeset X=1", "local X=1",
			"read X </dev/null", "read X </dev/null || true", "getopts a X", "export 1X=2", "1X=2", "X-Y=2", "export X-Y=2", "readonly R=1\nR=2", "X=$((1/0))", "X=$((Y))", "X=${Y:?}", "X=${Y:-a}", "X=${Y:=a}", "X=${#Y}", "X=${Y%a}", "X=${Y/a/b}", "X=${Y:1:2}", "X=${!Y}", "echo ${Y/a/b}",
			"GRUB_CMDLINE_LINUX = quiet", "GRUB_CMDLINE_LINUX= quiet", "GRUB_CMDLINE_LINUX =quiet", "GRUB_CMDLINE_LINUX=quiet splash", "export GRUB_CMDLINE_LINUX=quiet splash", "export GRUB_CMDLINE_LINUX = quiet", "set GRUB_CMDLINE_LINUX=quiet", "GRUB_CMDLINE_LINUX:quiet", "quiet", "<a", "a>b", "&& x", "x ||", "fi", ")", "(", "'", "\"", "`", "$(", "${", "if true", "a;;b", ";", "!", "{", "}", "X=1;;", "X=1 &", "X=1 &&", "X=1 & Y=2", "X=a&b", "X=a|b", "X=a;b", "X=a(b", "X=a)b", "X=a<b", "X=$", "X=$'a'", "X=a\\", "GRUB_TERMINAL_OUTPUT=foo", "GRUB_TERMINAL=serial", "GRUB_TERMINAL=\"serial gfxterm\"", "GRUB_TERMINAL_INPUT=foo",
		} {
			h := mkconfigHost(t, filepath.Base(shell[0]), []byte("GRUB_CMDLINE_LINUX=quiet\n"+line+"\n"))
			sources, err := Check(t.Context(), h)
			require.NoError(t, err)
			menu, failed := mkconfig(t, h, shell...)
			made := failed == nil && menu != ""
			assert.False(t, sources.Stops() && made, "%s: %q ends nothing: %v", shell[0], line, sources.Problems)
			assert.False(t, len(sources.Problems) == 0 && !made, "%s: %q ends update-grub, and nothing said so", shell[0], line)
		}
	}
}

// mkconfigHost is a host with one /etc/default/grub, a /bin/sh, and the
// programs that this machine has and the file names.
func mkconfigHost(t *testing.T, shell string, src []byte) usernskit.Host {
	t.Helper()
	h := hosttest.Tree(t, "-- etc/os-release --\nID=gentoo\n-- boot/grub/grub.cfg --\nset x\n-- usr/bin/"+shell+" --\n-- bin/sh -> /usr/bin/"+shell+" --\n")
	write(t, h, defaultGrub, string(src))
	if f, err := parseShell(defaultGrub, src); err == nil {
		for _, c := range f.calls {
			if found, err := exec.LookPath(c.name); err == nil && !strings.Contains(c.name, "/") {
				write(t, h, "/usr/bin/"+filepath.Base(found), "")
			}
			if c.name == "." && strings.HasPrefix(c.arg(), "/") {
				if data, err := os.ReadFile(c.arg()); err == nil {
					write(t, h, c.arg(), string(data))
				}
			}
			for _, name := range c.args {
				if data, err := os.ReadFile(name); err == nil {
					write(t, h, name, string(data))
				}
			}
		}
	}
	return h
}
