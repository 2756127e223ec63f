package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// completions returns the candidates for the words as one line; DIR stands for a
// host.
func completions(t *testing.T, words string) string {
	t.Helper()
	h := hosttest.Tree(t, `
-- etc/passwd --
root:x:0:0::/:
alice:x:1000:1000::/:
-- etc/subuid --
alice:100000:65536
kubelet:200000:65536
-- etc/docker/daemon.json --
{"live-restore": true}
-- var/lib/usernskit/journal/1.data --
-- var/lib/usernskit/journal/1.json --
{"Schema":4,"ID":"1","Time":"2026-01-02T03:04:05Z","Title":"enable","State":"applied","Files":[{"Path":"/etc/subuid"}]}
-- var/lib/usernskit/journal/12.data --
-- var/lib/usernskit/journal/12.json --
{"Schema":4,"ID":"12","Time":"2026-01-02T03:04:05Z","Title":"disable","State":"undone","Files":[]}
`)
	var list []string
	_, out, _ := call(append([]string{"__complete"}, strings.Split(strings.ReplaceAll(words, "DIR", h.Root), " ")...)...)
	for line := range strings.Lines(out) {
		if value, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(value, ":") {
			list = append(list, value)
		}
	}
	return strings.Join(list, " ")
}

func TestCommandsFlagsAndValuesAreCompleted(t *testing.T) {
	for words, want := range map[string]string{
		"en":                                  "enable",
		"subid re":                            "release",
		"--root DIR subid ":                   "list audit find add release owner",
		"plan --us":                           "--user",
		"plan --ro":                           "--root",
		"plan --root DIR --user ":             "default root alice",
		"plan --user --":                      "",
		"--root DIR plan --user=a":            "alice",
		"plan --root DIR --start 5 --user d":  "default",
		"--root DIR subid release ":           "alice kubelet",
		"--root DIR subid release alice ":     "",
		"--root DIR subid add a":              "alice",
		"--root DIR undo ":                    "12 1",
		"--root DIR undo 12 ":                 "",
		"--root DIR undo --force-file ":       "/etc/subuid",
		"--root DIR undo --force-file x 1":    "12 1",
		"explain C01 ":                        "",
		"explain C01":                         "C01",
		"verify --format j":                   "json junit",
		"verify --fail-on=h":                  "high",
		"--color ":                            "auto always never",
		"--root DIR enable --accept-risk l":   "live-restore",
		"--root DIR map --container ":         "",
		"--root DIR map --svg ":               "", // the shell completes files
		"undo --list --json --root DIR -- ":   "12 1",
		"undo --root DIR -- -":                "",
		"nonsense ":                           "",
		"__comp":                              "",
		"completion ":                         "bash zsh fish powershell",
		"bootargs set --via ":                 "files grubby",
		"bootargs set console=ttyS0 --kern":   "--kernel",
		"--root DIR/missing subid release ":   "",
		"--root DIR plan --user default --st": "--start",
	} {
		assert.Equal(t, want, completions(t, words), "remapctl %s", words)
	}
	assert.Contains(t, completions(t, "verify C01 C"), "C01 C02")
	all := strings.Fields(completions(t, ""))
	assert.Contains(t, all, "map")
	assert.False(t, slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "_") }))
}

// The shells themselves are asked, with the script that they get.
func TestShellsCompleteWithTheScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			hosttest.NeedProgram(t, shell)
			testscript.Run(t, testscript.Params{
				Files:               []string{"testdata/shell/" + shell + ".txtar"},
				RequireExplicitExec: true,
				UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
			})
		})
	}
}
