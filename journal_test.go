package usernskit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestJournalOfAnotherVersion(t *testing.T) {
	host := Host{Root: t.TempDir()}
	_, err := host.Apply(t.Context(), makeFile("/etc/1", []byte("x")))
	require.NoError(t, err)
	put(t, host, recordPath("3"), "not json")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", nil))
	require.NoError(t, err, "it changes nothing")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, recordPath("3"))
	for _, other := range []string{`{"Schema":1,"ID":"3","Files":[{"Before":"YQ=="}]}`, `{"Schema":5,"ID":"3","Files":"none"}`} {
		put(t, host, recordPath("3"), other)
		_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
		assert.ErrorContains(t, err, recordPath("3")+": written by another version")
		assert.ErrorContains(t, host.Undo(t.Context(), "", nil), "another version")
	}
	put(t, host, recordPath("2"), "not json")
	list, err := host.Receipts()
	assert.ErrorContains(t, err, recordPath("2")+": not a journal")
	assert.ErrorContains(t, err, recordPath("3")+": written by another version")
	require.Len(t, list, 1, "the others are listed")
	assert.Equal(t, "1", list[0].ID)
	ids, err := host.Forget(t.Context(), func(Receipt) bool { return true })
	require.NoError(t, err)
	assert.Equal(t, []string{"1"}, ids)
	assert.Equal(t, []string{"2.json", "3.json"}, journalFiles(t, host), "what cannot be read stays")
	put(t, host, recordPath("2"), "")
	remove(t, host, recordPath("2"))

	put(t, host, recordPath("3"), `{"Schema":4,"ID":"4"}`)
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, "renamed")
	put(t, host, recordPath("3"), `{"Schema":4,"ID":"3","Files":[{"Hunks":[{"lines":[""]}]}]}`)
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	assert.ErrorContains(t, err, "not a patch")
}

// A grant beside 8,000 lines costs a line and its neighbours, in both files and
// in their backups, and not the files.
func TestReceiptHoldsWhatChanged(t *testing.T) {
	host := Host{Root: t.TempDir()}
	var b bytes.Buffer
	for i := range 8000 {
		fmt.Fprintf(&b, "user%d:%d:65536\n", i, 100000+65536*i)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, "etc"), 0o755))
	put(t, host, "/etc/subuid", b.String())
	start := withoutState(t, host.Root)
	for i := range 3 {
		before, err := host.ReadFile("/etc/subuid")
		require.NoError(t, err)
		after := append(bytes.Clone(before), fmt.Sprintf("tenant%d:600000000:65536\n", i)...)
		r, err := host.Apply(t.Context(), Plan{Changes: []Change{{Path: "/etc/subuid", Before: before, After: after, Shadow: true}}})
		require.NoError(t, err)
		if i == 0 {
			continue // it made the backup, which is a whole file
		}
		info, err := host.Stat(recordPath(r.ID))
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(3000))
	}
	for range 3 {
		require.NoError(t, host.Undo(t.Context(), "", nil))
	}
	assert.True(t, maps.Equal(start, withoutState(t, host.Root)), "it would print 8,000 lines")
}

// Damage must not bring back a file that is not the one that was there.
func TestUndoRefusesADamagedRecord(t *testing.T) {
	host, r := applied(t)
	now := tree(t, host.Root)
	whole, err := host.ReadFile(recordPath(r.ID))
	require.NoError(t, err)
	for _, edit := range [][2]string{
		{`"+dockremap:165536:65536\n"`, `"+dockremap:265536:65536\n"`},
		{`"-GRUB_CMDLINE_LINUX=\"\"\n"`, `"-GRUB_CMDLINE_LINUX=\"b\"\n"`},
		{`"-to be removed\n"`, `"-removed\n"`},
		{`"to":1`, `"to":0`}, {`"to":1`, `"to":9`},
	} {
		require.Contains(t, string(whole), edit[0])
		put(t, host, recordPath(r.ID), strings.Replace(string(whole), edit[0], edit[1], 1))
		err := host.Undo(t.Context(), r.ID, nil)
		require.ErrorContains(t, err, recordPath(r.ID), "%v", edit)
		assert.NotErrorIs(t, err, ErrChanged)
		assert.Equal(t, now, tree(t, host.Root))
	}
	put(t, host, recordPath(r.ID), string(whole))
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
}

// Once it is undone, nothing of the files is in the journal.
func TestUndoneReceiptHoldsNoContent(t *testing.T) {
	host := Host{Root: t.TempDir()}
	put(t, host, "/daemon.json", `{"a":1}`)
	_, err := host.Apply(t.Context(), Plan{Title: "x", Changes: []Change{{Path: "/daemon.json", Before: []byte(`{"a":1}`), After: []byte(`{"a":1,"proxy":"secret"}`)}}})
	require.NoError(t, err)
	require.NoError(t, host.Undo(t.Context(), "", nil))
	assert.Equal(t, []string{"1.undone"}, journalFiles(t, host))
	data, err := host.ReadFile(undonePath("1"))
	require.NoError(t, err)
	assert.NotContains(t, string(data), "secret")
	list, err := host.Receipts()
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, StateUndone, list[0].State)
	assert.Equal(t, map[string]State{"/daemon.json": StateUndone}, list[0].Files)
	assert.Empty(t, Plan{Changes: list[0].Changes}.Diff())
	assert.ErrorIs(t, host.Undo(t.Context(), "1", nil), ErrNoReceipt)
}

