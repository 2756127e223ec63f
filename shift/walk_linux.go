package shift

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A purpose is what a walk is for.
type purpose int

const (
	toCount purpose = iota // fill the whole report, change nothing
	toMove
	toOwners // count only by owner, change nothing
)

// A walk goes through a tree by descriptors. It changes only inodes that it has
// open, and uses names only where it changes nothing. Changes by name would save a
// third of the time. But if another file got the name in between, that file would
// get a wrong owner and lose its capabilities; and something may be mounted over
// the name.
type walk struct {
	translation
	ctx     context.Context
	purpose purpose
	lift    bool  // clear the immutable and append-only attributes
	ended   int64 // when the job that this one takes back ended, in Unix seconds; or 0
	records *os.File
	// renamed are the records of files that a resumed job did not find at their path.
	renamed map[inode]record
	total   int
	limit   int // of files; 0 for none
	tell    func(Progress)
	telling sync.Mutex

	files  atomic.Int64
	offers chan batch     // for an idle worker
	undone sync.WaitGroup // the batches that were given away, and the root
	// one is held while a special file, or a file with several names, is examined and
	// changed: another worker must not see it half changed.
	one  sync.Mutex
	fds  int // /proc/self/fd
	seed maphash.Seed
	sum  atomic.Uint64 // over the inode and ctime of each directory, in any order
}

const (
	// workers is how many directories are read at a time.
	workers = 2
	// direntBytes is the size of the buffer for a batch. A batch of offerBytes or
	// more is offered to another worker.
	direntBytes = 32 << 10
	offerBytes  = 1 << 10
	// maxSpare is how many used buffers a worker keeps.
	maxSpare = 2
	// tellEvery is how many files there are between two reports of progress.
	tellEvery = 1024
)

// A worker does a part of a walk.
type worker struct {
	*walk
	report  Report
	pending []special
	buf     []byte // XATTR_SIZE_MAX bytes, so that any attribute fits
	spare   [][]byte
}

// A dir is an open directory, shared by all of its batches.
type dir struct {
	fd     int
	parent *dir
	name   string
	users  atomic.Int32
}

// A batch is a part of a directory's entries, as getdents64(2) returns them.
type batch struct {
	dir     *dir
	entries []byte
}

// A changed is what the sum of a walk has of one directory: its inode and ctime.
type changed struct {
	inode uint64
	sec   int64
	nsec  uint32
}

func (d *dir) release() {
	if d.users.Add(-1) == 0 {
		unix.Close(d.fd)
	}
}

// path returns the path of an entry of the directory, relative to the root.
func (d *dir) path(name string) string {
	for ; d != nil; d = d.parent {
		name = filepath.Join(d.name, name)
	}
	return name
}

// failed names the entry in an error; nil stays nil.
func (d *dir) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	path := d.path(name)
	if path == "" {
		path = "."
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

func newWalk(j Job, p purpose) *walk {
	w := &walk{translation: translation{j.From, j.To}, purpose: p, seed: maphash.MakeSeed()}
	if !j.Ended.IsZero() {
		w.ended = j.Ended.Unix()
	}
	return w
}

// all walks the root and all below it.
func (w *walk) all(ctx context.Context, root int) (report Report, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := w.openFDs(); err != nil {
		return report, err
	}
	defer unix.Close(w.fds)
	w.ctx, w.offers = ctx, make(chan batch)
	w.files.Store(0)
	w.sum.Store(0)
	w.undone.Add(1)
	go func() {
		w.undone.Wait()
		close(w.offers)
	}()
	var list [workers]worker
	var ended sync.WaitGroup
	for i := range list {
		p := &list[i]
		p.walk, p.buf = w, make([]byte, 64<<10)
		ended.Go(func() {
			if i == 0 {
				if err := p.inode(nil, "", root); err != nil {
					cancel(err)
				}
				w.undone.Done()
			}
			for b := range w.offers {
				if err := p.entries(b.dir, b.entries); err != nil {
					cancel(err)
				}
				b.dir.release()
				w.undone.Done()
			}
			if err := p.flush(); err != nil {
				cancel(err)
			}
		})
	}
	ended.Wait()
	for _, p := range list {
		report.add(p.report)
	}
	return report, context.Cause(ctx)
}

// openFDs opens the directory of this process's descriptors, for [procPath].
func (w *walk) openFDs() (err error) {
	w.fds, err = unix.Open(procFDs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: procFDs, Err: err}
	}
	return nil
}

