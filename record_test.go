package usernskit

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// makeFile is a plan that makes one.
func makeFile(path string, data []byte) Plan {
	return Plan{Title: "make " + path, Changes: []Change{{Path: path, After: data, Mode: 0o644}}}
}

func remove(t *testing.T, h Host, path string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(h.Root, path)))
}

// journalFiles lists what is in the journal.
func journalFiles(t *testing.T, h Host) []string {
	t.Helper()
	list, err := h.ReadDir(journalDir)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// Apply asks of the runs before only how they ended, however large their files
// are; and an entry that is no record is refused by name.
func TestTheJournalIsReadByItsHeads(t *testing.T) {
	host := Host{Root: t.TempDir()}
	for i := range 2 {
		r, err := host.Apply(t.Context(), makeFile(fmt.Sprint("/etc/", i), []byte("x")))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i+1), r.ID)
	}
	remove(t, host, contentsPath("1"))
	heads, err := host.heads()
	require.NoError(t, err)
	require.Len(t, heads, 2)
	assert.Equal(t, "make /etc/0", heads[0].Title)
	assert.Equal(t, StateApplied, heads[1].State)
	assert.Empty(t, heads[1].Files, "they would be without contents")

	put(t, host, recordPath("3"), "not json")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", nil))
	require.NoError(t, err, "it changes nothing")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, recordPath("3"))
	// The first form, and one to come, whatever they make of Files.
	for _, other := range []string{`{"Schema":1,"ID":"3","Files":[{"Before":"YQ=="}]}`, `{"Schema":3,"ID":"3","Files":"none"}`} {
		put(t, host, recordPath("3"), other)
		_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
		assert.ErrorContains(t, err, recordPath("3")+": written by another version")
		assert.ErrorContains(t, host.Undo(t.Context(), ""), "another version")
	}
	put(t, host, recordPath("3"), `{"Schema":2,"ID":"4"}`)
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, "renamed")
}

// The contents are written once: sealing a record is a matter of its head.
func TestTheJournalKeepsEachContentOnce(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, "etc"), 0o755))
	before := bytes.Repeat([]byte("alice:100000:65536\n"), 1000)
	put(t, host, "/etc/subuid", string(before))
	after := append(bytes.Clone(before), "dockremap:200000:65536\n"...)
	written := map[string]int{}
	a := applier{host: host, fault: func(step string) error { written[step]++; return nil }}
	_, err := a.applyLocked(t, Plan{Changes: []Change{{Path: "/etc/subuid", Before: before, After: after, Lock: LockShadow}}})
	require.NoError(t, err)
	info, err := host.Stat(contentsPath("1"))
	require.NoError(t, err)
	assert.EqualValues(t, len(before)+len(after), info.Size(), "the backup /etc/subuid- holds what the file held")
	info, err = host.Stat(recordPath("1"))
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(1000))
	assert.Equal(t, 1, written["journal: contents: write"])
	assert.Equal(t, 2, written["journal: write"], "begun, and sealed")
	require.NoError(t, host.Undo(t.Context(), ""))
	got, err := host.ReadFile("/etc/subuid")
	require.NoError(t, err)
	assert.Equal(t, before, got)
}

// Whoever restored a part of /var/lib from elsewhere must not get a file back
// that is damaged, or another.
func TestUndoRefusesContentsThatAreNotThoseOfTheRecord(t *testing.T) {
	host, r := applied(t)
	now := tree(t, host.Root)
	whole, err := host.ReadFile(contentsPath(r.ID))
	require.NoError(t, err)
	other := bytes.Clone(whole)
	other[3] ^= 1
	for _, bad := range [][]byte{{}, whole[:len(whole)-1], append(bytes.Clone(whole), 'x'), other} {
		put(t, host, contentsPath(r.ID), string(bad))
		require.ErrorContains(t, host.Undo(t.Context(), r.ID), contentsPath(r.ID))
		assert.Equal(t, now, tree(t, host.Root))
	}
	put(t, host, contentsPath(r.ID), string(whole))

	head, err := host.ReadFile(recordPath(r.ID))
	require.NoError(t, err)
	require.Contains(t, string(head), `{"At":0,"Size":16}`, "the backup, written first")
	for _, bad := range []string{
		`{"At":-1,"Size":16}`, `{"At":9223372036854775807,"Size":16}`, `{"At":0,"Size":-16}`, `{"At":0,"Size":9223372036854775807}`,
		`{"At":0,"Size":15}`, `{"At":1,"Size":16}`, `{}`, `null`, `{"At":0,"Size":1e300}`,
	} {
		put(t, host, recordPath(r.ID), strings.Replace(string(head), `{"At":0,"Size":16}`, bad, 1))
		require.ErrorContains(t, host.Undo(t.Context(), r.ID), journalDir, bad)
		assert.Equal(t, now, tree(t, host.Root))
	}
	require.Equal(t, 1, strings.Count(string(head), `"Size":14}`), "the last content")
	put(t, host, recordPath(r.ID), strings.Replace(string(head), `"Size":14}`, `"Size":13}`, 1))
	require.ErrorContains(t, host.Undo(t.Context(), r.ID), contentsPath(r.ID))
	put(t, host, recordPath(r.ID), string(head))

	remove(t, host, contentsPath(r.ID))
	require.ErrorIs(t, host.Undo(t.Context(), r.ID), fs.ErrNotExist)
	put(t, host, contentsPath(r.ID), string(whole))
	require.NoError(t, host.Undo(t.Context(), r.ID))
}

