package remap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/shift"
)

// stageDir is the directory of the target store that has the copies until all are
// whole. They are not in volumes, where dockerd takes each directory for a volume.
const stageDir = "usernskit-migrate"

// undoneDir has the volumes that were moved out of their place: those that were
// written to are kept in it, the others are removed.
const undoneDir = "usernskit-undone"

// Run copies the volumes whose state is [VolumeCopy], and returns the migration
// with their new states. After a kill, plan again and run the new plan: it keeps
// the copies that are whole. The receipt is for the list of copies: by it [Undo]
// takes the copies back.
func (m Migration) Run(ctx context.Context, progress func(shift.Progress)) (Migration, usernskit.Receipt, error) {
	var receipt usernskit.Receipt
	todo, _ := m.Todo()
	if todo > 0 {
		if err := m.reachable(ctx); err != nil {
			return m, receipt, err
		}
	}
	done, total := 0, 0
	for _, v := range m.Volumes {
		if v.State == VolumeCopy {
			total += v.Files
		}
	}
	for _, v := range m.Volumes {
		if v.State != VolumeCopy {
			continue
		}
		if err := m.stage(ctx, v, func(p shift.Progress) {
			if progress != nil {
				progress(shift.Progress{Files: done + p.Files, Total: total})
			}
		}); err != nil {
			return m, receipt, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		done += v.Files
	}
	if len(m.Plan.Changes) > 0 {
		var err error
		list := usernskit.Plan{Title: m.Plan.Title, Changes: m.Plan.Changes}
		if receipt, err = m.host.Apply(ctx, list); err != nil {
			return m, receipt, err
		}
	}
	for i, v := range m.Volumes {
		if v.State == VolumeCopy {
			if err := m.place(ctx, v); err != nil {
				return m, receipt, fmt.Errorf("volume %s: %w", v.Name, err)
			}
			m.Volumes[i].State = VolumeDone
		}
	}
	if err := m.sweep(); err != nil {
		return m, receipt, err
	}
	if !m.want.RemoveOld {
		return m, receipt, nil
	}
	for i, v := range m.Volumes {
		if v.State == VolumeDone {
			if err := m.removeOld(ctx, &m.Volumes[i]); err != nil {
				return m, receipt, fmt.Errorf("volume %s: %w", v.Name, err)
			}
		}
	}
	return m, receipt, nil
}

// sweep removes stageDir if it has no copies.
func (m Migration) sweep() error {
	stage, err := m.host.Path(path.Join(m.To, stageDir))
	if err != nil {
		return err
	}
	left, err := os.ReadDir(stage)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range left {
		_ = os.Remove(filepath.Join(stage, e.Name())) // left empty by a kill
	}
	_ = os.Remove(stage)
	return nil
}

// reachable checks, before anything is copied, that copies can be renamed into the
// target store's volumes. If a dockerd runs on the store, it must also be the one
// that docker(1) reaches, since it has to make the volumes.
func (m Migration) reachable(ctx context.Context) error {
	to, err := m.host.Path(m.To)
	if err != nil {
		return err
	}
	if volumes, err := m.host.Path(path.Join(m.To, "volumes")); err != nil || !oneFileSystem(to, volumes) {
		return cmp.Or(err, fmt.Errorf("%s/volumes is on another file system than %s: not supported", m.To, m.To))
	}
	running, err := runsOn(m.host, m.To)
	if err != nil || !running {
		return err
	}
	out, err := m.host.Command(ctx, "docker", "info", "--format", "{{.DockerRootDir}}")
	if at := strings.TrimSpace(string(out)); err == nil && at != to && at != m.To {
		err = fmt.Errorf("the one that answers has its data in %s", at)
	}
	if err != nil {
		return fmt.Errorf("a dockerd runs on %s and has to make the volumes: stop it, or see to it that docker(1) reaches it: %w", m.To, err)
	}
	return nil
}

// staged is the directory of a copy that is not in its place yet.
func (m Migration) staged(name string) string { return path.Join(m.To, stageDir, name) }

// stage copies a volume to a directory of the store where dockerd does not see it.
func (m Migration) stage(ctx context.Context, v Volume, progress func(shift.Progress)) error {
	dir, err := m.host.Path(m.staged(v.Name))
	if err != nil {
		return err
	}
	// The modes are those that dockerd uses; it sets the store's mode when it starts.
	for _, d := range []struct {
		path string
		mode fs.FileMode
	}{{filepath.Dir(filepath.Dir(dir)), 0o710}, {filepath.Dir(dir), 0o700}, {dir, 0o701}} {
		if err := os.Mkdir(d.path, d.mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	into := path.Join(m.staged(v.Name), "_data")
	job, err := m.planJob(ctx, v.Source, into)
	if errors.Is(err, shift.ErrDiffers) { // the volume was written to since an earlier run
		if err = os.RemoveAll(filepath.Join(dir, "_data")); err == nil {
			job, err = m.planJob(ctx, v.Source, into)
		}
	}
	if err != nil {
		return err
	}
	_, err = shift.Run(ctx, job, progress)
	return err
}

// place moves a copy into the store. A dockerd that runs there has to make the
// volume: it does not see directories that are put there, and changes their owner
// when a container wants a volume of that name.
func (m Migration) place(ctx context.Context, v Volume) error {
	unlock, running, err := lockStore(m.host, m.To)
	if err != nil {
		return err
	}
	defer unlock()
	if running {
		if _, err := m.host.Command(ctx, "docker", "volume", "create", "--", v.Name); err != nil {
			return err
		}
	}
	dir, err := m.host.Path(m.staged(v.Name))
	if err != nil {
		return err
	}
	data, err := m.host.Path(v.Target)
	if err != nil {
		return err
	}
	volumes := filepath.Dir(filepath.Dir(data))
	if err := os.Mkdir(volumes, 0o701); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(filepath.Dir(data)); errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(dir, filepath.Dir(data))
		return cmp.Or(err, hostfs.SyncDir(volumes))
	}
	// The volume must be without data: rename(2) replaces only an empty directory.
	if err := syscall.Rename(filepath.Join(dir, "_data"), data); err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(dir, "_data"), New: data, Err: err}
	}
	return errors.Join(os.Remove(dir), hostfs.SyncDir(filepath.Dir(data)), hostfs.SyncDir(volumes))
}

