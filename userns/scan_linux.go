package userns

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// A scan is one run over /proc. But for cov, nothing of it changes once the
// first process is read.
type scan struct {
	opt  Options
	cov  Coverage
	list *os.File // /proc, for the names in it
	root procDir  // the same, for what is below
	home uint64   // our own user namespace
	link string   // the same, as the link reads: "user:[4026531837]"
	mnts []string // the mount namespaces of the host itself

	readers    []*reader
	spacesEach int // how many user namespaces a reader keeps open
}

const (
	// maxReaders and maxSpaces bound what a scan holds open and in memory: how
	// many read at a time, and how many user namespaces are kept open, two files
	// each. Those of further namespaces are read again for each process.
	maxReaders = 8
	maxSpaces  = 256
	// filesEach is how many open files a reader is sure to have to itself.
	filesEach = 16
)

// errHost and errForeign say why a process is not yielded.
var (
	errHost    = errors.New("belongs to the host itself")
	errForeign = errors.New("outside the reader's user namespace")
)

func (f FS) processes(ctx context.Context, opt Options) iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) {
		s, err := f.newScan(opt)
		if err != nil {
			yield(Process{}, err)
			return
		}
		defer s.close()
		s.cov.Cut = true
		stopped, err := visit(ctx, s, (*reader).process, func(pid int, p Process, err error) bool {
			s.cov.Seen++
			p.PID = pid
			return !s.count(err) || yield(p, err)
		})
		switch {
		case stopped:
		case err != nil:
			yield(Process{}, err)
		default:
			s.cov.Cut = false
		}
	}
}

func (f FS) newScan(opt Options) (*scan, error) {
	view, err := f.view()
	if err != nil && !isGone(err) { // a tree without "self" is read, and is a gap
		return nil, err
	}
	s, err := f.openScan()
	if err != nil {
		return nil, err
	}
	s.opt, s.cov.View = opt, view
	if s.home = view.UserNS; s.home == 0 {
		s.home = InitialUserNS
	}
	s.link = fmt.Sprintf("user:[%d]", s.home)
	if !opt.All && !opt.NamespacedOnly {
		s.addHost("1")
		s.addHost("self")
	}
	return s, nil
}

func (f FS) openScan() (*scan, error) {
	list, err := os.Open(f.root())
	if err != nil {
		return nil, err
	}
	s := &scan{list: list, root: procDir{fd: int(list.Fd()), name: list.Name()}}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		files.Cur = 1024
	}
	limit := int(min(files.Cur, 1<<20))
	for range max(1, min(runtime.GOMAXPROCS(0), maxReaders, limit/filesEach)) {
		s.readers = append(s.readers, &reader{scan: s, spaces: map[uint64]*space{}, buf: make([]byte, 8192)})
	}
	s.spacesEach = min(maxSpaces, limit/filesEach*2) / len(s.readers)
	return s, nil
}

// addHost learns from a process that belongs to the host: init, or ourselves
// if no container holds us.
func (s *scan) addHost(name string) {
	dir, err := s.root.dir(name)
	if err != nil {
		return
	}
	defer dir.close()
	cgroup, err := dir.read("cgroup", nil)
	if err != nil || ParseCgroup(cgroup).ContainerID != "" {
		return
	}
	if link, err := dir.readlink("ns/mnt", make([]byte, 64)); err == nil && !slices.Contains(s.mnts, string(link)) {
		s.mnts = append(s.mnts, string(link))
	}
}

func (s *scan) close() {
	for _, r := range s.readers {
		for _, sp := range r.spaces {
			sp.close()
		}
	}
	s.list.Close()
	if s.opt.Coverage != nil {
		*s.opt.Coverage = s.cov
	}
}

// count books what came of a process and reports whether to yield it.
func (s *scan) count(err error) bool {
	switch {
	case err == nil:
		s.cov.Yielded++
	case err == errHost:
		s.cov.Host++
		return false
	case isGone(err):
		s.cov.Vanished++
		return false
	case isDenied(err):
		s.cov.Denied++
		return false
	case err == errForeign:
		s.cov.Foreign++
		return false
	default:
		s.cov.Failed++
	}
	return true
}
