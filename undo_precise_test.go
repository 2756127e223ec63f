package usernskit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// undoAmid applies a change, lets others edit the file, and undoes.
func undoAmid(t testing.TB, before, after, now string, force ...string) (string, error) {
	t.Helper()
	host := Host{Root: t.TempDir()}
	c := Change{Path: "/f", After: []byte(after)}
	if before != "none" {
		c.Before = []byte(before)
		require.NoError(t, os.WriteFile(host.Root+"/f", c.Before, 0o600))
	}
	r, err := host.Apply(t.Context(), Plan{Changes: []Change{c}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(host.Root+"/f", []byte(now), 0o640))
	require.NoError(t, os.Chmod(host.Root+"/f", 0o604)) // they may change that too
	err = host.Undo(t.Context(), r.ID, force)
	data, rerr := host.ReadFile("/f")
	if errors.Is(rerr, os.ErrNotExist) {
		return "none", err
	}
	require.NoError(t, rerr)
	info, rerr := host.Stat("/f")
	require.NoError(t, rerr)
	if len(force) == 0 {
		assert.Equal(t, os.FileMode(0o604), info.Mode())
	}
	return string(data), err
}

func TestUndoTakesOutWhatWasOurs(t *testing.T) {
	for _, tt := range []struct{ name, before, after, now, want string }{
		{"useradd after enable", "a:1\n", "a:1\nd:2\n", "a:1\nd:2\ne:3\n", "a:1\ne:3\n"},
		{"two grants, the first is taken back", "", "d:1\n", "d:1\nd:2\n", "d:2\n"},
		{"a line before ours", "a:1\n", "a:1\nd:2\n", "e:3\na:1\nd:2\n", "e:3\na:1\n"},
		{"the neighbour is gone", "a:1\nb:1\n", "a:1\nb:1\nd:2\n", "a:1\nd:2\ne:3\n", "a:1\ne:3\n"},
		{"ours are sorted in between", "a:1\n", "a:1\nd:1\nd:2\n", "d:2\nc:1\nd:1\na:1\n", "c:1\na:1\n"},
		{"a file that was made", "none", "d:1\n", "d:1\ne:2\n", "e:2\n"},
		{"a file that was made, ours doubled by nobody", "none", "d:1\n", "d:1", "none"},
		{"no newline at the end before", "a:1", "a:1\nd:2\n", "a:1\nd:2\ne:3\n", "a:1\ne:3\n"},
		{"no newline at the end after", "a:1\n", "a:1\nd:2", "a:1\nd:2\ne:3\n", "a:1\ne:3\n"},
		{"carriage returns", "a:1\r\n", "a:1\r\nd:2\r\n", "a:1\r\nd:2\r\ne:3\r\n", "a:1\r\ne:3\r\n"},
		{"foreign bytes", "a\xff\n", "a\xff\nd\xfe\n", "\x00\na\xff\nd\xfe\n", "\x00\na\xff\n"},
		{"a line that was changed", "x\nG=\"quiet\"\ny\n", "x\nG=\"quiet u=1\"\ny\n", "x\nT=5\nG=\"quiet u=1\"\nz\n", "x\nT=5\nG=\"quiet\"\nz\n"},
		{"a line that was removed", "x\no\ny\n", "x\ny\n", "w\nx\ny\nz\n", "w\nx\no\ny\nz\n"},
		{"the last line was removed", "w\nx\no\n", "w\nx\n", "v\nx\n", "v\nx\no\n"},
		{"a line that was removed, another in its place", "x\no\ny\n", "x\ny\n", "x\nn\ny\n", "x\no\nn\ny\n"},
		{"a line that repeats, found by its neighbours", "a {\n}\n", "a {\n}\nd {\n}\n", "x\na {\n}\nd {\n}\n", "x\na {\n}\n"},
		{"a line that repeats", "a {\n}\n", "a {\n}\nd {\n}\n", "a {\n}\nd {\n}\ne {\n}\n", "refused"},
		{"a member of daemon.json", "{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"u\": \"d\"\n}\n", "{\n  \"a\": 1,\n  \"u\": \"d\",\n  \"b\": 2\n}\n", "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
		{"a member on one line", `{"a":1}`, `{"a":1,"u":"d"}`, `{"a":2,"u":"d"}`, `{"a":2}`},
		{"daemon.json that was made", "none", "{\n  \"u\": \"d\"\n}\n", "{\n  \"u\": \"d\",\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n"},
		{"daemon.json that was made and only laid out by others", "none", "{\n  \"u\": \"d\"\n}\n", "{\"u\":\"d\"}\n", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := undoAmid(t, tt.before, tt.after, tt.now)
			if tt.want == "refused" {
				require.ErrorIs(t, err, ErrChanged)
				assert.Equal(t, tt.now, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestUndoRefusesWhatItCannotSeparate(t *testing.T) {
	for _, tt := range []struct{ name, before, after, now, why string }{
		{"our line was changed", "a:1\n", "a:1\nd:2\n", "a:1\nd:9\n", `line 2, "d:2"`},
		{"our line was removed", "a:1\n", "a:1\nd:2\n", "a:1\ne:3\n", `line 2, "d:2"`},
		{"our line is there twice", "a:1\n", "a:1\nd:2\n", "d:2\na:1\nd:2\n", `line 2, "d:2"`},
		{"two lines, one is gone", "", "d:1\nd:2\n", "d:2\nx\n", `line 1, "d:1" and 1 more`},
		{"the line that we changed was changed", "G=\"\"\n", "G=\"u=1\"\n", "G=\"u=1 splash\"\n", `line 1, "G=\"u=1\""`},
		{"something is between two lines that we changed", "a\nb\n", "c\nd\n", "c\nx\nd\n", `line 1, "c" and 1 more`},
		{"the place of a removed line is gone", "x\no\ny\n", "x\ny\n", "w\n", `the place of "o", before line 2`},
		{"a member was changed", `{"a":1}`, `{"a":1,"u":"d"}`, `{"a":1,"u":"e"}`, "/u"},
		{"no JSON any more", `{"a":1}`, `{"a":1,"u":"d"}`, `{"a":1,"u":"d"`, "not a JSON object"},
		{"a file that was removed by us", "x\n", "", "y\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := undoAmid(t, tt.before, tt.after, tt.now)
			require.ErrorIs(t, err, ErrChanged)
			assert.ErrorContains(t, err, tt.why)
			assert.Equal(t, tt.now, got)

			got, err = undoAmid(t, tt.before, tt.after, tt.now, "/f")
			require.NoError(t, err)
			assert.Equal(t, tt.before, got, "by force it is as it was")
		})
	}
}

// Of a large file the journal has no copy; force takes out what can be found.
func TestForceOnALargeFileKeepsWhatOthersWrote(t *testing.T) {
	large := strings.Repeat("0123456789abcde\n", maxOld/16+1)
	got, err := undoAmid(t, large, large+"d:1\nd:2\n", large+"d:1\nd:3\ne:4\n", "/f")
	require.NoError(t, err)
	assert.True(t, got == large+"d:1\nd:3\ne:4\n" || got == large+"d:3\ne:4\n")
	got, err = undoAmid(t, large, "d:1\n"+large+"d:2\n", "d:1\n"+large+"d:3\n", "/f")
	require.NoError(t, err)
	assert.True(t, got == large+"d:3\n", "the one that is left goes")
}

// Whatever others did elsewhere in the file is all that is left, or Undo refuses
// and changes nothing.
func TestUndoLeavesExactlyTheEditsOfOthers(t *testing.T) {
	root := t.TempDir()
	run, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		n := rapid.IntRange(0, 12).Draw(rt, "lines")
		var before, after, now, want strings.Builder
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "eol")
		plain := true // we only add
		insert := func(who string, i int, to ...*strings.Builder) {
			for k := range rapid.IntRange(0, 2).Draw(rt, who) {
				for _, b := range to {
					fmt.Fprintf(b, "%s %d.%d%s", who, i, k, eol)
				}
			}
		}
		fates := make([]string, n)
		for i := range fates {
			fates[i] = rapid.SampledFrom([]string{"", "", "", "", "we change", "we remove", "they change", "they remove"}).Draw(rt, "fate")
		}
		for i := range n + 1 {
			first := rapid.Bool().Draw(rt, "others first")
			// Beside a line that we removed nobody can tell what comes first.
			others := !(i > 0 && fates[i-1] == "we remove") && !(i < n && fates[i] == "we remove")
			if first && others {
				insert("others", i, &now, &want)
			}
			insert("ours", i, &after, &now)
			if !first && others {
				insert("others", i, &now, &want)
			}
			if i == n {
				break
			}
			line := fmt.Sprintf("line %d%s", i, eol)
			before.WriteString(line)
			switch fates[i] {
			case "":
				for _, b := range []*strings.Builder{&after, &now, &want} {
					b.WriteString(line)
				}
			case "we change":
				plain = false
				after.WriteString("our " + line)
				now.WriteString("our " + line)
				want.WriteString(line)
			case "we remove":
				plain = false
				want.WriteString(line)
			case "they change":
				after.WriteString(line)
				now.WriteString("their " + line)
				want.WriteString("their " + line)
			case "they remove":
				after.WriteString(line)
			}
		}
		if before.String() == after.String() {
			return
		}
		host := Host{Root: filepath.Join(root, fmt.Sprint(run))}
		require.NoError(rt, os.Mkdir(host.Root, 0o755))
		path := filepath.Join(host.Root, "f")
		require.NoError(rt, os.WriteFile(path, []byte(before.String()), 0o600))
		r, err := host.Apply(t.Context(), Plan{Changes: []Change{{Path: "/f", Before: []byte(before.String()), After: []byte(after.String())}}})
		require.NoError(rt, err)
		require.NoError(rt, os.WriteFile(path, []byte(now.String()), 0o600))
		err = host.Undo(t.Context(), r.ID, nil)
		got, rerr := os.ReadFile(path)
		require.NoError(rt, rerr)
		if err != nil {
			refused++
			require.ErrorIs(rt, err, ErrChanged)
			require.False(rt, plain, "lines that we only added are always found: %v", err)
			require.Equal(rt, now.String(), string(got))
			return
		}
		require.Equal(rt, want.String(), string(got), "before\n%s\nafter\n%s\nnow\n%s", before.String(), after.String(), now.String())
	})
	t.Logf("%d of %d refused", refused, run)
	assert.Less(t, refused, run/2)
}

// Killed at any step, an undo that leaves the edits of others ends whole.
func TestKilledWhileUndoingAmidEditsOfOthers(t *testing.T) {
	want := map[string]string{"etc/subuid": "eve:1:1\nalice:100000:65536\n", "etc/subgid": "alice:100000:65536\r\ncarol:5:5\r\n"}
	for i := 0; ; i++ {
		host := faultHost(t, t.TempDir())
		_, err := host.Apply(t.Context(), faultPlan())
		require.NoError(t, err)
		put(t, host, "/etc/subuid", "eve:1:1\nalice:100000:65536\ndockremap:165536:65536\n")
		put(t, host, "/etc/subgid", "alice:100000:65536\r\ndockremap:165536:65536\r\ncarol:5:5\r\n")
		more := killed(t, map[string]any{"Root": host.Root, "Step": i, "Undo": true})
		if err := host.Undo(t.Context(), "", nil); !errors.Is(err, ErrNoReceipt) {
			require.NoError(t, err, "step %d", i)
		}
		for name, text := range want {
			data, err := host.ReadFile("/" + name)
			require.NoError(t, err)
			require.Equal(t, text, string(data), "step %d", i)
		}
		for _, name := range []string{"etc/real/grub", "etc/drop.conf"} {
			data, err := host.ReadFile("/" + name)
			require.NoError(t, err)
			require.Equal(t, faultTree[name], string(data), "step %d", i)
		}
		if !more {
			require.Greater(t, i, 30)
			return
		}
	}
}

func TestPlanTravelsAsJSON(t *testing.T) {
	there := faultHost(t, t.TempDir())
	plan := faultPlan()
	plan.Changes = append(plan.Changes,
		Change{Path: "/etc/hosts", Before: []byte(faultTree["etc/hosts"]), After: []byte("not \xff ours\n")},
		Change{Path: "/etc/empty", After: []byte{}, Mode: 0o640},
		Change{Path: "/etc/program", After: []byte("x"), Mode: 0o755})
	plan.Actions = []Action{{Why: "why", Argv: []string{"systemctl", "restart", "docker"}, Where: WhereBoot, Kind: ActionRestartDocker}}
	plan.Warnings = []Warning{{ID: "x", Pos: Pos{File: "/f", Line: 3}, Text: "text", Risk: true}}
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	var back Plan
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, plan.Diff(), back.Diff())
	assert.Equal(t, plan.Actions, back.Actions)
	assert.Equal(t, plan.Warnings, back.Warnings)
	again, err := json.Marshal(back)
	require.NoError(t, err)
	assert.JSONEq(t, string(text), string(again))

	here := faultHost(t, t.TempDir())
	_, err = there.Apply(t.Context(), plan)
	require.NoError(t, err)
	r, err := here.Apply(t.Context(), back)
	require.NoError(t, err)
	assert.Equal(t, tree(t, there.Root), tree(t, here.Root))
	require.NoError(t, here.Undo(t.Context(), r.ID, nil))

	put(t, here, "/etc/real/grub", "another\n")
	_, err = here.Apply(t.Context(), back)
	assert.Equal(t, []string{"/etc/default/grub"}, changedFiles(t, err), "it is for the bytes that it was made from")

	t.Run("documented form", func(t *testing.T) {
		text, err := json.Marshal(Plan{Title: "t", Changes: []Change{{Path: "/f", Before: []byte("a\x1b\n"), After: []byte("b\n"), Shadow: true}, {Path: "/new", After: []byte("x\n")}}})
		require.NoError(t, err)
		assert.JSONEq(t, `{"title":"t","changes":[
			{"path":"/f","before":"sha256:75d254b552616af563db83bd2240053433d7611a8104b586b3810ce15b5db495","after":"sha256:0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f",
			 "hunks":[{"from":1,"to":1,"lines":["-a\u001b\n","+b\n"]}],"diff":"--- /f\n+++ /f\n@@ -1 +1 @@\n-a\\x1b\n+b\n","lock":"shadow"},
			{"path":"/new","before":null,"after":"sha256:73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac",
			 "hunks":[{"from":1,"to":1,"lines":["+x\n"]}],"diff":"--- /dev/null\n+++ /new\n@@ -0,0 +1 @@\n+x\n"}
		],"actions":[],"warnings":[]}`, string(text))
	})
	for name, text := range map[string]string{
		"a line without a sign":    `{"path":"/f","before":null,"after":"sha256:0","hunks":[{"from":1,"to":1,"lines":["x"]}]}`,
		"not the digest's content": `{"path":"/f","before":null,"after":"sha256:0","hunks":[{"from":1,"to":1,"lines":["+x"]}]}`,
		"a mode":                   `{"path":"/f","mode":"rw"}`,
		"a setuid file":            `{"path":"/f","mode":"4755"}`,
		"a lock":                   `{"path":"/f","lock":"flock"}`,
		"a hunk beyond the file":   `{"path":"/f","before":null,"after":"sha256:0","hunks":[{"from":7,"to":1,"lines":["+x"]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var c Change
			assert.Error(t, json.Unmarshal([]byte(text), &c))
		})
	}
}

// Ctrl-C between two files: both are as they were, and nothing is left to undo.
func TestApplyRollsBackWhenItsContextEnds(t *testing.T) {
	for _, at := range []string{"check", "write /etc/subuid: rename", "write /etc/drop.conf: unlink", "write /etc/drop.conf: sync directory"} {
		t.Run(at, func(t *testing.T) {
			host := faultHost(t, t.TempDir())
			start := tree(t, host.Root)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a := applier{host: host, fault: func(step string) error {
				if step == at {
					cancel()
				}
				return nil
			}}
			unlock, err := a.lock(t.Context())
			require.NoError(t, err)
			defer unlock()
			_, err = a.apply(ctx, faultPlan())
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, start, tree(t, host.Root))
			assert.Empty(t, journalFiles(t, host))
		})
	}
}

func TestBadRoot(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o644))
	require.NoError(t, os.Mkdir(dir+"/tree", 0o755))
	for _, root := range []string{dir + "/missing", dir + "/file", "missing"} {
		h := Host{Root: root}
		_, err := h.Apply(t.Context(), makeFile("/x", []byte("x")))
		assert.ErrorIs(t, err, hostfs.ErrBadRoot)
		_, err = h.ReadFile("/etc/subuid")
		assert.ErrorIs(t, err, hostfs.ErrBadRoot)
		assert.NotErrorIs(t, err, os.ErrNotExist, "the file is not absent")
		_, err = h.Stat("/")
		assert.ErrorIs(t, err, hostfs.ErrBadRoot)
		_, err = h.Receipts()
		assert.ErrorIs(t, err, hostfs.ErrBadRoot)
		assert.ErrorIs(t, h.Undo(t.Context(), "", nil), hostfs.ErrBadRoot)
	}
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, list, 2, "nothing was made")

	t.Chdir(dir + "/tree")
	for _, root := range []string{"../tree", ".", dir + "/tree/../tree/"} {
		h := Host{Root: root}
		r, err := h.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
		require.NoError(t, err)
		assert.FileExists(t, dir+"/tree/etc/x")
		require.NoError(t, h.Undo(t.Context(), r.ID, nil))
		assert.NoDirExists(t, dir+"/tree/etc")
		path, err := h.Path("/etc/x")
		require.NoError(t, err)
		assert.Equal(t, dir+"/tree/etc/x", path)
	}
}
