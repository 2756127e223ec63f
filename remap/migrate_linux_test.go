package remap_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
)

// TestMain lets the test program also be the one that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "migrate-test-child" {
		h := usernskit.Host{Root: os.Args[3]}
		err := do(context.Background(), h, os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosttest.Alone() // containers of other tests have all directories mounted
	os.Exit(m.Run())
}

func do(ctx context.Context, h usernskit.Host, what string) error {
	switch what {
	case "undo":
		return remap.Undo(ctx, h, "", nil, []string{shift.RiskInUse}, nil)
	case "shift":
		to, _, err := remap.Mapping(ctx, h, dockerd.Choice{}).Get()
		if err != nil {
			return err
		}
		from, err := shift.Identity(to)
		if err != nil {
			return err
		}
		s, err := remap.PlanShift(ctx, h, "/"+plainData, from, to, []string{shift.RiskInUse})
		if err == nil {
			_, _, err = s.Run(ctx, nil)
		}
		return err
	}
	m, err := remap.PlanMigrate(ctx, h, remap.Migrate{})
	if err == nil {
		_, _, err = m.Run(ctx, nil)
	}
	return err
}

const remapped = `
-- etc/passwd --
root:x:0:0:root:/root:/bin/bash
dockremap:x:990:990::/nonexistent:/usr/sbin/nologin
-- etc/group --
root:x:0:
dockremap:x:990:
-- etc/subuid --
dockremap:1700000000:65536
-- etc/subgid --
dockremap:1700000000:65536
-- etc/docker/daemon.json --
{"userns-remap": "default"}
-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd
-- var/lib/docker/volumes/data/_data/sub/file --
some
-- var/lib/docker/volumes/more/_data/tool --
tool
`

const (
	plainData = "var/lib/docker/volumes/data/_data"
	newStore  = "var/lib/docker/1700000000.1700000000"
	newData   = newStore + "/volumes/data/_data"
	newMore   = newStore + "/volumes/more/_data"
)

// volumes is a host that remaps, with two volumes of the time before.
func volumes(t *testing.T) usernskit.Host {
	t.Helper()
	h := hosttest.Tree(t, remapped)
	require.NoError(t, os.Chown(filepath.Join(h.Root, plainData, "sub/file"), 33, 33))
	require.NoError(t, os.Chown(filepath.Join(h.Root, plainData), 33, 33))
	require.NoError(t, unix.Chmod(filepath.Join(h.Root, plainData, "sub/file"), 0o4755))
	return h
}

func planned(t *testing.T, h usernskit.Host, want remap.Migrate) remap.Migration {
	t.Helper()
	m, err := remap.PlanMigrate(t.Context(), h, want)
	require.NoError(t, err)
	return m
}

func migrated(t *testing.T, h usernskit.Host) usernskit.Receipt {
	t.Helper()
	m, receipt, err := planned(t, h, remap.Migrate{}).Run(t.Context(), nil)
	require.NoError(t, err)
	for _, v := range m.Volumes {
		require.Equal(t, remap.VolumeDone, v.State, v.Why)
	}
	return receipt
}

// requireWhole wants both copies in their places and nothing beside them.
func requireWhole(t *testing.T, h usernskit.Host) {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(h.Root, newData, "sub/file"), &st))
	assert.Equal(t, []uint32{1700000033, 1700000033, unix.S_IFREG | 0o4755}, []uint32{st.Uid, st.Gid, st.Mode})
	assert.FileExists(t, filepath.Join(h.Root, newMore, "tool"))
	assert.NoDirExists(t, filepath.Join(h.Root, newStore, "usernskit-migrate"))
	assert.FileExists(t, filepath.Join(h.Root, plainData, "sub/file"))
}