// A kill leaves nothing that stays.
func TestSweep(t *testing.T) {
	host, _ := applied(t)
	put(t, host, journalDir+"/.2.json12345", "of a run that was killed")
	put(t, host, journalDir+"/.json", "{}")
	put(t, host, journalDir+"/note", "somebody's")
	put(t, host, journalDir+"/note.json", "somebody's")
	put(t, host, journalDir+"/1.gone", "")
	require.NoError(t, os.Mkdir(filepath.Join(host.Root, journalDir, ".dir"), 0o755))
	require.NoError(t, os.Symlink("/etc/hosts", filepath.Join(host.Root, journalDir, ".link")))
	_, err := host.Receipts()
	require.NoError(t, err, "it takes no lock, and ignores all this")
	_, err = host.Apply(t.Context(), makeFile("/etc/x", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, []string{".dir", "1.gone", "1.json", "2.json", "note", "note.json"}, journalFiles(t, host))
	got, err := host.ReadFile("/etc/hosts")
	require.NoError(t, err, "a link goes, and not what it leads to")
	assert.Equal(t, faultTree["etc/hosts"], string(got))
	_, err = host.Apply(t.Context(), makeFile("/etc/y", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, []string{".dir", "1.json", "2.json", "3.json", "note", "note.json"}, journalFiles(t, host), "a higher ID is there")
}

// "remapctl enable" that plans for ever: the journal was in the way, and not a
// file of the plan that had changed.
func TestUpdateEndsIfTheJournalCannotBeWritten(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, undonePath("1")), 0o755))
	plans := 0
	_, err := host.Update(t.Context(), func() (Plan, error) {
		plans++
		require.Less(t, plans, 3)
		return makeFile("/x", []byte("x")), nil
	})
	require.ErrorContains(t, err, undonePath("1"))
	assert.NotErrorIs(t, err, ErrChanged)
	_, err = host.Stat("/x")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// To read again and to plan again helps if a file of the plan has changed. A
// journal that somebody writes to does not make it plan again.
func TestAJournalThatChangesIsNoReasonToPlanAgain(t *testing.T) {
	host := faultHost(t, t.TempDir())
	start := tree(t, host.Root)
	a := applier{host: host, fault: func(at string) error {
		if at == "journal: sync" {
			put(t, host, recordPath("1"), "somebody's")
		}
		return nil
	}}
	_, err := a.applyLocked(t, faultPlan())
	require.ErrorContains(t, err, recordPath("1"))
	assert.NotErrorIs(t, err, ErrChanged)
	assert.Equal(t, start, tree(t, host.Root))
}

