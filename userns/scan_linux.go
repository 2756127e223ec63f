package userns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
)

// A scan is one run over /proc.
type scan struct {
	opt  Options
	cov  Coverage
	list *os.File // /proc, for the names in it
	root procDir  // the same, for files below it
	home uint64   // our own user namespace
	link string   // the same, as the link reads: "user:[4026531837]"
	host []string // the mount and PID namespaces of the host itself, as links read

	own       *Mapping          // of our own user namespace, from inside; nil: not read yet
	spaces    map[uint64]*space // kept open, by the inode of the namespace
	maxSpaces int
	buf       []byte
	noLink    bool // the last process does not show its namespace

	inside map[string][]insider // by mount or PID namespace, as the link reads
	later  []string             // processes to read when inside is complete
	last   bool                 // inside is complete
}

// An insider is a process that its control group puts into a container.
type insider struct {
	pid       string
	container Container
}

const (
	// atOnce is how many names are taken from /proc at a time.
	atOnce = 256
	// maxSpaces is how many user namespaces a scan keeps open, two files each.
	// The maps of further ones are read again for each process.
	maxSpaces = 256
	// maxInsiders is how many processes are kept for a namespace.
	maxInsiders = 8
)

// errHost and errForeign: a process is not yielded; errLater: not yet.
var (
	errHost    = errors.New("belongs to the host itself")
	errForeign = errors.New("outside the reader's user namespace")
	errLater   = errors.New("may be in the namespaces of a container that was not read yet")
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
		do := func(name string) bool {
			p, err := s.process(name)
			if errors.Is(err, errLater) {
				s.later = append(s.later, name)
				return true
			}
			p.PID, _ = strconv.Atoi(name)
			return !s.count(err) || yield(p, err)
		}
		stopped, err := s.each(ctx, do)
		s.last = true
		for _, name := range s.later {
			if stopped || err != nil {
				break
			}
			if err = ctx.Err(); err == nil {
				stopped = !do(name)
			}
		}
		switch {
		case stopped:
		case err != nil:
			yield(Process{}, err)
		default:
			s.cov.Cut = false
		}
	}
}

