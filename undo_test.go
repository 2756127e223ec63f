package usernskit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hostfs"
)

func applied(t *testing.T) (Host, Receipt) {
	t.Helper()
	host := faultHost(t, t.TempDir())
	r, err := host.Apply(t.Context(), faultPlan())
	require.NoError(t, err)
	return host, r
}

func put(t *testing.T, h Host, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(h.Root, path), []byte(text), 0o644))
}

func link(t *testing.T, h Host, to, path string) {
	t.Helper()
	require.NoError(t, os.Symlink(to, filepath.Join(h.Root, path)))
}

func TestUndoRefusesWhereAFileWasEditedSinceAndChangesNothing(t *testing.T) {
	host, r := applied(t)
	put(t, host, "/etc/subuid", "alice:100000:65536\ncarol:300000:65536\n")
	now := tree(t, host.Root)
	err := host.Undo(t.Context(), r.ID, nil)
	require.ErrorIs(t, err, ErrChanged)
	assert.Equal(t, []string{"/etc/subuid"}, changedFiles(t, err))
	assert.ErrorContains(t, err, `line 2, "dockremap:165536:65536"`)
	assert.Equal(t, now, tree(t, host.Root))

	require.ErrorContains(t, host.Undo(t.Context(), r.ID, []string{"/etc/hosts"}), "not a file of receipt")
	require.NoError(t, host.Undo(t.Context(), r.ID, []string{"/etc/subuid"}))
	data, err := host.ReadFile("/etc/subuid")
	require.NoError(t, err)
	assert.Equal(t, faultTree["etc/subuid"], string(data))
	assert.ErrorIs(t, host.Undo(t.Context(), r.ID, nil), ErrNoReceipt, "once is enough")
}

func TestUndoKeepsTheBackupThatUseraddWroteSince(t *testing.T) {
	host, r := applied(t)
	put(t, host, "/etc/subuid-", "written by useradd\n")
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	data, err := host.ReadFile("/etc/subuid-")
	require.NoError(t, err)
	assert.Equal(t, "written by useradd\n", string(data))
}

// Somebody who shuts a file, or gives it away, wants that to stay.
func TestUndoKeepsAModeThatOthersSetSince(t *testing.T) {
	for name, force := range map[string][]string{"": nil, "by force": {"/etc/subuid"}} {
		t.Run(name, func(t *testing.T) {
			host, r := applied(t)
			place := filepath.Join(host.Root, "etc/subuid")
			require.NoError(t, os.Chmod(place, 0o600))
			require.NoError(t, host.Undo(t.Context(), r.ID, force))
			info, err := os.Stat(place)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			data, err := os.ReadFile(place)
			require.NoError(t, err)
			assert.Equal(t, faultTree["etc/subuid"], string(data))
		})
	}
}

func TestUndoKeepsADirectoryThatOthersUseByNow(t *testing.T) {
	host, r := applied(t)
	put(t, host, "/etc/docker/key.json", "{}")
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	assert.FileExists(t, filepath.Join(host.Root, "etc/docker/key.json"))
	assert.NoDirExists(t, filepath.Join(host.Root, "etc/docker/conf"))
}

func TestApplyRefusesWhatChangedSinceThePlanWasMade(t *testing.T) {
	host := faultHost(t, t.TempDir())
	for _, path := range []string{"/etc/subgid", "/etc/drop.conf"} {
		before, err := host.ReadFile(path)
		require.NoError(t, err)
		put(t, host, path, "someone was here\n")
		now := tree(t, host.Root)
		_, err = host.Apply(t.Context(), faultPlan())
		require.ErrorIs(t, err, ErrChanged)
		assert.ErrorContains(t, err, path)
		assert.Equal(t, now, tree(t, host.Root))
		put(t, host, path, string(before))
	}
	put(t, host, "/etc/docker", "a file where a directory should be")
	_, err := host.Apply(t.Context(), faultPlan())
	assert.Error(t, err)
}

