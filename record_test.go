package usernskit

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	assert.Equal(t, Applied, heads[1].State)
	assert.Empty(t, heads[1].Files, "they would be without contents")

	put(t, host, recordPath("3"), "not json")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", nil))
	require.NoError(t, err, "it changes nothing")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, recordPath("3"))
	put(t, host, recordPath("3"), `{"Schema":3,"ID":"3"}`)
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, "another version")
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
// that ends in the middle.
func TestUndoRefusesContentsThatAreNotThoseOfTheRecord(t *testing.T) {
	host, r := applied(t)
	now := tree(t, host.Root)
	whole, err := host.ReadFile(contentsPath(r.ID))
	require.NoError(t, err)
	for _, bad := range []string{"", string(whole[:len(whole)-1]), string(whole) + "x"} {
		put(t, host, contentsPath(r.ID), bad)
		err := host.Undo(t.Context(), r.ID)
		require.ErrorContains(t, err, contentsPath(r.ID))
		assert.Equal(t, now, tree(t, host.Root))
	}
	put(t, host, contentsPath(r.ID), string(whole))
	head, err := host.ReadFile(recordPath(r.ID))
	require.NoError(t, err)
	for _, at := range []string{`"At":-1`, `"At":9223372036854775807`} {
		put(t, host, recordPath(r.ID), string(bytes.Replace(head, []byte(`"At":0`), []byte(at), 1)))
		require.ErrorContains(t, host.Undo(t.Context(), r.ID), contentsPath(r.ID))
	}
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
	put(t, host, journalDir+"/note", "somebody's")
	_, err := host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, []string{"1.data", "1.json", "2.data", "2.json", "note"}, journalFiles(t, host))
	got, err := host.ReadFile(contentsPath("2"))
	require.NoError(t, err)
	assert.Equal(t, "x", string(got))
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
