package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leaves are the commands that do something.
func leaves(n node) []node {
	var list []node
	for _, sub := range n.below() {
		if len(sub.below()) == 0 {
			list = append(list, sub)
		}
		list = append(list, leaves(sub)...)
	}
	return list
}

func TestHelpOfEveryCommandFitsAScreenAndHasAnExample(t *testing.T) {
	list := leaves(tree(newCommand(nil, nil, nil)))
	require.NotEmpty(t, list)
	for _, c := range list {
		t.Run(c.full, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), append(strings.Fields(c.full), "--help"), nil, &stdout, &stderr)
			assert.Zero(t, code)
			assert.Empty(t, stderr.String())
			assert.LessOrEqual(t, strings.Count(stdout.String(), "\n"), 24, "lines of\n%s", stdout.String())
			for line := range strings.Lines(stdout.String()) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "columns of %s", line)
			}
			assert.Contains(t, stdout.String(), "Example: "+c.full)
			assert.NotEmpty(t, c.Usage)
		})
	}
}

func TestHelpIsTheSameWhereverItIsAskedFor(t *testing.T) {
	help := func(args ...string) string {
		var stdout, stderr bytes.Buffer
		assert.Zero(t, run(context.Background(), append([]string{"remapctl"}, args...), nil, &stdout, &stderr), "%v", args)
		assert.Empty(t, stderr.String())
		return stdout.String()
	}
	assert.Equal(t, help("plan", "--help"), help("--help", "plan"))
	assert.Equal(t, help("plan", "--help"), help("plan", "-h"))
	assert.Equal(t, help("plan", "--help"), help("plan", "--help", "--count", "7"))
	assert.Equal(t, help("subid", "--help"), help("--help", "subid"))
	assert.Equal(t, help("subid", "find", "--help"), help("--help", "subid", "find"))
	assert.Equal(t, help("subid", "find", "--help"), help("subid", "--help", "find"))
	root := help("--help")
	assert.Contains(t, root, "\n  enable ")
	assert.LessOrEqual(t, strings.Count(root, "\n"), 30, root)
}