func TestMigrate(t *testing.T) {
	hosttest.Need(t)
	t.Run("there, again and back", func(t *testing.T) {
		h := volumes(t)
		start := hosttest.Snapshot(t, h)
		m := planned(t, h, remap.Migrate{})
		todo, refused := m.Todo()
		assert.Equal(t, []int{2, 0}, []int{todo, len(refused)})
		assert.Greater(t, m.Need, int64(8192))
		assert.Greater(t, m.Free, m.Need)
		assert.Positive(t, m.Seconds)
		assert.Equal(t, start, hosttest.Snapshot(t, h), "a plan changes nothing")

		receipt := migrated(t, h)
		requireWhole(t, h)
		again := planned(t, h, remap.Migrate{})
		assert.True(t, again.Plan.Empty())
		todo, refused = again.Todo()
		assert.Equal(t, []int{0, 0}, []int{todo, len(refused)})
		_, second, err := again.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.Empty(t, second.ID)

		require.NoError(t, remap.Undo(t.Context(), h, receipt.ID, nil, nil, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, filepath.Dir(newData)))
		assert.NoDirExists(t, filepath.Join(h.Root, filepath.Dir(newMore)))
		assert.NoFileExists(t, filepath.Join(h.Root, "var/lib/usernskit/moved.json"))
		migrated(t, h)
	})
	t.Run("undo of what was written since", func(t *testing.T) {
		h := volumes(t)
		migrated(t, h)
		require.NoError(t, os.WriteFile(filepath.Join(h.Root, newData, "new"), []byte("new"), 0o644))
		before := hosttest.Snapshot(t, h)
		back, err := remap.PlanUndo(t.Context(), h, "", nil)
		require.NoError(t, err)
		require.Len(t, back.Warnings, 2)
		assert.Equal(t, remap.RiskVolumeChanged, back.Warnings[0].ID)
		assert.True(t, back.Warnings[0].Risk)
		assert.Equal(t, "volume data was written to since it was copied (new: it is only in the copy): what it holds now is moved to /var/lib/docker/1700000000.1700000000/usernskit-undone and kept", back.Warnings[0].Text)
		assert.Equal(t, remap.WarnTakenBack, back.Warnings[1].ID)
		require.ErrorIs(t, remap.Undo(t.Context(), h, "", nil, nil, nil), shift.ErrRefused)
		assert.Equal(t, before, hosttest.Snapshot(t, h))
		require.NoError(t, remap.Undo(t.Context(), h, "", nil, []string{remap.RiskVolumeChanged}, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, newData))
		assert.FileExists(t, filepath.Join(h.Root, newStore, "usernskit-undone/data/_data/new"))
	})
	t.Run("an undo that fails at the second volume says that it is half done", func(t *testing.T) {
		h := volumes(t)
		migrated(t, h)
		fixed := filepath.Dir(filepath.Join(h.Root, newMore))
		require.NoError(t, exec.Command("chattr", "+i", fixed).Run())
		t.Cleanup(func() { exec.Command("chattr", "-i", fixed).Run() })
		err := remap.Undo(t.Context(), h, "", nil, nil, nil)
		require.ErrorIs(t, err, shift.ErrUnfinished)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, "volume more: ")
		assert.NoDirExists(t, filepath.Join(h.Root, newData))
		assert.FileExists(t, filepath.Join(h.Root, newMore, "tool"))
		require.NoError(t, exec.Command("chattr", "-i", fixed).Run())
		require.NoError(t, remap.Undo(t.Context(), h, "", nil, nil, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, newMore))
	})
	t.Run("undo without the old volume removes nothing", func(t *testing.T) {
		h := volumes(t)
		migrated(t, h)
		require.NoError(t, os.RemoveAll(filepath.Join(h.Root, filepath.Dir(plainData))))
		err := remap.Undo(t.Context(), h, "", nil, nil, nil)
		require.ErrorIs(t, err, shift.ErrRefused)
		require.ErrorContains(t, err, "no such file")
		assert.FileExists(t, filepath.Join(h.Root, newData, "sub/file"))
	})
	t.Run("a later migration stays when an earlier one is undone", func(t *testing.T) {
		h := volumes(t)
		_, first, err := planned(t, h, remap.Migrate{Volumes: []string{"data"}}).Run(t.Context(), nil)
		require.NoError(t, err)
		_, _, err = planned(t, h, remap.Migrate{Volumes: []string{"more"}}).Run(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, remap.Undo(t.Context(), h, first.ID, nil, nil, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, newData))
		assert.FileExists(t, filepath.Join(h.Root, newMore, "tool"))
		require.NoError(t, remap.Undo(t.Context(), h, "", nil, nil, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, newMore))
	})
	t.Run("a new and empty volume of the name gives way", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.MkdirAll(filepath.Join(h.Root, newData), 0o755))
		migrated(t, h)
		requireWhole(t, h)
	})
	t.Run("other data of the name stays", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.MkdirAll(filepath.Join(h.Root, newData, "theirs"), 0o755))
		m := planned(t, h, remap.Migrate{})
		todo, refused := m.Todo()
		assert.Equal(t, []int{1, 1}, []int{todo, len(refused)})
		_, _, err := m.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.DirExists(t, filepath.Join(h.Root, newData, "theirs"))
		assert.NoDirExists(t, filepath.Join(h.Root, newData, "sub"))
		assert.FileExists(t, filepath.Join(h.Root, newMore, "tool"))
	})
	t.Run("data that appears while it is copied stays", func(t *testing.T) {
		h := volumes(t)
		_, _, err := planned(t, h, remap.Migrate{Volumes: []string{"data"}}).Run(t.Context(), nil)
		require.NoError(t, err)
		m := planned(t, h, remap.Migrate{Volumes: []string{"more"}})
		require.NoError(t, os.MkdirAll(filepath.Join(h.Root, newMore, "theirs"), 0o755))
		_, _, err = m.Run(t.Context(), nil)
		require.ErrorIs(t, err, unix.ENOTEMPTY)
		assert.DirExists(t, filepath.Join(h.Root, newMore, "theirs"))
	})
	t.Run("a file of the new range already", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.Chown(filepath.Join(h.Root, plainData, "sub"), 1700000001, 1700000001))
		m := planned(t, h, remap.Migrate{Volumes: []string{"data"}})
		assert.Equal(t, remap.VolumeRefused, m.Volumes[0].State)
		assert.Contains(t, m.Volumes[0].Why, "2 files have IDs of the old range and 1 of the new one already")
	})
	t.Run("an immutable file", func(t *testing.T) {
		h := hosttest.Tree(t, remapped)
		fixed := filepath.Join(h.Root, plainData, "sub/file")
		require.NoError(t, exec.Command("chattr", "+i", fixed).Run())
		t.Cleanup(func() { exec.Command("chattr", "-i", fixed).Run() })
		m := planned(t, h, remap.Migrate{Volumes: []string{"data"}})
		require.Len(t, m.Plan.Warnings, 1)
		assert.Equal(t, usernskit.Warning{ID: shift.RiskImmutable, Risk: true, Text: "volume data: 1 file is immutable or append-only"}, m.Plan.Warnings[0])
		migrated(t, h)
		assert.FileExists(t, filepath.Join(h.Root, newData, "sub/file"))
	})
	t.Run("a file whose owner the container does not have", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.Chown(filepath.Join(h.Root, plainData, "sub"), 1800000000, 1800000000))
		m := planned(t, h, remap.Migrate{Volumes: []string{"data"}})
		assert.Equal(t, remap.VolumeCopy, m.Volumes[0].State)
		require.Len(t, m.Plan.Warnings, 1)
		assert.Equal(t, remap.WarnVolumeOutside, m.Plan.Warnings[0].ID)
		assert.Contains(t, m.Plan.Warnings[0].Text, "volume data has 1 file with an owner outside")
	})
	t.Run("options that cannot be read", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.Mkdir(filepath.Join(h.Root, plainData, "../opts.json"), 0o755))
		m := planned(t, h, remap.Migrate{Volumes: []string{"data"}})
		assert.Equal(t, remap.VolumeRefused, m.Volumes[0].State)
		assert.Contains(t, m.Volumes[0].Why, "opts.json")
	})
	t.Run("not enough room", func(t *testing.T) {
		h := volumes(t)
		at := filepath.Join(h.Root, newStore)
		require.NoError(t, os.Mkdir(at, 0o710))
		require.NoError(t, unix.Mount("tmpfs", at, "tmpfs", 0, "size=16k"))
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
		_, err := remap.PlanMigrate(t.Context(), h, remap.Migrate{})
		require.ErrorIs(t, err, shift.ErrNoSpace)
		assert.ErrorContains(t, err, "the volumes take up to ")
		assert.NoDirExists(t, filepath.Join(at, "usernskit-migrate"))
	})
	t.Run("a dockerd that cannot be asked runs on the store", func(t *testing.T) {
		h := volumes(t)
		require.NoError(t, os.MkdirAll(filepath.Join(h.Root, newStore, "volumes"), 0o755))
		db, err := os.Create(filepath.Join(h.Root, newStore, "volumes/metadata.db"))
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, unix.Flock(int(db.Fd()), unix.LOCK_EX))
		_, _, err = planned(t, h, remap.Migrate{}).Run(t.Context(), nil)
		require.ErrorContains(t, err, "stop it")
		assert.NoDirExists(t, filepath.Join(h.Root, newStore, "usernskit-migrate"))
	})
	t.Run("volumes on a file system of their own", func(t *testing.T) {
		h := volumes(t)
		at := filepath.Join(h.Root, newStore, "volumes")
		require.NoError(t, os.MkdirAll(at, 0o755))
		require.NoError(t, unix.Mount("tmpfs", at, "tmpfs", 0, ""))
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
		_, _, err := planned(t, h, remap.Migrate{}).Run(t.Context(), nil)
		require.ErrorContains(t, err, "another file system")
	})
	t.Run("a volume that is written to after the plan", func(t *testing.T) {
		h := volumes(t)
		m := planned(t, h, remap.Migrate{})
		require.NoError(t, os.WriteFile(filepath.Join(h.Root, plainData, "more"), nil, 0o644))
		_, _, err := m.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.FileExists(t, filepath.Join(h.Root, newData, "more"))
	})
}

