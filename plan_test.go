package usernskit

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, tt.change.diff()) })
	}
}

// Whatever is left out of the comparison, the diff is that of the whole texts.
func TestDiffOfPartsIsTheDiffOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"a\n", "b\n", "\n", "c\r\n"})
		text := func(name string) string {
			s := strings.Join(rapid.SliceOfN(line, 0, 30).Draw(t, name), "")
			return s + rapid.SampledFrom([]string{"", "", "x"}).Draw(t, name+" end")
		}
		start, end := text("start"), text("end")
		a, b := start+text("a")+end, start+text("b")+end
		if a == b {
			return
		}
		require.Equal(t, b, patchFile(t, Change{Path: "f", Before: []byte(a), After: []byte(b)}.diff(), a))
	})
}

// What both texts start with may be what they end with as well.
func TestDiffOfOneLineMoreAmongEqualOnes(t *testing.T) {
	few, more := strings.Repeat("same\n", 40), strings.Repeat("same\n", 41)
	assert.Equal(t, more, patchFile(t, Change{Path: "f", Before: []byte(few), After: []byte(more)}.diff(), few))
	assert.Equal(t, few, patchFile(t, Change{Path: "f", Before: []byte(more), After: []byte(few)}.diff(), more))
}

// patchFile is patch(1) without any fuzz: every hunk must fit at its very line.
func patchFile(t require.TestingT, diff, text string) string {
	old := strings.SplitAfter(text, "\n")
	var out strings.Builder
	at := 0 // lines of old that are used
	lines := strings.SplitAfter(diff, "\n")
	for i, line := range lines {
		body := ""
		if len(line) > 0 {
			body = line[1:]
		}
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\\ No newline") {
			body = strings.TrimSuffix(body, "\n")
		}
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "\\"):
		case strings.HasPrefix(line, "@@"):
			var from int
			_, err := fmt.Sscanf(line, "@@ -%d", &from)
			require.NoError(t, err)
			for ; at < from-1; at++ {
				out.WriteString(old[at])
			}
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "-"):
			require.Equal(t, old[at], body, "line %d", at+1)
			at++
			if line[0] == ' ' {
				out.WriteString(body)
			}
		case strings.HasPrefix(line, "+"):
			out.WriteString(body)
		}
	}
	return out.String() + strings.Join(old[at:], "")
}

func TestDiffCountsLinesFromTheStartOfTheFile(t *testing.T) {
	before := strings.Repeat("same\n", 1000)
	got := Change{Path: "/f", Before: []byte(before + "end\n"), After: []byte(before + "new\nend\n")}.diff()
	assert.Equal(t, "--- /f\n+++ /f\n@@ -998,4 +998,5 @@\n same\n same\n same\n+new\n end\n", got)
}

func TestTextForms(t *testing.T) {
	a := Action{Why: "why", Argv: []string{"x"}, When: WhenLater, Where: WhereBoot, Kind: ActionReboot}
	data, err := json.Marshal([]any{a, Action{}, WhereTree, ActionRestartDocker, ActionReloadDocker})
	require.NoError(t, err)
	assert.Equal(t, `[{"why":"why","argv":["x"],"when":"later","where":"boot","kind":"reboot"},`+
		`{"why":"","argv":null,"when":"now","where":"host","kind":"run"},"tree","restart-docker","reload-docker"]`, string(data))
	assert.Equal(t, "When(9) Where(9) ActionKind(9)", fmt.Sprint(When(9), Where(9), ActionKind(9)))
}

func TestWarning(t *testing.T) {
	assert.Equal(t, "text", Warning{ID: "id", Text: "text"}.String())
	assert.Equal(t, "/f: text", Warning{Pos: Pos{File: "/f"}, Text: "text"}.String())
	assert.Equal(t, "/f:3: text", Warning{Pos: Pos{File: "/f", Line: 3}, Text: "text"}.String())
	assert.Equal(t, "/f:3:7: text", Warning{Pos: Pos{"/f", 3, 7}, Text: "text"}.String())
}

func TestMergeConflict(t *testing.T) {
	file := Change{Path: "/etc/subuid", After: []byte("x")}
	_, err := Merge(Plan{Title: "a", Changes: []Change{file}}, Plan{Title: "b", Changes: []Change{file}})
	var at *FileError
	require.ErrorAs(t, err, &at)
	assert.Equal(t, "/etc/subuid", at.File)
	assert.EqualError(t, err, `/etc/subuid: changed by two plans ("a" and "b")`)
}

func TestBadChange(t *testing.T) {
	for name, c := range map[string]Change{
		"relative":         {Path: "etc/x"},
		"not clean":        {Path: "/etc/../x"},
		"the root":         {Path: "/"},
		"empty":            {},
		"slash at the end": {Path: "/etc/"},
		"not UTF-8":        {Path: "/\xff"},
		"NUL":              {Path: "/etc/x\x00y"},
		"setuid":           {Path: "/x", Mode: fs.ModeSetuid | 0o755},
		"a directory":      {Path: "/x", Mode: fs.ModeDir | 0o755},
	} {
		t.Run(name, func(t *testing.T) {
			h := Host{Root: t.TempDir()}
			c.After = []byte("x")
			_, err := h.Apply(t.Context(), Plan{Changes: []Change{c}})
			assert.ErrorContains(t, err, "bad change: ")
			assert.ErrorIs(t, err, fs.ErrInvalid)
			list, err := os.ReadDir(h.Root)
			require.NoError(t, err)
			assert.Empty(t, list, "nothing is made")
		})
	}
}

func TestModeOfANewFileIs0644(t *testing.T) {
	h := Host{Root: t.TempDir()}
	_, err := h.Apply(t.Context(), Plan{Changes: []Change{{Path: "/x", After: []byte("x")}}})
	require.NoError(t, err)
	info, err := h.Stat("/x")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o644), info.Mode())
}

func TestRisksAreThoseNotAccepted(t *testing.T) {
	p := Plan{Warnings: []Warning{{ID: "a", Risk: true}, {ID: "note"}, {ID: "b", Risk: true}, {ID: "a", Risk: true}}}
	assert.Equal(t, []string{"a", "b"}, p.Risks())
	assert.Equal(t, []string{"b"}, p.Risks("a", "c"))
	assert.Empty(t, p.Risks("b", "a"))
}
