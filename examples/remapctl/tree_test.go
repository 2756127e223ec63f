package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func tree() *cobra.Command {
	return newCommand(&env{out: &output{w: &bytes.Buffer{}}, err: &bytes.Buffer{}})
}

// leaves are the commands that do something.
func leaves(c *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, sub := range c.Commands() {
		if !sub.HasSubCommands() {
			list = append(list, sub)
		}
		list = append(list, leaves(sub)...)
	}
	return list
}

// call runs the program.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, nil, &out, &err)
	return code, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	list := leaves(tree())
	require.NotEmpty(t, list)
	for _, c := range append(list, tree()) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			words := strings.Fields(c.CommandPath())[1:]
			code, text, stderr := call(append(words, "--help")...)
			assert.Zero(t, code)
			assert.Empty(t, stderr)
			assert.LessOrEqual(t, strings.Count(text, "\n"), 24, "lines of\n%s", text)
			for line := range strings.Lines(text) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "columns of %s", line)
			}
			if c.HasParent() {
				assert.Contains(t, text, "Example: "+c.CommandPath())
			}
			_, again, _ := call(append([]string{"help"}, words...)...)
			assert.Equal(t, text, again, "as remapctl help")
			_, again, _ = call(append([]string{"--help"}, words...)...)
			assert.Equal(t, text, again, "with --help first")
			code, text, _ = call(append(words, "--version")...)
			assert.Zero(t, code)
			assert.Regexp(t, `^remapctl \S.* go1\.\d+`, text)
			own := 0
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				own++
				assert.NotEmpty(t, f.Usage, f.Name)
			})
			assert.Positive(t, own)
		})
	}
}
