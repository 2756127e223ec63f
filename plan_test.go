package usernskit

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMergeRefusesTwoPlansForOneFile(t *testing.T) {
	a := Plan{Title: "a", Changes: []Change{{Path: "/etc/subuid", After: []byte("x")}}, Actions: []Action{{Argv: []string{"reboot"}}}}
	b := Plan{Title: "b", Changes: []Change{{Path: "/etc/subgid", After: []byte("x")}}, Actions: []Action{{Why: "other words", Argv: []string{"reboot"}}}}
	all, err := Merge(a, b)
	require.NoError(t, err)
	assert.Equal(t, "a", all.Title)
	assert.Len(t, all.Changes, 2)
	assert.Len(t, all.Actions, 1, "one reboot is enough")
	_, err = Merge(a, b, a)
	assert.ErrorContains(t, err, "/etc/subuid")
}

func TestDiffSaysWhatComesAndGoes(t *testing.T) {
	for name, tt := range map[string]struct {
		change Change
		want   string
	}{
		"changed":      {Change{Path: "/f", Before: []byte("a\nb\n"), After: []byte("a\nc\n")}, "--- /f\n+++ /f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"},
		"made":         {Change{Path: "/f", After: []byte("a\n")}, "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+a\n"},
		"removed":      {Change{Path: "/f", Before: []byte("a\n")}, "--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"},
		"made empty":   {Change{Path: "/f", After: []byte{}}, "--- /dev/null\n+++ /f\n"},
		"gone empty":   {Change{Path: "/f", Before: []byte{}}, "--- /f\n+++ /dev/null\n"},
		"same":         {Change{Path: "/f", Before: []byte("a"), After: []byte("a")}, ""},
		"last newline": {Change{Path: "/f", Before: []byte("a"), After: []byte("a\n")}, "--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, tt.change.Diff()) })
	}
}