func TestReceiptsTellWhatEachFileHoldsNow(t *testing.T) {
	host, r := applied(t)
	assert.Equal(t, "1", r.ID)
	put(t, host, "/etc/subgid", "edited\n")
	list, err := host.Receipts()
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, map[string]State{
		"/etc/subuid": StateApplied, "/etc/subgid": StateEdited, "/etc/docker/conf/daemon.json": StateApplied,
		"/etc/default/grub": StateApplied, "/etc/drop.conf": StateApplied,
	}, list[0].Files)
	assert.Equal(t, faultPlan().Diff(), Plan{Changes: list[0].Changes}.Diff())
	_, err = host.PlanUndo("", nil)
	assert.Equal(t, []string{"/etc/subgid"}, changedFiles(t, err))
	back, err := host.PlanUndo("", []string{"/etc/subgid"})
	require.NoError(t, err)
	assert.Len(t, back.Changes, 5)
}

func TestAPlanThatChangesNothingWritesNothing(t *testing.T) {
	host := faultHost(t, t.TempDir())
	r, err := host.Apply(t.Context(), Plan{Changes: []Change{{Path: "/etc/hosts", Before: []byte("not ours\n"), After: []byte("not ours\n")}}})
	require.NoError(t, err)
	assert.Empty(t, r.ID)
	assert.NoDirExists(t, filepath.Join(host.Root, stateDir))
}

func TestTheJournalIsForItsOwnerAlone(t *testing.T) {
	host, _ := applied(t)
	for _, name := range []string{recordPath("1"), lockPath} {
		info, err := os.Stat(filepath.Join(host.Root, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), name)
	}
	info, err := os.Stat(filepath.Join(host.Root, journalDir))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// In a tree without /var the journal's way there is made for all to pass, or
// dockerd's data-root below it could not be reached by the remapped root.
func TestDirectoriesOnTheWayToTheJournalCanBePassed(t *testing.T) {
	host := Host{Root: t.TempDir()}
	_, err := host.Apply(t.Context(), Plan{Changes: []Change{{Path: "/etc/x", After: []byte("x"), Mode: 0o644}}})
	require.NoError(t, err)
	for _, dir := range []string{"/var", "/var/lib", "/etc"} {
		info, err := host.Stat(dir)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), dir)
	}
}

func TestOneFileUnderTwoNamesIsRefused(t *testing.T) {
	host := faultHost(t, t.TempDir())
	text := []byte(faultTree["etc/real/grub"])
	_, err := host.Apply(t.Context(), Plan{Changes: []Change{
		{Path: "/etc/default/grub", Before: text, After: []byte("a")},
		{Path: "/etc/real/grub", Before: text, After: []byte("b")},
	}})
	assert.ErrorContains(t, err, "same file")
}

// Each of many planners sees what the others wrote: no line is lost.
func TestUpdatePlansAgainWhereOthersWrite(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, "etc"), 0o755))
	put(t, host, "/etc/subuid", "")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				_, err := host.Update(t.Context(), func() (Plan, error) {
					now, err := host.ReadFile("/etc/subuid")
					return Plan{Changes: []Change{{Path: "/etc/subuid", Before: now, After: append(now[:len(now):len(now)], 'x'), Shadow: true}}}, err
				})
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
	data, err := host.ReadFile("/etc/subuid")
	require.NoError(t, err)
	assert.Len(t, data, 40)
}