// The way back, where remapping is off.
func TestMigrateBack(t *testing.T) {
	hosttest.Need(t)
	h := volumes(t)
	migrated(t, h)
	write := func(name, data string) {
		require.NoError(t, os.WriteFile(filepath.Join(h.Root, name), []byte(data), 0o644))
	}
	write("etc/docker/daemon.json", "{}\n")
	write(newData+"/written", "while remapped")
	require.NoError(t, os.Chown(filepath.Join(h.Root, newData, "written"), 1700001000, 1700001000))
	require.NoError(t, os.RemoveAll(filepath.Join(h.Root, filepath.Dir(plainData))))

	require.NoError(t, os.Mkdir(filepath.Join(h.Root, "var/lib/docker/5.5"), 0o755))
	_, err := remap.PlanMigrate(t.Context(), h, remap.Migrate{})
	require.ErrorContains(t, err, "2 remapped stores")
	_, err = remap.PlanMigrate(t.Context(), h, remap.Migrate{From: "5.5"})
	require.ErrorIs(t, err, remap.ErrNoRanges)
	_, err = remap.PlanMigrate(t.Context(), h, remap.Migrate{From: "plain"})
	require.ErrorContains(t, err, "nothing to copy from")

	for _, file := range []string{"etc/subuid", "etc/subgid"} {
		write(file, "alice:1700000000:1000\ndockremap:1700000000:65536\n")
	}
	_, err = remap.PlanMigrate(t.Context(), h, remap.Migrate{From: "1700000000.1700000000"})
	require.ErrorContains(t, err, "several accounts have the IDs of the store 1700000000.1700000000, and not as many of them (1700000000-1700000999 and 1700000000-1700065535)")
	for _, file := range []string{"etc/subuid", "etc/subgid"} {
		write(file, "dockremap:1700000000:65536\n")
	}

	m, _, err := planned(t, h, remap.Migrate{From: "1700000000.1700000000"}).Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "/var/lib/docker", m.To)
	var st unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(h.Root, plainData, "written"), &st))
	assert.Equal(t, []uint32{1000, 1000}, []uint32{st.Uid, st.Gid})
}

