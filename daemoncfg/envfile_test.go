package daemoncfg_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/daemoncfg"
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
		{"a continued comment", "# c \\\nA=1\nB=2\n", map[string]string{"B": "2"}, map[string]string{"A": "1", "B": "2"}},
		{"append", "A=1\nA+=2\n", map[string]string{"A": "1"}, map[string]string{"A": "12"}},
		{"no assignment", "nonsense\nA=1\n", map[string]string{"A": "1"}, map[string]string{"A": "1"}},
		{"no line break at the end", "A=1", map[string]string{"A": "1"}, map[string]string{"A": "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.systemd, daemoncfg.EnvironmentWords(test.in), "systemd")
			assert.Equal(t, test.shell, daemoncfg.ShellWords(test.in), "shell")
		})
	}
}
