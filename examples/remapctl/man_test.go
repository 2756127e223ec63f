package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// The pages in man are those that the commands make; go generate has this test
// write them.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	root := tree()
	root.DisableAutoGenTag = true
	listCommands(root)
	date := time.Date(2026, time.November, 27, 0, 0, 0, 0, time.UTC)
	require.NoError(t, doc.GenManTree(root, &doc.GenManHeader{Section: "8", Source: "usernskit", Manual: "remapctl", Date: &date}, dir))
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.RemoveAll("man"))
		require.NoError(t, os.CopyFS("man", os.DirFS(dir)))
		return // the program in this test still has the old ones
	}
	made, err := filepath.Glob(dir + "/*.8")
	require.NoError(t, err)
	have, err := filepath.Glob("man/*.8")
	require.NoError(t, err)
	assert.Len(t, have, len(made))
	for _, name := range made {
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		name = strings.TrimSuffix(filepath.Base(name), ".8")
		_, page, _ := call(append([]string{"man"}, strings.Split(name, "-")[1:]...)...)
		assert.Equal(t, string(want), page, "%s: run go generate ./examples/remapctl", name)
	}
}

// listCommands has the page of a group describe its commands.
func listCommands(c *cobra.Command) {
	text := ""
	for _, sub := range c.Commands() {
		listCommands(sub)
		text += "\n\n**" + sub.Name() + "**\n: " + sub.Short
	}
	if text != "" {
		c.Long += "\n\nThe commands:" + text
	}
}

// groff itself is asked what the pages show, and whether anything in them is odd.
func TestManualPagesInGroff(t *testing.T) {
	hosttest.NeedProgram(t, "groff")
	for _, c := range append(leaves(tree()), tree()) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			page, err := os.ReadFile("man/" + strings.ReplaceAll(c.CommandPath(), " ", "-") + ".8")
			require.NoError(t, err)
			var shown, warnings bytes.Buffer
			cmd := exec.Command("groff", "-man", "-Tascii", "-ww", "-P-c", "-P-b", "-P-u", "-rLL=200n")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(page), &shown, &warnings
			require.NoError(t, cmd.Run())
			assert.Empty(t, warnings.String())
			text := strings.Join(strings.Fields(shown.String()), " ")
			assert.Contains(t, text, c.UseLine())
			assert.Contains(t, text, strings.Join(strings.Fields(c.Example), " "))
			for _, f := range []string{"--root", "--json", "--help", "--version"} {
				assert.Contains(t, text, f)
			}
		})
	}
}