// From the store of an account with few IDs to that of one with more.
func TestMigrateToALargerRange(t *testing.T) {
	hosttest.Need(t)
	larger := func(t *testing.T) usernskit.Host {
		h := volumes(t)
		migrated(t, h)
		for name, data := range map[string]string{
			"etc/passwd":             "root:x:0:0:root:/root:/bin/bash\ndockremap:x:990:990::/:/bin/false\nbig:x:991:991::/:/bin/false\n",
			"etc/group":              "root:x:0:\ndockremap:x:990:\nbig:x:991:\n",
			"etc/subuid":             "dockremap:1700000000:65536\nbig:1800000000:131072\n",
			"etc/subgid":             "dockremap:1700000000:65536\nbig:1800000000:131072\n",
			"etc/docker/daemon.json": `{"userns-remap": "big"}`,
		} {
			require.NoError(t, os.WriteFile(filepath.Join(h.Root, name), []byte(data), 0o644))
		}
		return h
	}
	const copied = "var/lib/docker/1800000000.1800000000/volumes/data/_data"
	from := remap.Migrate{From: "1700000000.1700000000", Volumes: []string{"data"}}
	t.Run("undo", func(t *testing.T) {
		h := larger(t)
		_, receipt, err := planned(t, h, from).Run(t.Context(), nil)
		require.NoError(t, err)
		var st unix.Stat_t
		require.NoError(t, unix.Stat(filepath.Join(h.Root, copied, "sub/file"), &st))
		assert.Equal(t, []uint32{1800000033, 1800000033}, []uint32{st.Uid, st.Gid})
		require.NoError(t, remap.Undo(t.Context(), h, receipt.ID, nil, nil, nil))
		assert.NoDirExists(t, filepath.Join(h.Root, copied))
		assert.FileExists(t, filepath.Join(h.Root, newData, "sub/file"))
	})
	t.Run("undo of a copy in use", func(t *testing.T) {
		h := larger(t)
		_, receipt, err := planned(t, h, from).Run(t.Context(), nil)
		require.NoError(t, err)
		f, err := os.OpenFile(filepath.Join(h.Root, copied, "sub/file"), os.O_WRONLY, 0)
		require.NoError(t, err)
		cmd := exec.Command("sleep", "60")
		cmd.ExtraFiles = []*os.File{f}
		require.NoError(t, cmd.Start())
		f.Close()
		defer cmd.Wait()
		defer cmd.Process.Kill()
		require.ErrorContains(t, remap.Undo(t.Context(), h, receipt.ID, nil, nil, nil), fmt.Sprintf("it is in use by process %d (sleep)", cmd.Process.Pid))
		assert.DirExists(t, filepath.Join(h.Root, copied))
	})
	t.Run("a volume that was written to after a copy that was cut off", func(t *testing.T) {
		h := larger(t)
		stage := filepath.Join(h.Root, "var/lib/docker/1800000000.1800000000/usernskit-migrate/data/_data")
		require.NoError(t, os.MkdirAll(stage, 0o755))
		m := planned(t, h, from)
		assert.Greater(t, m.Free, m.Need)
		_, _, err := m.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.FileExists(t, filepath.Join(h.Root, copied, "sub/file"))
	})
}