func (r *Report) add(o Report) {
	r.Files, r.Todo, r.Done, r.Outside = r.Files+o.Files, r.Todo+o.Todo, r.Done+o.Done, r.Outside+o.Outside
	r.Special, r.ACLs, r.Capabilities, r.Immutable = r.Special+o.Special, r.ACLs+o.ACLs, r.Capabilities+o.Capabilities, r.Immutable+o.Immutable
	r.HardLinks, r.Bytes, r.taken = r.HardLinks+o.HardLinks, r.Bytes+o.Bytes, r.taken+o.taken
	r.Sparse, r.Mounts, r.Vanished, r.New = r.Sparse+o.Sparse, r.Mounts+o.Mounts, r.Vanished+o.Vanished, r.New+o.New
}

// read handles the entries of a directory, or gives batches of them to an idle
// worker.
func (p *worker) read(d *dir) error {
	defer d.release()
	for {
		var buf []byte
		if n := len(p.spare); n > 0 {
			buf, p.spare = p.spare[n-1], p.spare[:n-1]
		} else {
			buf = make([]byte, direntBytes)
		}
		n, err := unix.Getdents(d.fd, buf)
		if err != nil {
			return d.failed("read", "", err)
		}
		if n == 0 {
			p.spare = append(p.spare, buf)
			return nil
		}
		if n >= offerBytes {
			d.users.Add(1)
			p.undone.Add(1)
			select {
			case p.offers <- batch{d, buf[:n]}:
				continue
			default:
				d.users.Add(-1)
				p.undone.Done()
			}
		}
		if err := p.entries(d, buf[:n]); err != nil {
			return err
		}
	}
}

// entries handles a batch: first its files, then its directories.
func (p *worker) entries(d *dir, list []byte) error {
	whole := list[:cap(list)]
	var below []string
	n := 0
	for len(list) > 0 {
		// struct linux_dirent64: inode (8 bytes), position (8), length (2), type (1),
		// and the name up to a zero byte.
		length, kind := binary.NativeEndian.Uint16(list[16:]), list[18]
		entry := list[:length]
		list = list[length:]
		name := unix.ByteSliceToString(entry[19:])
		if name == "." || name == ".." {
			continue
		}
		if n++; n%64 == 0 && p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		isDir := kind == unix.DT_DIR
		if !isDir {
			var err error
			if isDir, err = p.file(d, name); err != nil {
				return err
			}
		}
		if isDir {
			below = append(below, name)
		}
	}
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, whole)
	}
	all := int(p.files.Add(int64(n)))
	if p.limit > 0 && all >= p.limit {
		return errEnough
	}
	if p.tell != nil && all/tellEvery != (all-n)/tellEvery {
		p.telling.Lock()
		p.tell(Progress{all, p.total})
		p.telling.Unlock()
	}
	for _, name := range below {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		if err := p.open(d, name); err != nil {
			return err
		}
	}
	return nil
}

// file handles an entry. If isDir is true, the entry is a directory and is not done
// yet.
func (p *worker) file(d *dir, name string) (isDir bool, err error) {
	if p.purpose == toMove {
		return false, p.open(d, name)
	}
	var st unix.Statx_t
	err = unix.Statx(d.fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		p.report.Vanished++
		return false, nil
	case err != nil:
		return false, d.failed("stat", name, err)
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		p.report.Mounts++
		return false, nil
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return true, nil
	}
	return false, p.owner(d, name, -1, st)
}

// open opens an entry and handles it.
func (p *worker) open(d *dir, name string) error {
	fd, err := beneath(d.fd, name, unix.O_PATH)
	switch {
	case err == nil:
		defer unix.Close(fd)
		return p.inode(d, name, fd)
	case errors.Is(err, unix.EXDEV):
		p.report.Mounts++
		return nil
	case errors.Is(err, unix.ENOENT):
		p.report.Vanished++
		return nil
	}
	return d.failed("open", name, err)
}

// inode handles an inode that is open with O_PATH, and all below it.
func (p *worker) inode(parent *dir, name string, fd int) error {
	st, err := stat(fd)
	if err != nil {
		return parent.failed("stat", name, err)
	}
	if err := p.owner(parent, name, fd, st); err != nil {
		return err
	}
	if len(p.pending) >= atOnce {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	list, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		list, err = unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return parent.failed("open", name, err)
	}
	if p.purpose == toMove { // the change of its owner has set its ctime
		if st, err = stat(list); err != nil {
			unix.Close(list)
			return parent.failed("stat", name, err)
		}
	}
	p.sum.Add(maphash.Comparable(p.seed, changed{st.Ino, st.Ctime.Sec, st.Ctime.Nsec}))
	d := &dir{fd: list, parent: parent, name: name}
	d.users.Store(1)
	return p.read(d)
}
