package userns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A scan is one run over /proc.
type scan struct {
	opt  Options
	cov  Coverage
	list *os.File // /proc, for the names in it
	root procDir  // the same, for what is below
	home uint64   // our own user namespace
	link string   // the same, as the link reads: "user:[4026531837]"
	own  *Mapping // what it looks like from inside; nil: not read yet
	mnts []string // the mount namespaces of the host itself

	spaces map[uint64]*space
	buf    []byte
}

// maxSpaces is how many user namespaces a scan keeps open, two files each.
// Those of further namespaces are read again for each process, so that neither
// memory nor open files grow with the machine.
const maxSpaces = 256

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
		stopped, err := s.visit(ctx, func(pid int, name string) bool {
			s.cov.Seen++
			p, err := s.process(name)
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

// visit calls do with every process in /proc, a few at a time, until it returns
// false or reading fails.
func (s *scan) visit(ctx context.Context, do func(pid int, name string) bool) (stopped bool, err error) {
	for {
		names, rerr := s.list.Readdirnames(256)
		for _, name := range names {
			if name[0] < '1' || name[0] > '9' {
				continue
			}
			pid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if !do(pid, name) {
				return true, nil
			}
		}
		if rerr == io.EOF {
			return false, nil
		}
		if rerr != nil {
			return false, rerr
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
	root := procDir{fd: int(list.Fd()), name: list.Name()}
	return &scan{list: list, root: root, spaces: map[uint64]*space{}, buf: make([]byte, 8192)}, nil
}

// addHost learns from a process that belongs to the host: init, or ourselves
// if no container holds us.
func (s *scan) addHost(name string) {
	dir, err := s.root.dir(name)
	if err != nil {
		return
	}
	defer dir.close()
	cgroup, err := dir.read("cgroup", s.buf)
	if err != nil || ParseCgroup(cgroup).ContainerID != "" {
		return
	}
	if link, err := s.readlink(dir, "ns/mnt"); err == nil && !slices.Contains(s.mnts, string(link)) {
		s.mnts = append(s.mnts, string(link))
	}
}

// isOwn reports whether m is the mapping of our own user namespace. Only a
// reader who is not shown the links has to ask.
func (s *scan) isOwn(m Mapping) bool {
	if s.own == nil {
		all := mapOf(Extent{Count: 1<<32 - 1}, nil)
		s.own = &Mapping{UID: all, GID: all} // that of the initial one
		if self, err := s.root.dir("self"); err == nil {
			if own, err := self.mapping(); err == nil && !own.IsZero() {
				s.own = &own
			}
			self.close()
		}
	}
	return s.own.Equal(m)
}

func (s *scan) close() {
	for _, sp := range s.spaces {
		sp.close()
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

// process reads one process, or says with an error why it is not yielded.
func (s *scan) process(name string) (Process, error) {
	if s.isHost(name) {
		return Process{}, errHost
	}
	dir, err := s.root.dir(name)
	if err != nil {
		return Process{}, err
	}
	defer dir.close()
	return s.read(dir)
}

// isHost is the gate that nearly every process is turned away at, by one or two
// readlinks. The PID could change hands between them; but whoever is let in is
// read again, and whoever is kept out for an answer of its predecessor has
// only just started, as if the scan had come by a moment earlier.
//
// A container has a mount namespace of its own even where it shares the host's
// user namespace. It is only a hint: services of the host have one too.
func (s *scan) isHost(name string) bool {
	if s.opt.All {
		return false
	}
	if link, err := s.readlink(s.root, name+"/ns/user"); err != nil || string(link) != s.link {
		return false
	}
	if s.opt.NamespacedOnly {
		return true
	}
	link, err := s.readlink(s.root, name+"/ns/mnt")
	return err == nil && slices.ContainsFunc(s.mnts, func(mnt string) bool { return mnt == string(link) })
}

// readlink returns what a link says, until buf is used again.
func (s *scan) readlink(dir procDir, name string) ([]byte, error) {
	n, err := unix.Readlinkat(dir.fd, name, s.buf)
	return s.buf[:max(n, 0)], err
}