// The old volumes go only where the copy is the same.
func TestMigrateRemovesOldVolumes(t *testing.T) {
	hosttest.Need(t)
	h := volumes(t)
	migrated(t, h)
	require.NoError(t, os.WriteFile(filepath.Join(h.Root, newMore, "tool"), []byte("TOOL\n"), 0o644))
	m, _, err := planned(t, h, remap.Migrate{RemoveOld: true}).Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "the old volume is removed", m.Volumes[0].Why)
	assert.Contains(t, m.Volumes[1].Why, "the old volume stays")
	assert.NoDirExists(t, filepath.Join(h.Root, filepath.Dir(plainData)))
	assert.FileExists(t, filepath.Join(h.Root, "var/lib/docker/volumes/more/_data/tool"))
	require.Error(t, remap.Undo(t.Context(), h, "", nil, nil, nil))
	assert.FileExists(t, filepath.Join(h.Root, newData, "sub/file"))
}

// A migration and its undo that are killed before any of these calls are done by
// a second one.
func TestAMigrationThatIsKilledIsDoneByTheNext(t *testing.T) {
	hosttest.Need(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	kills, step := 0, 5
	if os.Getenv("USERNSKIT_LONG") != "" {
		step = 1
	}
	for _, verb := range []string{"migrate", "undo"} {
		for _, call := range []string{"mkdirat", "renameat", "renameat2", "rename", "unlinkat", "fsync", "syncfs", "linkat"} {
			for n := 1; ; n += step {
				h := volumes(t)
				if verb == "undo" {
					migrated(t, h)
				}
				out, err := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n),
					self, "migrate-test-child", verb, h.Root).CombinedOutput()
				whole := err == nil
				if !whole {
					kills++
					require.Empty(t, string(out))
					if entries, err := os.ReadDir(filepath.Join(h.Root, newStore, "volumes")); err == nil { // what a dockerd would see now
						for _, e := range entries {
							assert.DirExists(t, filepath.Join(h.Root, newStore, "volumes", e.Name(), "_data"), "%s %s %d", verb, call, n)
						}
					}
				}
				if verb == "undo" {
					if err := do(t.Context(), h, verb); err != nil {
						require.ErrorIs(t, err, usernskit.ErrNoReceipt)
					}
					assert.NoDirExists(t, filepath.Join(h.Root, newData))
					assert.NoDirExists(t, filepath.Join(h.Root, newMore))
					for _, left := range []string{"usernskit-undone"} {
						assert.NoDirExists(t, filepath.Join(h.Root, newStore, left), "%s %d", call, n)
					}
				} else if n%2 == 0 { // taken back at once
					list, err := h.Receipts()
					require.NoError(t, err)
					if err := do(t.Context(), h, "undo"); err != nil {
						require.ErrorIs(t, err, usernskit.ErrNoReceipt, "%s %d", call, n)
					}
					assert.NoDirExists(t, filepath.Join(h.Root, newData), "%s %d", call, n)
					if len(list) > 0 && list[0].State == usernskit.StateApplied {
						assert.NoDirExists(t, filepath.Join(h.Root, newStore, "usernskit-migrate"), "%s %d", call, n)
					}
				} else {
					if err := do(t.Context(), h, verb); err != nil { // killed while the list was written
						require.ErrorIs(t, err, usernskit.ErrUnfinished, "%s %d", call, n)
						require.NoError(t, do(t.Context(), h, "undo"))
						require.NoError(t, do(t.Context(), h, verb))
					}
					requireWhole(t, h)
					require.NoError(t, do(t.Context(), h, "undo"), "%s %d", call, n)
					assert.NoDirExists(t, filepath.Join(h.Root, newData))
				}
				require.FileExists(t, filepath.Join(h.Root, plainData, "sub/file"))
				if whole {
					break
				}
			}
		}
	}
	t.Logf("%d kills", kills)
	require.Greater(t, kills, 10)
}