// Planning may take long, so it is done once where nobody else was at work.
func TestUpdatePlansOnce(t *testing.T) {
	host := Host{Root: t.TempDir()}
	plans := 0
	update := func(p Plan, during func()) error {
		_, err := host.Update(t.Context(), func() (Plan, error) {
			plans++
			if plans == 1 && during != nil {
				during()
			}
			return p, nil
		})
		return err
	}
	t.Run("nothing to do makes nothing", func(t *testing.T) {
		require.NoError(t, update(Plan{}, nil))
		list, err := os.ReadDir(host.Root)
		require.NoError(t, err)
		assert.Empty(t, list)
	})
	for i, tt := range []struct {
		name   string
		plans  int
		during func()
	}{
		{"alone, the first run", 1, nil},
		{"alone", 1, nil},
		{"another run while it planned", 2, func() {
			_, err := host.Apply(t.Context(), makeFile("/theirs", []byte("x")))
			require.NoError(t, err)
		}},
		{"an undo", 2, func() { require.NoError(t, host.Undo(t.Context(), "", nil)) }},
		{"one that failed and left no record", 2, func() {
			time.Sleep(20 * time.Millisecond) // the clock of file times
			a := applier{host: host, fault: func(at string) error {
				if strings.HasPrefix(at, "write /mine") {
					return errors.New("no")
				}
				return nil
			}}
			unlock, err := a.lock(t.Context())
			require.NoError(t, err)
			defer unlock()
			_, err = a.apply(t.Context(), makeFile("/mine", []byte("x")))
			require.Error(t, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plans = 0
			require.NoError(t, update(makeFile(fmt.Sprint("/x", i), []byte("x")), tt.during))
			assert.Equal(t, tt.plans, plans)
		})
	}
	t.Run("one under way when it began", func(t *testing.T) {
		a := applier{host: host}
		unlock, err := a.lock(t.Context())
		require.NoError(t, err)
		r, err := a.apply(t.Context(), makeFile("/slow", []byte("x")))
		require.NoError(t, err)
		open, err := host.record(r.ID)
		require.NoError(t, err)
		open.State = stateApplying
		require.NoError(t, a.keep(open))
		plans = 0
		require.NoError(t, update(makeFile("/y", []byte("x")), func() {
			open.State = StateApplied
			require.NoError(t, a.keep(open))
			unlock()
		}))
		assert.Equal(t, 2, plans)
	})
	t.Run("a plan that failed beside another run", func(t *testing.T) {
		plans = 0
		_, err := host.Update(t.Context(), func() (Plan, error) {
			if plans++; plans == 1 {
				_, err := host.Apply(t.Context(), makeFile("/half", []byte("x")))
				require.NoError(t, err)
				return Plan{}, errors.New("half of it was there")
			}
			return makeFile("/z", []byte("x")), nil
		})
		require.NoError(t, err)
		assert.Equal(t, 2, plans)
	})
}

// A plan function that read the files outside of it would be asked for ever.
func TestUpdateEndsWherePlanNeverReadsAgain(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(host.Root, "etc"), 0o755))
	put(t, host, "/etc/subuid", "eve:100000:65536\n")
	plans := 0
	_, err := host.Update(t.Context(), func() (Plan, error) {
		plans++
		return Plan{Changes: []Change{{Path: "/etc/subuid", Before: []byte("old\n"), After: []byte("new\n"), Shadow: true}}}, nil
	})
	require.ErrorIs(t, err, ErrChanged)
	assert.ErrorContains(t, err, "planned 50 times, and never from what the file holds: /etc/subuid: ")
	assert.Equal(t, maxPlans, plans)
	assert.Empty(t, journalFiles(t, host))
}

func TestUndoRemovesItsOwnTemporaryFilesAlone(t *testing.T) {
	host, r := applied(t)
	put(t, host, "/etc/.usernskit~subuid777", "of a replacement that was cut off\n")
	put(t, host, "/etc/.subuid20260101", "a copy that somebody keeps\n")
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	assert.NoFileExists(t, filepath.Join(host.Root, "etc/.usernskit~subuid777"))
	assert.FileExists(t, filepath.Join(host.Root, "etc/.subuid20260101"))
}

// A file beyond the limit could not be read again, and so not be undone.
func TestAFileIsNotMadeLargerThanUndoCanRead(t *testing.T) {
	host := faultHost(t, t.TempDir())
	start := tree(t, host.Root)
	_, err := host.Apply(t.Context(), Plan{Changes: []Change{
		{Path: "/etc/subuid", Before: []byte(faultTree["etc/subuid"]), After: make([]byte, hostfs.MaxFileSize+1)},
	}})
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Equal(t, start, tree(t, host.Root))
}

// Otherwise undoing the two in the wrong order leaves remapping on without the
// ranges that it needs.
func TestUndoOfARunThatALaterOneTookBackWantsThatOneFirst(t *testing.T) {
	host := faultHost(t, t.TempDir())
	start := tree(t, host.Root)
	grub := func(from, to string, more ...Change) Receipt {
		r, err := host.Apply(t.Context(), Plan{Changes: append(more, Change{Path: "/etc/real/grub", Before: []byte(from), After: []byte(to)})})
		require.NoError(t, err)
		return r
	}
	old := faultTree["etc/real/grub"]
	on := grub(old, "on\n", Change{Path: "/etc/hosts", Before: []byte("not ours\n"), After: []byte("ours\n")})
	off := grub("on\n", old)
	other, err := host.Apply(t.Context(), Plan{Changes: []Change{{Path: "/etc/new", After: []byte("x"), Mode: 0o640}}})
	require.NoError(t, err)
	now := tree(t, host.Root)
	require.ErrorContains(t, host.Undo(t.Context(), on.ID, nil), "/etc/real/grub: receipt "+off.ID+" has put it back already")
	assert.Equal(t, now, tree(t, host.Root))
	_, err = host.PlanUndo(on.ID, nil)
	require.ErrorContains(t, err, "has put it back already", "no plan of what Undo refuses")
	_, err = host.PlanUndo(off.ID, []string{"/etc/hosts"})
	require.ErrorContains(t, err, "not a file of receipt")

	require.NoError(t, host.Undo(t.Context(), off.ID, nil), "a file of its own is in nobody's way")
	require.NoError(t, host.Undo(t.Context(), on.ID, nil))
	require.NoError(t, host.Undo(t.Context(), other.ID, nil))
	assert.Equal(t, start, tree(t, host.Root))
}

