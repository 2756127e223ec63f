package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every command has scripts: one in which it does what it is for, one in which
// it refuses, and for those that write, one in which it leaves things untouched.
func TestEveryCommandIsScripted(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	require.NoError(t, err)
	type seen struct{ done, refused, untouched bool }
	commands := map[string]*seen{}
	list := leaves(tree())
	for _, c := range list {
		commands[c.CommandPath()] = &seen{}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		script, _, _ := strings.Cut(string(data), "\n-- ")
		for line := range strings.Lines(script) {
			for name, s := range commands {
				if !runs(strings.Fields(line), strings.Fields(name)) {
					continue
				}
				refused := strings.HasPrefix(line, "exits 2 ")
				s.refused = s.refused || refused
				s.done = s.done || !refused
				s.untouched = s.untouched || strings.Contains(script, "\nuntouched ")
			}
		}
	}
	for _, c := range list {
		s := commands[c.CommandPath()]
		assert.True(t, s.done, "no script in which %s does its work", c.CommandPath())
		assert.True(t, s.refused, "no script in which %s refuses", c.CommandPath())
		writes := c.Flags().Lookup("yes") != nil
		assert.True(t, s.untouched || !writes, "no script in which %s leaves files untouched", c.CommandPath())
	}
}

// runs reports whether a line of a script runs the command: its words stand in
// it in order, with nothing but flags and the values of --root between them.
func runs(line, command []string) bool {
	if i := slices.Index(line, "remapctl"); i < 0 {
		return false
	} else {
		line = line[i:]
	}
	for i := 0; i < len(line) && len(command) > 0; i++ {
		switch w := line[i]; {
		case w == command[0]:
			command = command[1:]
		case w == "--root", w == "--color":
			i++
		case !strings.HasPrefix(w, "-"):
			return false
		}
	}
	return len(command) == 0
}