func TestAShiftOfTheSystemOfATreeIsRefused(t *testing.T) {
	h := hosttest.Tree(t, remapped)
	to, _, err := remap.Mapping(t.Context(), h, dockerd.Choice{}).Get()
	require.NoError(t, err)
	from, err := shift.Identity(to)
	require.NoError(t, err)
	for dir, refused := range map[string]bool{"/etc": true, "etc/docker": true, "/usr/lib/systemd": true, "/" + plainData: false} {
		s, err := remap.PlanShift(t.Context(), h, dir, from, to, nil)
		require.NoError(t, err)
		assert.Equal(t, refused, len(s.Plan.Warnings) > 0, dir)
		if refused {
			_, _, err = s.Run(t.Context(), nil)
			require.ErrorIs(t, err, shift.ErrRefused)
			require.ErrorContains(t, err, "is in use by the system in "+h.Root)
		}
	}
	list, err := h.Receipts()
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestUndoWithoutTheListOfWhatWasMoved(t *testing.T) {
	for name, receipt := range map[string]string{"the last": "", "by its number": "1"} {
		t.Run(name, func(t *testing.T) {
			h := volumes(t)
			require.NoError(t, do(t.Context(), h, "shift"))
			require.NoError(t, os.Remove(filepath.Join(h.Root, "var/lib/usernskit/moved.json")))
			err := remap.Undo(t.Context(), h, receipt, nil, []string{shift.RiskInUse}, nil)
			require.ErrorIs(t, err, shift.ErrRefused)
			require.ErrorContains(t, err, "no data is taken back")
			require.NoError(t, remap.Undo(t.Context(), h, receipt, nil, []string{remap.WarnTakenBack}, nil))
			require.ErrorIs(t, do(t.Context(), h, "undo"), usernskit.ErrNoReceipt)
		})
	}
}

// A directory that is not there may be on a disk that is not mounted.
func TestUndoOfAShift(t *testing.T) {
	for name, c := range map[string]struct {
		dir  string
		then func(t *testing.T, dir string)
		want string
	}{
		"a directory whose name is not UTF-8": {"/data \xff", func(*testing.T, string) {}, "the owners of 2 files in"},
		"a root that is a symbolic link":      {"/data", func(*testing.T, string) {}, "the owners of 2 files in /data"},
		"a directory that is gone":            {"/data", func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir, dir+".old")) }, "/data is not there, or has no owners to move back"},
		"another file system on it": {"/data", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.Mkdir(dir, 0o755))
		}, "/data is not there, or has no owners to move back"},
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, remapped)
			if name == "a root that is a symbolic link" {
				link := filepath.Join(t.TempDir(), "link")
				require.NoError(t, os.Symlink(h.Root, link))
				h.Root = link
			}
			at := filepath.Join(h.Root, c.dir)
			require.NoError(t, os.Mkdir(at, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(at, "file"), nil, 0o644))
			to, _, err := remap.Mapping(t.Context(), h, dockerd.Choice{}).Get()
			require.NoError(t, err)
			from, err := shift.Identity(to)
			require.NoError(t, err)
			s, err := remap.PlanShift(t.Context(), h, c.dir, from, to, []string{shift.RiskInUse})
			require.NoError(t, err)
			_, receipt, err := s.Run(t.Context(), nil)
			require.NoError(t, err)
			c.then(t, at)
			back, err := remap.PlanUndo(t.Context(), h, receipt.ID, nil)
			require.NoError(t, err)
			require.NotEmpty(t, back.Warnings)
			assert.Contains(t, back.Warnings[0].Text, c.want)
			require.NoError(t, remap.Undo(t.Context(), h, receipt.ID, nil, []string{shift.RiskInUse}, nil))
			var st unix.Stat_t
			if unix.Stat(filepath.Join(at, "file"), &st) == nil {
				assert.Zero(t, st.Uid)
			}
		})
	}
}

