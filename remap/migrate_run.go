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
	"github.com/usernskit/usernskit/shift"
)

// stageDir is where copies are until all are whole, in the store that they are
// for: dockerd takes each directory in volumes for a volume.
const stageDir = "usernskit-migrate"

// undoneDir has the volumes that were taken back although they were written to.
const undoneDir = "usernskit-undone"

// Run copies the volumes that are to be copied, and returns them as they are then.
// A run that was killed is begun again by a new plan, and takes the volumes that
// were whole. The receipt is of the list of what was copied: [Undo] takes the
// volumes back with it.
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

// sweep removes the directory of the copies, where it is empty.
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
		_ = os.Remove(filepath.Join(stage, e.Name())) // after a kill
	}
	_ = os.Remove(stage)
	return nil
}

// reachable looks, before anything is copied, whether copies can be moved to the
// target store, and a dockerd that runs on it can be asked to make volumes there.
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

// staged is the directory of a volume that is not in its place yet.
func (m Migration) staged(name string) string { return path.Join(m.To, stageDir, name) }

// stage copies a volume to a directory of the store where dockerd does not see it.
func (m Migration) stage(ctx context.Context, v Volume, progress func(shift.Progress)) error {
	dir, err := m.host.Path(m.staged(v.Name))
	if err != nil {
		return err
	}
	// The modes are those that dockerd makes; it sets that of the store when it starts.
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
// volume: it does not see directories that are put there, and takes the owner
// from them when a container wants a volume of that name.
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
		return errors.Join(err, syncDirs(volumes))
	}
	// A volume without data: rename(2) replaces an empty directory and no other.
	if err := syscall.Rename(filepath.Join(dir, "_data"), data); err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(dir, "_data"), New: data, Err: err}
	}
	return errors.Join(os.Remove(dir), syncDirs(filepath.Dir(data), volumes))
}

// runsOn reports whether a dockerd runs on a store.
func runsOn(h usernskit.Host, store string) (bool, error) {
	unlock, running, err := lockStore(h, store)
	if err == nil {
		unlock()
	}
	return running, err
}

func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
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

// discard removes a volume of a store on which no dockerd runs. It leaves its name
// first, and is kept where same then says that it was written to in between. What
// a kill leaves is removed by the next.
func (m Migration) discard(store, data string, same func(data string) error) error {
	at, err := m.aside(store, data)
	if err != nil {
		return err
	}
	if err := same(filepath.Join(at, "_data")); err != nil {
		return fmt.Errorf("it is kept in %s: %w", at, err)
	}
	return errors.Join(retire(at), m.removeDiscarded(store))
}

// removedPrefix begins the names of what is being removed.
const removedPrefix = ".removed-"

// retire gives a volume that is out of its place such a name.
func retire(at string) error {
	to := filepath.Join(filepath.Dir(at), removedPrefix+filepath.Base(at))
	return errors.Join(os.RemoveAll(to), os.Rename(at, to))
}

// unchanged compares once more, without reading the contents, a tree and its
// copy, where one of the two was moved.
func unchanged(ctx context.Context, source, into string, job shift.Job) error {
	job.Options.Into = into
	_, err := shift.Plan(ctx, source, job.From, job.To, job.Options)
	return err
}

// removeDiscarded removes what has such a name.
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
	_ = os.Remove(dir) // where nothing else is kept
	return err
}

// aside moves a volume out of a store on which no dockerd may run, to undoneDir,
// under a name that nothing has.
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
	return to, syncDirs(filepath.Dir(volume), at)
}