// If the journal cannot be begun, no file of the plan has been touched, so an
// edit that somebody makes just then is nothing to put back.
func TestAnEditWhileTheJournalCannotBeBegunLeavesNothingToUndo(t *testing.T) {
	host := faultHost(t, t.TempDir())
	a := applier{host: host, fault: func(step string) error {
		if step != "journal: sync" {
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
	p.Title = strings.Repeat("x", maxRecord)
	a := applier{host: host, fault: func(step string) error {
		assert.False(t, strings.HasPrefix(step, "write "), "%s", step)
		return nil
	}}
	_, err := a.applyLocked(t, p)
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Empty(t, journalFiles(t, host))
}

func TestForget(t *testing.T) {
	host := Host{Root: t.TempDir()}
	for i := range 4 {
		_, err := host.Apply(t.Context(), makeFile(fmt.Sprint("/", i), []byte("secret\n")))
		require.NoError(t, err)
	}
	require.NoError(t, host.Undo(t.Context(), "3", nil))
	ids, err := host.Forget(t.Context(), func(r Receipt) bool { return r.ID == "2" || r.State == StateUndone })
	require.NoError(t, err)
	assert.Equal(t, []string{"2", "3"}, ids)
	assert.Equal(t, []string{"1.json", "4.json"}, journalFiles(t, host))
	assert.ErrorIs(t, host.Undo(t.Context(), "2", nil), ErrNoReceipt)
	old := time.Now().Add(time.Hour)
	ids, err = host.Forget(t.Context(), func(r Receipt) bool { return r.Time.Before(old) })
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "4"}, ids)
	assert.Equal(t, []string{"4.gone"}, journalFiles(t, host))
	r, err := host.Apply(t.Context(), makeFile("/5", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, "5", r.ID, "no ID is given twice")
	assert.ErrorIs(t, host.Undo(t.Context(), "4", nil), ErrNoReceipt)

	t.Run("not what was interrupted", func(t *testing.T) {
		rec, err := host.record("5")
		require.NoError(t, err)
		rec.State = stateApplying
		data, err := json.Marshal(rec)
		require.NoError(t, err)
		put(t, host, recordPath("5"), string(data))
		ids, err := host.Forget(t.Context(), func(Receipt) bool { return true })
		require.NoError(t, err)
		assert.Empty(t, ids)
	})
	t.Run("a context that is over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := host.Forget(ctx, func(Receipt) bool { return true })
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestReceiptSaysWho(t *testing.T) {
	t.Setenv("SUDO_USER", "alice")
	host := Host{Root: t.TempDir()}
	r, err := host.Apply(t.Context(), makeFile("/x", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, "alice", r.User)
	assert.Equal(t, os.Args, r.Command)
	assert.NotEmpty(t, r.Build)
	list, err := host.Receipts()
	require.NoError(t, err)
	_, offset := time.Now().Zone()
	_, stored := list[0].Time.Zone()
	assert.Equal(t, offset, stored)
	r.Time = list[0].Time
	assert.Equal(t, r, list[0])

	text, err := json.Marshal(r)
	require.NoError(t, err)
	var back Receipt
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, r.Files, back.Files)
	assert.Equal(t, Plan{Changes: r.Changes}.Diff(), Plan{Changes: back.Changes}.Diff())
}

// However long the journal is, a run opens a few of its files.
func TestALongJournalCostsLittle(t *testing.T) {
	host := Host{Root: t.TempDir()}
	_, err := host.Apply(t.Context(), makeFile("/0", []byte("x")))
	require.NoError(t, err)
	record, err := host.ReadFile(recordPath("1"))
	require.NoError(t, err)
	for i := 2; i <= 1000; i++ {
		name, text := recordPath(fmt.Sprint(i)), strings.Replace(string(record), `"ID":"1"`, fmt.Sprintf(`"ID":"%d"`, i), 1)
		if i > 500 {
			name, text = undonePath(fmt.Sprint(i)), strings.Replace(text, `"State":"applied"`, `"State":"undone"`, 1)
		}
		put(t, host, name, text)
	}
	// A file that is opened and is not JSON is an error, so all but a few are spoilt.
	for i := 1; i <= 1000; i++ {
		if i == 500 || i == 1000 { // the last that is applied, and the last
			continue
		}
		name := recordPath(fmt.Sprint(i))
		if i > 500 {
			name = undonePath(fmt.Sprint(i))
		}
		put(t, host, name, "spoilt")
	}
	r, err := host.Receipt("")
	require.NoError(t, err)
	assert.Equal(t, "500", r.ID)
	r, err = host.Apply(t.Context(), makeFile("/1", []byte("x")))
	require.NoError(t, err)
	assert.Equal(t, "1001", r.ID)
	_, err = host.PlanUndo("", nil)
	require.NoError(t, err)
	require.NoError(t, host.Undo(t.Context(), "", nil))

	// The figure, beside that of an empty journal: a limit in milliseconds would
	// test the machine.
	empty := Host{Root: t.TempDir()}
	cost := func(h Host) time.Duration {
		best := time.Hour
		for range 20 {
			start := time.Now()
			_, err := h.PlanUndo("", nil)
			best = min(best, time.Since(start))
			require.True(t, err == nil || errors.Is(err, ErrNoReceipt), "%v", err)
		}
		return best
	}
	t.Logf("a journal of 1,001 receipts costs %v, an empty one %v", cost(host), cost(empty))
}

// An undo of a record that is not the last is found again as well.
func TestKilledWhileUndoingAnEarlierRun(t *testing.T) {
	for i := 0; ; i++ {
		host := faultHost(t, t.TempDir())
		start := tree(t, host.Root)
		_, err := host.Apply(t.Context(), faultPlan())
		require.NoError(t, err)
		_, err = host.Apply(t.Context(), makeFile("/etc/other", []byte("x")))
		require.NoError(t, err)
		if !killed(t, map[string]any{"Root": host.Root, "Step": i, "Undo": true, "ID": "1"}) {
			require.Greater(t, i, 40)
			return
		}
		oldOrNew(t, host)
		rec, err := host.record("1")
		require.NoError(t, err)
		if rec.State == stateUndoing {
			_, err := host.Apply(t.Context(), makeFile("/etc/another", []byte("x")))
			require.ErrorIs(t, err, ErrUnfinished, "step %d", i)
			require.ErrorIs(t, host.Undo(t.Context(), "2", nil), ErrUnfinished, "step %d", i)
			require.NoError(t, host.Undo(t.Context(), "", nil), "step %d", i)
		} else if rec.State == StateApplied {
			require.NoError(t, host.Undo(t.Context(), "1", nil))
		}
		require.NoError(t, host.Undo(t.Context(), "2", nil))
		require.Equal(t, start, withoutDeadLocks(t, host.Root), "step %d", i)
		require.Equal(t, []string{"1.undone", "2.undone"}, slices.DeleteFunc(journalFiles(t, host), func(s string) bool { return s == "1.json" }))
	}
}

// withoutState is the tree without the way to the journal, which stays.
func withoutState(t *testing.T, root string) map[string]string {
	files := tree(t, root)
	delete(files, "/var")
	delete(files, "/var/lib")
	return files
}
