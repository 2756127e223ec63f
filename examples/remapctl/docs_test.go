package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// block returns the block of docs/audit.md in a language.
func block(t *testing.T, language string) string {
	text, err := os.ReadFile("../../docs/audit.md")
	require.NoError(t, err)
	match := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, match, language)
	return string(match[1])
}

func sampleTree(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("sample")))
	return dir
}

func TestAnsible(t *testing.T) {
	ansible := hosttest.NeedProgram(t, "ansible-playbook")
	dir, root := t.TempDir(), sampleTree(t)
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "bin/remapctl")))
	// A tree has no docker to restart.
	wrapper := "#!/bin/sh\ncase $* in *--restart*) echo restart >>" + dir + "/restarts; exit;; esac\nexec " + dir + "/bin/remapctl --root " + root + ` "$@"` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "remapctl"), []byte(wrapper), 0o755))
	book := filepath.Join(dir, "book.yml")
	require.NoError(t, os.WriteFile(book, []byte(block(t, "yaml")), 0o644))
	play := func() string {
		cmd := exec.CommandContext(t.Context(), ansible, "-i", "localhost,", "-c", "local", "-e", "ansible_become=false", book)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1")
		out, _ := cmd.CombinedOutput() // the recap says how it ended
		return string(out)
	}
	assert.Regexp(t, `changed=2 .* failed=0 `, play(), "the task and the handler")
	assert.Regexp(t, `changed=0 .* failed=0 `, play(), "nothing is left to do")
	restarts, err := os.ReadFile(filepath.Join(dir, "restarts"))
	require.NoError(t, err)
	assert.Equal(t, "restart\n", string(restarts))

	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/docker/daemon.json"), []byte("{"), 0o644))
	out := play()
	assert.Regexp(t, `changed=0 .* failed=1 `, out)
	assert.Contains(t, out, "daemon.json:1:", "the cause is shown")
}

func TestInSpecPaths(t *testing.T) {
	control := block(t, "ruby")
	_, out, _ := call("verify", "--json", "--root", sampleTree(t))
	require.Contains(t, control, "%w[summary remapped]")
	assert.Equal(t, "skip", gjson.Get(out, "summary.remapped").String(), "a tree; pass is what a host wants")
	fields := regexp.MustCompile(`f\['(\w+)'\]`).FindAllStringSubmatch(control, -1)
	require.Len(t, fields, 4)
	for _, field := range fields {
		assert.NotEmpty(t, gjson.Get(out, "findings.0."+field[1]).String(), field[1])
	}
}
