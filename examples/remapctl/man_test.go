package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestTextIsNoRoff(t *testing.T) {
	for text, want := range map[string]string{
		"--user":         `\-\-user`,
		`a\b`:            `a\eb`,
		".TH evil":       `\&.TH evil`,
		"'br":            `\&'br`,
		"one\n.br\n'br.": "one\n\\&.br\n\\&'br.",
		"plain. text's":  "plain. text's",
	} {
		assert.Equal(t, want, roff(text))
	}
	var p page
	p.macro("SS", `say "x"`)
	assert.Equal(t, ".SS \"say \\(dqx\\(dq\"\n", p.String())
}

// groff itself is asked what the page shows, and whether anything in it is odd.
func TestTheManualPageShowsEveryCommandAndOption(t *testing.T) {
	hosttest.NeedProgram(t, "groff")
	root := tree(newCommand(nil, nil, nil))
	var shown, warnings bytes.Buffer
	cmd := exec.Command("groff", "-man", "-Tascii", "-ww", "-P-c", "-P-b", "-P-u", "-rLL=200n")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(manual(root)), &shown, &warnings
	require.NoError(t, cmd.Run())
	assert.Empty(t, warnings.String())
	page := strings.Join(strings.Fields(shown.String()), " ")
	count := 0
	var check func(n node)
	check = func(n node) {
		for _, d := range n.flags() {
			count++
			assert.Contains(t, page, strings.Join(d.names, ", "), n.full)
		}
		for _, sub := range n.below() {
			assert.Contains(t, page, sub.synopsis())
			_, example := sub.description()
			assert.Contains(t, page, strings.Join(strings.Fields(example), " "))
			check(sub)
		}
	}
	check(root)
	assert.Greater(t, count, 40)
	assert.NotContains(t, page, "__complete")
	assert.Contains(t, page, "2 could not do it; nothing was changed")
}