// A shift or its undo that is killed before any of these calls is taken back by
// undo, and gone on with by the next shift.
func TestAShiftThatIsKilledIsTakenBack(t *testing.T) {
	hosttest.Need(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	owned := func(h usernskit.Host) (list []string) {
		for _, name := range []string{"sub", "sub/file", ""} {
			var st unix.Stat_t
			require.NoError(t, unix.Stat(filepath.Join(h.Root, plainData, name), &st))
			list = append(list, fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid))
		}
		return list
	}
	kills := 0
	for _, verb := range []string{"shift", "undo"} {
		for _, call := range []string{"renameat", "renameat2", "fsync", "fchownat", "fchmodat", "syncfs"} {
			for n := 1; ; n += 3 {
				h := volumes(t)
				old := owned(h)
				require.NoError(t, do(t.Context(), h, "shift"))
				moved := owned(h)
				require.NotEqual(t, old, moved)
				if verb == "shift" {
					require.NoError(t, do(t.Context(), h, "undo"))
					require.Equal(t, old, owned(h))
				}
				whole := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n),
					self, "migrate-test-child", verb, h.Root).Run() == nil
				for range 2 { // the first may take back what was cut off of the list, and the second the rest
					if err := do(t.Context(), h, "undo"); err != nil {
						require.ErrorIs(t, err, usernskit.ErrNoReceipt, "%s %s %d", verb, call, n)
					}
				}
				require.Equal(t, old, owned(h), "%s %s %d", verb, call, n)
				require.NoError(t, do(t.Context(), h, "shift"))
				require.Equal(t, moved, owned(h), "%s %s %d", verb, call, n)
				if whole {
					break
				}
				kills++
			}
		}
	}
	t.Logf("%d kills", kills)
	require.Greater(t, kills, 10)
}