// runsOn reports whether a dockerd runs on a store.
func runsOn(h usernskit.Host, store string) (bool, error) {
	unlock, running, err := lockStore(h, store)
	if err == nil {
		unlock()
	}
	return running, err
}

// removeOld removes an old volume if its copy is the same in every byte.
func (m Migration) removeOld(ctx context.Context, v *Volume) error {
	if _, err := m.host.Lstat(v.Source); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	job, err := m.planJob(ctx, v.Source, v.Target)
	if err == nil && len(job.Report.Busy) > 0 {
		err = fmt.Errorf("it is in use by %s", strings.Join(job.Report.Busy, ", "))
	}
	if err == nil {
		err = shift.Compare(ctx, job)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = m.discard(m.From, v.Source, func(data string) error { return unchanged(ctx, data, job.Options.Into, job) })
	}
	if err != nil {
		v.Why = fmt.Sprintf("the old volume stays: %v", err)
		return nil
	}
	v.Why = "the old volume is removed"
	return nil
}

// discard removes a volume of a store on which no dockerd runs. It first moves the
// volume aside. If same then returns an error, the volume was written to in between
// and is kept there. What a kill leaves, the next call removes.
func (m Migration) discard(store, data string, same func(data string) error) error {
	at, err := m.aside(store, data)
	if err != nil {
		return err
	}
	if err := same(filepath.Join(at, "_data")); err != nil {
		return partly(true, fmt.Errorf("it is kept in %s: %w", at, err))
	}
	return partly(true, errors.Join(retire(at), m.removeDiscarded(store)))
}

// removedPrefix begins the names of volumes that are being removed.
const removedPrefix = ".removed-"

// retire adds removedPrefix to the name of a volume that was moved aside.
func retire(at string) error {
	to := filepath.Join(filepath.Dir(at), removedPrefix+filepath.Base(at))
	return errors.Join(os.RemoveAll(to), os.Rename(at, to))
}

// unchanged compares a tree and its copy once more, without reading the contents,
// after one of the two was moved.
func unchanged(ctx context.Context, source, into string, job shift.Job) error {
	job.Options.Into = into
	_, err := shift.Plan(ctx, source, job.From, job.To, job.Options)
	return err
}

// removeDiscarded removes the volumes whose names have removedPrefix.
func (m Migration) removeDiscarded(store string) error {
	dir, err := m.host.Path(path.Join(store, undoneDir))
	if err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), removedPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	_ = os.Remove(dir) // if nothing is kept in it
	return err
}

// aside moves a volume to undoneDir, under a free name, and returns its path on this
// machine. It fails if a dockerd runs on the store.
func (m Migration) aside(store, data string) (string, error) {
	unlock, running, err := lockStore(m.host, store)
	if err != nil {
		return "", err
	}
	defer unlock()
	if running {
		return "", fmt.Errorf("a dockerd runs on %s: stop it, or let it use another store", store)
	}
	volume, err := m.host.Path(path.Dir(data))
	if err != nil {
		return "", err
	}
	at := filepath.Join(filepath.Dir(filepath.Dir(volume)), undoneDir)
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	to := filepath.Join(at, filepath.Base(volume))
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		to = filepath.Join(at, fmt.Sprintf("%s-%d", filepath.Base(volume), n))
	}
	if err := os.Rename(volume, to); err != nil {
		return "", err
	}
	return to, errors.Join(hostfs.SyncDir(filepath.Dir(volume)), hostfs.SyncDir(at))
}