// A kill between the contents and the record, or between removing the one and
// the other, leaves nothing that stays.
func TestContentsWithoutARecordGoWithTheNextRun(t *testing.T) {
	host, _ := applied(t)
	put(t, host, contentsPath("2"), "of a run that was killed")
	put(t, host, journalDir+"/.2.data12345", "of a run that was killed")
	put(t, host, journalDir+"/.json", "{}")
	put(t, host, journalDir+"/note", "somebody's")
	put(t, host, journalDir+"/note.data", "somebody's")
	require.NoError(t, os.Mkdir(filepath.Join(host.Root, journalDir, "7.data"), 0o755))
	require.NoError(t, os.Symlink("/etc/hosts", filepath.Join(host.Root, contentsPath("6"))))
	require.NoError(t, os.Symlink("/etc/hosts", filepath.Join(host.Root, journalDir, ".link")))
	_, err := host.Receipts()
	require.NoError(t, err, "it takes no lock, and passes by all this")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, []string{"1.data", "1.json", "2.data", "2.json", "7.data", "note", "note.data"}, journalFiles(t, host))
	got, err := host.ReadFile(contentsPath("2"))
	require.NoError(t, err)
	assert.Equal(t, "x", string(got))
	got, err = host.ReadFile("/etc/hosts")
	require.NoError(t, err, "a link goes, and not what it leads to")
	assert.Equal(t, faultTree["etc/hosts"], string(got))
}

// "remapctl enable" that plans for ever: the journal was in the way, and not a
// file of the plan that had changed.
func TestUpdateEndsWhereTheJournalCannotBeWritten(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, contentsPath("1")), 0o755))
	plans := 0
	_, err := host.Update(t.Context(), func() (Plan, error) {
		plans++
		require.Less(t, plans, 3)
		return makeFile("/x", []byte("x")), nil
	})
	require.ErrorContains(t, err, contentsPath("1"))
	assert.NotErrorIs(t, err, ErrChanged)
	assert.NotErrorIs(t, err, ErrUnfinished)
	_, err = host.Stat("/x")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// To read again and to plan again helps where a file of the plan has changed. A
// journal that somebody writes to is no reason.
func TestAJournalThatChangesIsNoReasonToPlanAgain(t *testing.T) {
	for step, path := range map[string]string{"journal: contents: sync": contentsPath("1"), "journal: sync": recordPath("1")} {
		host := faultHost(t, t.TempDir())
		start := tree(t, host.Root)
		a := applier{host: host, fault: func(at string) error {
			if at == step {
				put(t, host, path, "somebody's")
			}
			return nil
		}}
		_, err := a.applyLocked(t, faultPlan())
		require.ErrorContains(t, err, path)
		assert.NotErrorIs(t, err, ErrChanged)
		assert.Equal(t, start, tree(t, host.Root))
	}
}

// Where the journal cannot be begun, no file of the plan has been touched, so an
// edit that somebody makes just then is nothing to put back.
func TestAnEditWhileTheJournalCannotBeBegunLeavesNothingToUndo(t *testing.T) {
	host := faultHost(t, t.TempDir())
	a := applier{host: host, fault: func(step string) error {
		if step != "journal: contents: sync" {
			return nil
		}
		put(t, host, "/etc/subgid", "edited\n")
		return errFault
	}}
	_, err := a.applyLocked(t, faultPlan())
	require.ErrorIs(t, err, errFault)
	assert.NotErrorIs(t, err, ErrUnfinished)
	assert.Empty(t, journalFiles(t, host))
	got, err := host.ReadFile("/etc/subgid")
	require.NoError(t, err)
	assert.Equal(t, "edited\n", string(got))
}

// A record that undo could not read is not written either.
func TestARecordIsNotLargerThanUndoCanRead(t *testing.T) {
	host := Host{Root: t.TempDir()}
	p := makeFile("/x", []byte("x"))
	p.Title = strings.Repeat("x", MaxFileSize)
	a := applier{host: host, fault: func(step string) error {
		assert.False(t, strings.HasPrefix(step, "write "), "%s", step)
		return nil
	}}
	_, err := a.applyLocked(t, p)
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Empty(t, journalFiles(t, host))
}

// What is larger than undo reads is refused while nothing is written yet.
func TestAPlanIsNotLargerThanUndoCanRead(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, "etc"), 0o755))
	start := tree(t, host.Root)
	var p Plan
	large := make([]byte, MaxFileSize)
	for i := range maxContents/MaxFileSize + 1 {
		p.Changes = append(p.Changes, makeFile(fmt.Sprint("/etc/", i), large).Changes...)
	}
	_, err := host.Apply(t.Context(), p)
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Equal(t, start, withoutState(t, host.Root))
	assert.Empty(t, journalFiles(t, host))
}

// withoutState is the tree but for the way to the journal, which stays.
func withoutState(t *testing.T, root string) map[string]string {
	files := tree(t, root)
	delete(files, "/var")
	delete(files, "/var/lib")
	return files
}
