package dockerd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// One text, two readers: what systemd takes from it, and what a shell does.
func TestEnvironmentFileIsNotShell(t *testing.T) {
	for _, test := range []struct {
		name, in       string
		systemd, shell map[string]string
	}{
		{"plain", "A=\"--x --y\"\n", map[string]string{"A": "--x --y"}, map[string]string{"A": "--x --y"}},
		{"no quotes", "A=--x --y\n", map[string]string{"A": "--x --y"}, map[string]string{}},
		{"export", "export A=1\n", map[string]string{}, map[string]string{"A": "1"}},
		{"semicolon", "; A=1\nB=2\n", map[string]string{"B": "2"}, nil},
		{"hash behind a value", "A=1 # c\n", map[string]string{"A": "1 # c"}, map[string]string{"A": "1"}},
		{"variables", "A=1\nB=\"$A\"\n", map[string]string{"A": "1", "B": "$A"}, map[string]string{"A": "1", "B": "1"}},
		{"the last one wins", "A=1\nA=2\n", map[string]string{"A": "2"}, map[string]string{"A": "2"}},
		{"joined lines", "A=1\\\n2\n", map[string]string{"A": "12"}, map[string]string{"A": "12"}},
		{"joined in quotes", "A=\"1\\\n2\"\n", map[string]string{"A": "12"}, map[string]string{"A": "12"}},
		{"a line break in quotes", "A=\"1\n2\"\n", map[string]string{"A": "1\n2"}, map[string]string{"A": "1\n2"}},
		{"single quotes", "A='x\\y\"'\n", map[string]string{"A": `x\y"`}, map[string]string{"A": `x\y"`}},
		{"escapes in quotes", `A="\"\x\\"` + "\n", map[string]string{"A": `"\x\`}, map[string]string{"A": `"\x\`}},
		{"CRLF", "A=1\r\nB=2\r\n", map[string]string{"A": "1", "B": "2"}, map[string]string{"A": "1", "B": "2"}}, // a real shell keeps the \r: that is in Unsure
		{"spaces around", "  A=1  \n", map[string]string{"A": "1"}, map[string]string{"A": "1"}},
		{"a backslash behind a comment", "# c \\\nA=1\nB=2\n", map[string]string{"A": "1", "B": "2"}, map[string]string{"A": "1", "B": "2"}},
		{"a backslash behind a comment of the other kind", "; c \\\nA=1\nB=2\n", map[string]string{"A": "1", "B": "2"}, nil},
		{"quotes after quotes", "A=\"a\" 'b'\t\"c\"\n", map[string]string{"A": "abc"}, map[string]string{}},
		{"a word after quotes", "A=\"--x\" --y\n", map[string]string{"A": "--x--y"}, map[string]string{}},
		{"quotes in a word", "A=a\"b\"\n", map[string]string{"A": `a"b"`}, map[string]string{"A": "ab"}},
		{"quotes after an escape", "A=\\x\"y\"\n", map[string]string{"A": `x"y"`}, map[string]string{"A": "xy"}},
		{"quotes on the next line", "A=\\\n\"y\"\n", map[string]string{"A": `"y"`}, map[string]string{"A": "y"}},
		{"a backslash at the end", `A=1 \`, map[string]string{"A": "1 "}, map[string]string{}},
		{"a backslash before CRLF", "A=1\\\r\nB=2\r\n", map[string]string{"A": "1", "B": "2"}, map[string]string{"A": "1B=2"}}, // as above
		{"a quote without an end", "A='1 \n", map[string]string{"A": "1 \n"}, nil},
		{"line ends of CR alone", "A=1\r\rnonsense\rB=2", map[string]string{"A": "1", "B": "2"}, map[string]string{}},
		{"append", "A=1\nA+=2\n", map[string]string{"A": "1"}, map[string]string{"A": "12"}},
		{"no assignment", "nonsense\nA=1\n", map[string]string{"A": "1"}, map[string]string{"A": "1"}},
		{"no line break at the end", "A=1", map[string]string{"A": "1"}, map[string]string{"A": "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.systemd, dockerd.EnvironmentWords(test.in), "systemd")
			assert.Equal(t, test.shell, dockerd.ShellWords(test.in), "shell")
		})
	}
}

func TestCommentsBeforeSystemd254(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     map[string]string
	}{
		{"takes in the next line", "# c \\\nA=1\nB=2\n", map[string]string{"B": "2"}},
		{"takes in more lines", "; c \\\nA=1\\\nB=2\nC=3\n", map[string]string{"C": "3"}},
		{"takes in the start of a value", "# c \\\nA=\"1\nB=2\n", map[string]string{"B": "2"}},
		{"an escaped backslash", "# c \\\\\nA=1\n", map[string]string{"A": "1"}},
		{"CRLF", "# c \\\r\nA=1\r\n", map[string]string{"A": "1"}},
		{"at the end of the file", "A=1\n# c \\", map[string]string{"A": "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, dockerd.OldEnvironmentWords(test.in))
		})
	}
}

// What this package takes from a file has to be what a shell takes from it.
func TestShellAgrees(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs the program sh")
	}
	for _, in := range []string{
		"DOCKER_OPTS=\"--x --y\"", "DOCKER_OPTS='a\\b\"'", "DOCKER_OPTS=a\\ b", `DOCKER_OPTS="a\$b\"c\\d\e"`, "DOCKER_OPTS=1 # c", "DOCKER_OPTS=1#c",
		"A=1\nDOCKER_OPTS=\"$A ${A}2 $B\"", "DOCKER_OPTS=1\nDOCKER_OPTS=\"$DOCKER_OPTS 2\"", "export DOCKER_OPTS=x", "DOCKER_OPTS=1\\\n2", "DOCKER_OPTS=\"1\n2\"",
		"DOCKER_OPTS=a'b'\"c\"d", "DOCKER_OPTS=", "# DOCKER_OPTS=1\nDOCKER_OPTS=2", "DOCKER_OPTS=1; DOCKER_OPTS=2", "  DOCKER_OPTS=1", "DOCKER_OPTS=~x",
	} {
		file := filepath.Join(t.TempDir(), "docker")
		require.NoError(t, os.WriteFile(file, []byte(in+"\n"), 0o644))
		out, err := exec.Command(sh, "-c", `. "$1"; printf %s "$DOCKER_OPTS"`, "sh", file).Output()
		require.NoError(t, err, in)
		assert.Equal(t, string(out), dockerd.ShellWords(in + "\n")["DOCKER_OPTS"], "%q", in)
	}
}