// "sysctl -p FILE" fails once undo has removed FILE; the restart is still due.
func TestUndoDoesNotAskForAFileThatItRemoves(t *testing.T) {
	host := Host{Root: t.TempDir()}
	restart := Action{Why: "it reads its file when it starts", Argv: []string{"systemctl", "restart", "docker"}}
	r, err := host.Apply(t.Context(), Plan{
		Changes: []Change{{Path: "/etc/sysctl.d/x.conf", After: []byte("x"), Mode: 0o644}},
		Actions: []Action{{Why: "now", Argv: []string{"sysctl", "-p", "/etc/sysctl.d/x.conf"}}, restart},
	})
	require.NoError(t, err)
	back, err := host.PlanUndo(r.ID, nil)
	require.NoError(t, err)
	assert.Equal(t, []Action{restart}, back.Actions)
	assert.Len(t, r.Actions, 2)
}

// What would stop the restoring half way is reported before the first file.
func TestForcedUndoRefusesWhatItCannotReadAndChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, Host) error{
		"too large": func(_ *testing.T, h Host) error {
			return os.Truncate(filepath.Join(h.Root, "/etc/subuid"), hostfs.MaxFileSize+1)
		},
		"unreadable": func(t *testing.T, h Host) error {
			if os.Geteuid() == 0 {
				t.Skip("root reads everything")
			}
			return os.Chmod(filepath.Join(h.Root, "/etc/subuid"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, r := applied(t)
			require.NoError(t, spoil(t, host))
			require.Error(t, host.Undo(t.Context(), r.ID, []string{"/etc/subuid"}))
			after, err := host.Receipt(r.ID)
			require.NoError(t, err)
			assert.Equal(t, StateApplied, after.State)
			for _, f := range after.Files {
				assert.NotEqual(t, StateUndone, f)
			}
		})
	}
}

// Someone who tidies up removes the empty directory that a removed file left.
func TestUndoMakesTheDirectoryOfARemovedFileAgain(t *testing.T) {
	host := Host{Root: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(host.Root, "etc/default/grub.d"), 0o755))
	put(t, host, "/etc/first", "a")
	put(t, host, "/etc/default/grub.d/99.cfg", "a")
	start := withoutState(t, host.Root)
	r, err := host.Apply(t.Context(), Plan{Changes: []Change{
		{Path: "/etc/first", Before: []byte("a"), After: []byte("b")},
		{Path: "/etc/default/grub.d/99.cfg", Before: []byte("a")},
	}})
	require.NoError(t, err)
	remove(t, host, "/etc/default/grub.d")
	require.NoError(t, host.Undo(t.Context(), r.ID, nil))
	assert.Equal(t, start, withoutState(t, host.Root))
}

// A directory that was made is removed where it was made, and not what is there
// by now.
func TestUndoRemovesNoDirectoryThroughALink(t *testing.T) {
	for _, moved := range []string{"/etc/docker", "/etc/docker/conf"} {
		host, r := applied(t)
		require.NoError(t, os.Rename(filepath.Join(host.Root, moved), filepath.Join(host.Root, "moved")))
		link(t, host, "/moved", moved)
		require.NoError(t, host.Undo(t.Context(), r.ID, nil))
		assert.NoFileExists(t, filepath.Join(host.Root, "etc/docker/conf/daemon.json"))
		assert.DirExists(t, filepath.Join(host.Root, "moved"), "the link leads somewhere")
	}
}
