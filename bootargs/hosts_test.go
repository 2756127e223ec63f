package bootargs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// A hostCase is one file of testdata/hosts: a tree after a real host, and what
// an edit of it must be. BOOTARGS_UPDATE=1 writes want.diff.
type hostCase struct {
	name    string
	archive *txtar.Archive
	head    map[string]string // kind, kernel, store, writes, run, warn, refuse
	want    string            // want.diff
}

func hostCases(t *testing.T) []hostCase {
	t.Helper()
	names, err := filepath.Glob("testdata/hosts/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 60)
	var list []hostCase
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		require.NoError(t, err)
		c := hostCase{name: strings.TrimSuffix(filepath.Base(name), ".txtar"), archive: archive, head: map[string]string{}}
		for line := range strings.Lines(string(archive.Comment)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if ok && !strings.Contains(key, " ") {
				c.head[key] = value
			}
		}
		if last := len(archive.Files) - 1; archive.Files[last].Name == "want.diff" {
			c.want = string(archive.Files[last].Data)
			archive.Files = archive.Files[:last]
		}
		list = append(list, c)
	}
	return list
}

func (c hostCase) host(t *testing.T) usernskit.Host {
	t.Helper()
	return hosttest.Tree(t, string(txtar.Format(&txtar.Archive{Files: c.archive.Files})))
}

func TestHosts(t *testing.T) {
	for _, c := range hostCases(t) {
		t.Run(c.name, func(t *testing.T) {
			h := c.host(t)
			edit := Edit{Set: []string{arg}, Kernel: c.head["kernel"], Store: c.head["store"], Arch: "amd64"}
			loader, err := Detect(t.Context(), h)
			require.NoError(t, err)
			assert.Equal(t, c.head["kind"], loader.Kind.String(), "%s", loader.Why)
			if loader.Kind != KindUnknown {
				assert.NotEmpty(t, loader.Evidence)
			}
			before := hosttest.Snapshot(t, h)

			plan, err := PlanEdit(t.Context(), h, edit)
			if refuse, ok := c.head["refuse"]; ok {
				require.Error(t, err)
				assert.Contains(t, err.Error(), refuse)
				assert.Equal(t, usernskit.Plan{}, plan)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, before, hosttest.Snapshot(t, h), "a plan writes nothing")
			c.checkPlan(t, plan)

			receipt, err := h.Apply(t.Context(), plan)
			require.NoError(t, err)
			again, err := PlanEdit(t.Context(), h, edit)
			require.NoError(t, err)
			assert.Empty(t, again.Diff(), "twice is once")
			require.NoError(t, h.Undo(t.Context(), receipt.ID, nil))
			assert.Equal(t, before, hosttest.Snapshot(t, h), "undone to the byte")

			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			edit.Set, edit.Remove = nil, []string{"user-namespace.enable"}
			plan, err = PlanEdit(t.Context(), h, edit)
			require.NoError(t, err)
			_, err = h.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, before, hosttest.Snapshot(t, h), "removed to the byte")
		})
	}
}

// checkPlan holds a plan against the case.
func (c hostCase) checkPlan(t *testing.T, plan usernskit.Plan) {
	t.Helper()
	var writes, runs, warnings []string
	for _, change := range plan.Changes {
		writes = append(writes, change.Path)
	}
	for _, a := range plan.Actions {
		runs = append(runs, strings.Join(a.Argv, " "))
	}
	for _, w := range plan.Warnings {
		warnings = append(warnings, w.ID)
		assert.NotEmpty(t, w.Text)
	}
	assert.Equal(t, c.head["writes"], strings.Join(writes, " "))
	assert.Equal(t, c.head["run"], strings.Join(runs, "; "))
	assert.Equal(t, c.head["warn"], strings.Join(warnings, " "))
	if os.Getenv("BOOTARGS_UPDATE") == "1" {
		files := append(c.archive.Files[:len(c.archive.Files):len(c.archive.Files)], txtar.File{Name: "want.diff", Data: []byte(plan.Diff())})
		text := txtar.Format(&txtar.Archive{Comment: c.archive.Comment, Files: files})
		require.NoError(t, os.WriteFile("testdata/hosts/"+c.name+".txtar", text, 0o644))
		return
	}
	require.NotEmpty(t, c.want)
	assert.Equal(t, c.want, plan.Diff())
}

// With any one file of a host unreadable an edit is refused, or is the one that
// it was: what was not seen is never taken for absent.
func TestUnreadableFiles(t *testing.T) {
	refused := 0
	for _, c := range hostCases(t) {
		if c.head["refuse"] != "" {
			continue
		}
		edit := Edit{Set: []string{arg}, Kernel: c.head["kernel"], Store: c.head["store"], Arch: "amd64"}
		whole, err := PlanEdit(t.Context(), c.host(t), edit)
		require.NoError(t, err)
		for _, f := range c.archive.Files {
			if strings.Contains(f.Name, " -> ") {
				continue
			}
			h := c.host(t)
			path := filepath.Join(h.Root, f.Name)
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink(filepath.Base(path), path)) // root reads whatever its mode is, but not a loop
			plan, err := PlanEdit(t.Context(), h, edit)
			if err != nil {
				refused++
				continue
			}
			assert.Equal(t, whole.Diff(), plan.Diff(), "%s without %s", c.name, f.Name)
		}
	}
	assert.Greater(t, refused, 80)
}

// The article's two commands: set for the default kernel, and take it back.
func TestDefaultKernelOfEachDistribution(t *testing.T) {
	for _, tt := range trees {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(t, tt.name)
			before := hosttest.Snapshot(t, h)
			for _, edit := range []Edit{{Set: []string{arg}}, {Remove: []string{"user_namespace.enable"}}} {
				edit.Kernel, edit.Arch = Default, "amd64"
				plan, err := PlanEdit(t.Context(), h, edit)
				require.NoError(t, err)
				require.NotEmpty(t, plan.Changes)
				require.NotEmpty(t, plan.Warnings, "one kernel alone, or all of them: a word either way")
				assert.Contains(t, []string{WarnOneLine, WarnFutureKernels}, plan.Warnings[0].ID)
				_, err = h.Apply(t.Context(), plan)
				require.NoError(t, err)
				if edit.Set != nil {
					report, err := Status(t.Context(), h, arg)
					require.NoError(t, err)
					assert.True(t, report.Default.State == StateActive || report.Future.State == StateActive, "%+v", report)
				}
			}
			assert.Equal(t, before, hosttest.Snapshot(t, h))
		})
	}
}
