package shift

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// beneath opens an entry of a directory, unless it is a mount point.
func beneath(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err != unix.EINTR && err != unix.EAGAIN { // a rename went on in between
			return fd, err
		}
	}
}

// openRoot opens the directory of a job, which must still be the same one.
func (j Job) openRoot() (int, unix.Statx_t, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, j.Dir, &how)
	if errors.Is(err, unix.ENOSYS) {
		return -1, unix.Statx_t{}, ErrNotSupported
	}
	if err != nil {
		return -1, unix.Statx_t{}, &os.PathError{Op: "open", Path: j.Dir, Err: err}
	}
	st, err := stat(fd)
	if err == nil && (j.Inode != 0 && j.Inode != st.Ino || j.born != 0 && j.born != inodeOf(st).Born) {
		err = fmt.Errorf("%w: %s is another directory than the one that was planned for", ErrRefused, j.Dir)
	}
	if err != nil {
		unix.Close(fd)
		return -1, unix.Statx_t{}, err
	}
	return fd, st, nil
}

func stat(fd int) (unix.Statx_t, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return st, err
}

// look counts what is in the tree. If files is not 0, it stops after that many.
func (j Job) look(ctx context.Context, files int) (Job, error) {
	root, st, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	j.Inode, j.born = st.Ino, inodeOf(st).Born
	w := newWalk(j, toCount)
	w.limit = files
	j.Report, err = w.all(ctx, root)
	j.Report.Mixed = !j.Report.Idle() && j.Report.taken > 0
	return j, err
}

// rounds bounds how often the tree is walked if files are being added.
const rounds = 3

// move moves the owners. An error of a job that was begun matches ErrUnfinished.
func (j Job) move(ctx context.Context, tell func(Progress)) (Job, error) {
	root, _, err := j.openRoot()
	if err != nil {
		return j, err
	}
	defer unix.Close(root)
	locked, unlock, err := lock(root, j.Dir)
	if err != nil {
		return j, err
	}
	defer unlock()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(root, &fs); err == nil && fs.Flags&unix.ST_RDONLY != 0 {
		return j, &os.PathError{Op: "move owners in", Path: j.Dir, Err: unix.EROFS}
	}
	if j, err = j.after(); err != nil {
		return j, err
	}
	begun := j.State == StateRunning
	list, err := j.openRecords()
	if err != nil {
		return j, j.early(err)
	}
	defer list.Close()
	if !begun {
		err = errors.Join(list.Truncate(0), list.Sync())
	}
	next := j
	next.State = StateRunning
	if err == nil {
		err = next.save()
	}
	if err != nil {
		return j, j.early(err)
	}
	if j, err = next.walk(ctx, root, begun, list, tell); err != nil {
		return j, j.early(err)
	}
	if err := unix.Syncfs(locked); err != nil {
		return j, j.early(&os.PathError{Op: "syncfs", Path: j.Dir, Err: err})
	}
	next = j
	next.State, next.Ended = StateDone, time.Now()
	if err := next.save(); err != nil {
		return j, j.early(err)
	}
	return next, nil
}

// early is the error of a job that ends early. It matches ErrUnfinished if the job
// was begun, by this run or an earlier one.
func (j Job) early(err error) error {
	if j.State == StateRunning {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return err
}

// walk moves owners until a look at the whole tree finds none left to move. Files
// that a kill may have left half done come first.
func (j Job) walk(ctx context.Context, root int, begun bool, list *os.File, tell func(Progress)) (Job, error) {
	w := newWalk(j, toMove)
	w.lift, w.records, w.total, w.tell = slices.Contains(j.Options.Accept, RiskImmutable), list, j.Report.Files, tell
	if begun {
		p := &worker{walk: w, buf: make([]byte, 64<<10)} // repair reads no directory
		w.renamed = map[inode]record{}
		if err := j.eachRecord(func(rec record) error {
			found, err := p.repair(root, rec)
			if !found {
				w.renamed[rec.inode] = rec
			}
			return err
		}); err != nil {
			return j, err
		}
	}
	for range rounds {
		seen, err := w.all(ctx, root)
		if err != nil {
			return j, err
		}
		j.Report.Files = max(j.Report.Files, seen.Files)
		j.Report.New, j.Report.Vanished = seen.New, seen.Vanished
		if tell != nil {
			tell(Progress{seen.Files, j.Report.Files})
		}
		if settled, err := j.settled(ctx, w, root); err != nil || settled {
			return j, err
		}
	}
	if j.Report.Todo == 0 {
		return j, fmt.Errorf("%w: directories in %s changed until the end", ErrMissed, j.Dir)
	}
	return j, fmt.Errorf("%w: %d are left in %s", ErrMissed, j.Report.Todo, j.Dir)
}

// settled looks at every owner once more: a file may have been added, or given back
// to its old owner, behind the walk. The look counts only if no directory was
// changed since the walk or look before it: a rename may hide a file from both.
// Before Linux 6.13, the times of two changes differ only if they are 4 ms apart.
func (j *Job) settled(ctx context.Context, before *walk, root int) (bool, error) {
	for range rounds {
		look := newWalk(*j, toOwners)
		look.seed = before.seed
		left, err := look.all(ctx, root)
		if err != nil {
			return false, err
		}
		j.Report.Todo, j.Report.Done, j.Report.Outside = left.Todo, left.Done, left.Outside
		if left.Todo > 0 {
			return false, nil
		}
		if look.sum.Load() == before.sum.Load() {
			j.Report.ACLs, j.Report.Capabilities, j.Report.Mixed = 0, 0, false
			return true, nil
		}
		before = look
	}
	return false, nil
}

// lock keeps other jobs, also those with another journal, off a directory, what is in
// it and the directories above it, until unlock is called. dir is the directory, open
// for reading.
func lock(root int, name string) (dir int, unlock func(), err error) {
	dir, err = unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	held := []int{dir}
	unlock = func() {
		for _, fd := range held {
			unix.Close(fd)
		}
	}
	err = unix.Flock(dir, unix.LOCK_EX|unix.LOCK_NB)
	for above := name; err == nil && above != "/"; {
		above = filepath.Dir(above)
		fd, failed := unix.Open(above, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if failed == nil { // a directory that the user may not read cannot be locked
			held = append(held, fd)
			err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
		}
	}
	if err == nil {
		return dir, unlock, nil
	}
	unlock()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return -1, nil, fmt.Errorf("%w: %s", ErrRunning, name)
	}
	return -1, nil, &os.PathError{Op: "lock", Path: name, Err: err}
}