// each calls do with every PID in /proc until that returns false.
func (s *scan) each(ctx context.Context, do func(name string) bool) (stopped bool, err error) {
	for {
		names, end := s.list.Readdirnames(atOnce)
		for _, name := range names {
			if _, err := strconv.ParseUint(name, 10, 31); err != nil {
				continue
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if !do(name) {
				return true, nil
			}
		}
		if end == io.EOF {
			return false, nil
		}
		if end != nil {
			return false, end
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
	s.addHost("1")
	s.addHost("self")
	s.addHost("2") // init may hide its namespaces; kthreadd, a kernel thread, has the host's
	return s, nil
}

func (f FS) openScan() (*scan, error) {
	list, err := os.Open(f.root())
	if err != nil {
		return nil, err
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		files.Cur = 1024
	}
	return &scan{list: list, root: procDir{fd: int(list.Fd()), name: list.Name()}, spaces: map[uint64]*space{},
		maxSpaces: int(min(files.Cur/8, maxSpaces)), buf: make([]byte, 8192), inside: map[string][]insider{}}, nil
}

// addHost records the namespaces of a process that belongs to the host: init,
// ourselves unless we are in a container, or process 2 if it is a kernel thread.
func (s *scan) addHost(name string) {
	dir, err := s.root.dir(name)
	if err != nil {
		return
	}
	defer dir.close()
	cgroup, err := dir.read("cgroup", nil)
	if err != nil || ParseCgroup(cgroup).ContainerID != "" || name == "2" && !dir.isKernelThread() {
		return
	}
	for _, kind := range []string{"mnt", "pid"} {
		link, err := dir.readlink("ns/"+kind, make([]byte, 64))
		if err == nil && !slices.Contains(s.host, string(link)) {
			s.host = append(s.host, string(link))
		}
	}
}

// isKernelThread looks at the flags in proc_pid_stat(5). In another PID namespace
// than the first, any process may have the number of a kernel thread.
func (d procDir) isKernelThread() bool {
	const (
		flags   = 6       // the index after the name and its parenthesis
		kthread = 1 << 21 // PF_KTHREAD
	)
	data, err := d.read("stat", nil)
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if err != nil || len(fields) <= flags {
		return false
	}
	n, err := strconv.ParseUint(string(fields[flags]), 10, 32)
	return err == nil && n&kthread != 0
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

// count records the outcome for a process and reports whether to yield it.
func (s *scan) count(err error) bool {
	s.cov.Seen++
	if s.noLink {
		s.cov.NoLink++
	}
	switch {
	case err == nil:
		s.cov.Yielded++
	case errors.Is(err, errHost):
		s.cov.Host++
		return false
	case isGone(err):
		s.cov.Vanished++
		return false
	case isDenied(err):
		s.cov.Denied++
		return false
	case errors.Is(err, errForeign):
		s.cov.Foreign++
		return false
	default:
		s.cov.Failed++
	}
	return true
}

// process reads one process; the error is why it is not yielded.
func (s *scan) process(name string) (Process, error) {
	s.noLink = false
	if s.isHost(name) {
		return Process{}, errHost
	}
	dir, err := s.root.dir(name)
	if err != nil {
		return Process{}, err
	}
	defer dir.close()
	p, err := s.read(dir)
	if name == "1" {
		s.noLink = false // the host's own init, whose namespaces are the host's
	}
	return p, err
}

// isHost excludes most processes with one to three readlinks. The PID could be
// reused between them: a process that passes is read again, and one that is
// excluded because of its predecessor has only just started.
//
// A container has a mount namespace of its own even where it shares the host's
// user namespace, and a process that entered one has the container's.
func (s *scan) isHost(name string) bool {
	if s.opt.All {
		return false
	}
	if link, err := s.root.readlink(name+"/ns/user", s.buf); err != nil || string(link) != s.link {
		return false
	}
	return s.opt.NamespacedOnly || s.ofHost(name+"/ns/mnt") && s.ofHost(name+"/ns/pid")
}

func (s *scan) ofHost(link string) bool {
	ns, err := s.root.readlink(link, s.buf)
	return err == nil && slices.ContainsFunc(s.host, func(host string) bool { return host == string(ns) })
}

// moves bounds how often a process is read again because it went to another
// user namespace. It can do so 32 times, the nesting limit
// (user_namespaces(7)).
const moves = 34

// read reads a process through its directory; the error is why it is not
// yielded. The data is consistent, because the process is in the same user
// namespace before and after, as its link shows, or else its maps, which
// everyone may read.
func (s *scan) read(dir procDir) (Process, error) {
	for range moves {
		ns, hidden := dir.namespace("user")
		if hidden != nil && !isDenied(hidden) && (!isGone(hidden) || !dir.alive()) {
			return Process{}, hidden
		}
		p, from, err := s.readIn(dir, ns)
		after, gone := dir.namespace("user")
		stays := gone == nil && after == ns
		switch {
		case stays && err == nil:
			s.keep(ns, from)
		case hidden != nil:
			// A process that is ending may refuse for a moment, even to root.
			stays, gone = isDenied(gone) || !isDenied(hidden), nil
			s.noLink = stays && isDenied(hidden) // a missing link hides nothing
			if stays && err == nil {
				var m Mapping
				m, err = dir.mapping()
				stays = err != nil || m.Equal(p.Mapping)
			}
		}
		from.release()
		if stays {
			return p, err
		}
		if gone != nil {
			return Process{}, gone
		}
	}
	return Process{}, fmt.Errorf("%s: changed its user namespace %d times", dir.name, moves)
}

// readIn reads a process that seems to be in the user namespace ns, which is 0
// if it is not shown. The space is that of its mapping, or nil.
func (s *scan) readIn(dir procDir, ns uint64) (Process, *space, error) {
	p := Process{UserNS: ns}
	if err := s.readContainer(dir, &p.Container); err != nil {
		return Process{}, nil, err
	}
	if err := s.place(dir, &p); err != nil {
		return Process{}, nil, err
	}
	if ns == s.home && s.leaveOut(p) {
		return Process{}, nil, errHost
	}
	from := s.spaces[ns]
	if from == nil {
		var err error
		if from, err = dir.openSpace(); err != nil {
			return Process{}, nil, err
		}
	}
	if err := s.readIDs(dir, from, &p); err != nil {
		return Process{}, from, err
	}
	if ns == 0 && s.leaveOut(p) && s.isOwn(p.Mapping) {
		return Process{}, from, errHost
	}
	return p, from, nil
}

// place records the mount and PID namespaces of a container's process. For a
// process outside containers it checks whether it entered one, which is known
// only after all containers.
func (s *scan) place(dir procDir, p *Process) error {
	for _, kind := range []string{"mnt", "pid"} {
		link, err := dir.readlink("ns/"+kind, s.buf)
		ns := string(link)
		switch {
		case isGone(err): // a zombie has left its namespaces
		case err != nil || !strings.HasPrefix(ns, kind+":["):
			s.noLink = true
		case slices.Contains(s.host, ns):
		case !s.knowsHost(kind):
			s.noLink = s.noLink || p.ContainerID == ""
		case p.ContainerID != "":
			if p.Cgroup != "" && len(s.inside[ns]) < maxInsiders {
				pid := path.Base(dir.name)
				s.inside[ns] = append(s.inside[ns], insider{pid, p.Container})
			}
		case !s.last:
			return errLater
		default:
			p.Container = s.owner("ns/"+kind, ns)
		}
	}
	return nil
}

// knowsHost reports whether the host's namespace of a kind is known. If not, it
// could be taken for a container's.
func (s *scan) knowsHost(kind string) bool {
	return slices.ContainsFunc(s.host, func(ns string) bool { return strings.HasPrefix(ns, kind+":") })
}

// owner returns the container that a namespace belongs to. A new process is in
// the container's control group before it leaves the runtime's namespaces, so
// an insider counts only if it is still in this namespace.
func (s *scan) owner(kind, ns string) Container {
	for _, in := range s.inside[ns] {
		link, err := s.root.readlink(in.pid+"/"+kind, s.buf)
		if err == nil && string(link) == ns {
			return Container{ContainerID: in.container.ContainerID, Runtime: in.container.Runtime}
		}
	}
	return Container{}
}

// leaveOut reports whether to skip a process of our own user namespace.
func (s *scan) leaveOut(p Process) bool {
	return !s.opt.All && (p.ContainerID == "" || s.opt.NamespacedOnly)
}

func (s *scan) readContainer(dir procDir, c *Container) error {
	data, err := dir.read("cgroup", s.buf)
	if err == nil {
		*c = ParseCgroup(data)
	}
	return err
}

// readIDs reads the mapping and then status, which fails if the process has
// ended in between.
func (s *scan) readIDs(dir procDir, from *space, p *Process) error {
	var err error
	if p.Mapping, err = from.read(s.buf); errors.Is(err, ErrUnmapped) {
		return errForeign
	} else if err != nil {
		return err
	}
	if err := s.readStatus(dir, "status", p); err != nil {
		return err
	}
	if s.opt.Deep {
		return s.readThreads(dir, p)
	}
	return nil
}

func (s *scan) readStatus(dir procDir, name string, p *Process) error {
	data, err := dir.read(name, s.buf)
	if err != nil {
		return err
	}
	if err := parseStatus(data, p); err != nil {
		return &usernskit.FileError{File: dir.name + "/" + name, Err: err}
	}
	return nil
}

// readThreads reads the threads whose IDs differ from the process's. Ended ones
// are skipped.
func (s *scan) readThreads(dir procDir, p *Process) error {
	names, err := dir.names("task")
	if err != nil {
		return err
	}
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		var t Process
		err = s.readStatus(dir, "task/"+name+"/status", &t)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if slices.Equal(t.Groups, p.Groups) {
			t.Groups = p.Groups // they may be 65,536
		}
		if t.UID != p.UID || t.GID != p.GID || !slices.Equal(t.Groups, p.Groups) {
			p.Threads = append(p.Threads, Thread{TID: tid, UID: t.UID, GID: t.GID, Groups: t.Groups})
		}
	}
	return nil
}

// keep keeps a space for the next process of its namespace.
func (s *scan) keep(ns uint64, from *space) {
	if from != nil && !from.kept && len(s.spaces) < s.maxSpaces {
		from.kept = true
		s.spaces[ns] = from
	}
}

// isOwn reports whether m is the mapping of our own user namespace, for readers
// who do not see the links.
func (s *scan) isOwn(m Mapping) bool {
	if s.own == nil {
		s.own = new(initial())
		if self, err := s.root.dir("self"); err == nil {
			if own, err := self.mapping(); err == nil && !own.IsZero() {
				s.own = &own
			}
			self.close()
		}
	}
	return s.own.Equal(m)
}

func (f FS) shims(ctx context.Context) iter.Seq2[Shim, error] {
	return func(yield func(Shim, error) bool) {
		s, err := f.openScan()
		if err != nil {
			yield(Shim{}, err)
			return
		}
		defer s.close()
		stopped, err := s.each(ctx, func(name string) bool {
			shim, err := s.shim(name)
			if isGone(err) || errors.Is(err, errNoShim) {
				return true
			}
			shim.PID, _ = strconv.Atoi(name)
			return yield(shim, err)
		})
		if err != nil && !stopped {
			yield(Shim{}, err)
		}
	}
}

var errNoShim = errors.New("not a shim")

// shim reads the arguments of a process if its name is that of a shim. The PID
// could be reused after that, so the rest is read through one directory.
func (s *scan) shim(name string) (Shim, error) {
	comm, err := s.root.read(name+"/comm", s.buf)
	// The kernel cuts comm to 15 bytes.
	if err == nil && !strings.HasPrefix(string(comm), "containerd-shim") && string(comm) != "conmon\n" {
		err = errNoShim
	}
	if err != nil {
		return Shim{}, err
	}
	dir, err := s.root.dir(name)
	if err != nil {
		return Shim{}, err
	}
	defer dir.close()
	argv, err := dir.read("cmdline", s.buf)
	if err != nil {
		return Shim{}, err
	}
	shim, ok := parseShim(strings.Split(strings.TrimSuffix(string(argv), "\x00"), "\x00"))
	if !ok {
		return Shim{}, errNoShim
	}
	if err := s.readContainer(dir, &shim.In); err != nil {
		return Shim{}, err
	}
	var p Process
	if err := s.readStatus(dir, "status", &p); err != nil {
		return Shim{}, err
	}
	shim.UID = p.UID[1]
	return shim, nil
}
