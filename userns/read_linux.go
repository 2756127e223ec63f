package userns

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit"
)

// A reader reads processes, one at a time. A scan has several, each with what
// it remembers of its own.
type reader struct {
	*scan
	own    *Mapping          // of our own user namespace, from inside; nil: not read yet
	spaces map[uint64]*space // kept open, by the inode of the namespace
	noLink bool              // the namespace links of the process last read are not shown to us
	buf    []byte
}

// process reads one process, or says with an error why it is not yielded.
func (r *reader) process(name string) (Process, error) {
	if r.isHost(name) {
		return Process{}, errHost
	}
	dir, err := r.root.dir(name)
	if err != nil {
		return Process{}, err
	}
	defer dir.close()
	return r.read(dir)
}

// isHost is the gate that nearly every process is turned away at, by one or two
// readlinks. The PID could change hands between them; but whoever is let in is
// read again, and whoever is kept out for an answer of its predecessor has
// only just started, as if the scan had come by a moment earlier.
//
// A container has a mount namespace of its own even where it shares the host's
// user namespace. It is only a hint: services of the host have one too.
func (r *reader) isHost(name string) bool {
	if r.opt.All {
		return false
	}
	if link, err := r.root.readlink(name+"/ns/user", r.buf); err != nil || string(link) != r.link {
		return false
	}
	if r.opt.NamespacedOnly {
		return true
	}
	link, err := r.root.readlink(name+"/ns/mnt", r.buf)
	return err == nil && slices.ContainsFunc(r.mnts, func(mnt string) bool { return mnt == string(link) })
}

// moves bounds how often a process is read again because it went to another
// user namespace meanwhile. It can do so 32 times: namespaces nest that deep
// (user_namespaces(7)), and there is no way up.
const moves = 34

// read reads a process through its directory, or says with an error why it is
// not yielded. All that is read belongs together, because the process is in the
// same user namespace before and after.
func (r *reader) read(dir procDir) (Process, error) {
	for range moves {
		ns, err := dir.namespace("user")
		if isDenied(err) || isGone(err) && dir.alive() {
			r.noLink = true
			return r.readWithoutLink(dir)
		}
		if err != nil {
			return Process{}, err
		}
		p, from, err := r.readIn(dir, ns)
		after, gone := dir.namespace("user")
		if gone == nil && after == ns {
			if err == nil {
				r.keep(ns, from)
			}
			from.release()
			return p, err
		}
		from.release()
		if gone != nil {
			return Process{}, gone
		}
	}
	return Process{}, fmt.Errorf("%s: changed its user namespace %d times", dir.name, moves)
}

// readIn reads a process that is in the namespace ns as far as is known. The
// space is the one that its mapping came from; nil if none was needed.
func (r *reader) readIn(dir procDir, ns uint64) (Process, *space, error) {
	p := Process{UserNS: ns}
	if err := r.readContainer(dir, &p); err != nil {
		return Process{}, nil, err
	}
	if ns == r.home && r.isOfHost(p) {
		return Process{}, nil, errHost
	}
	from := r.spaces[ns]
	if from == nil {
		var err error
		if from, err = dir.openSpace(); err != nil {
			return Process{}, nil, err
		}
	}
	if err := r.readIDs(dir, from, &p); err != nil {
		return Process{}, from, err
	}
	return p, from, nil
}

// readWithoutLink reads a process whose namespace links we may not see. Its
// maps tell where it is: they are open to everyone.
func (r *reader) readWithoutLink(dir procDir) (Process, error) {
	for range moves {
		var p Process
		from, err := dir.openSpace()
		if err != nil {
			return Process{}, err
		}
		if err = r.readContainer(dir, &p); err == nil {
			err = r.readIDs(dir, from, &p)
		}
		from.release()
		if err != nil {
			return Process{}, err
		}
		if r.isOfHost(p) && r.isOwn(p.Mapping) {
			return Process{}, errHost
		}
		after, err := dir.openSpace()
		if err != nil {
			return Process{}, err
		}
		m, err := after.read(r.buf)
		after.release()
		if err != nil || m.Equal(p.Mapping) {
			return p, err
		}
	}
	return Process{}, fmt.Errorf("%s: changed its user namespace %d times", dir.name, moves)
}

// isOfHost reports whether to leave out a process of our own user namespace.
func (r *reader) isOfHost(p Process) bool {
	return !r.opt.All && (p.ContainerID == "" || r.opt.NamespacedOnly)
}

func (r *reader) readContainer(dir procDir, p *Process) error {
	data, err := dir.read("cgroup", r.buf)
	if err == nil {
		p.Container = ParseCgroup(data)
	}
	return err
}

// readIDs reads the mapping, and then status: a process that ended before has
// none, so that what came before is not taken for its answer.
func (r *reader) readIDs(dir procDir, from *space, p *Process) error {
	var err error
	if p.Mapping, err = from.read(r.buf); errors.Is(err, ErrUnmapped) {
		return errForeign
	} else if err != nil {
		return err
	}
	if err := r.readStatus(dir, "status", p); err != nil {
		return err
	}
	if r.opt.Deep {
		return r.readThreads(dir, p)
	}
	return nil
}

func (r *reader) readStatus(dir procDir, name string, p *Process) error {
	data, err := dir.read(name, r.buf)
	if err != nil {
		return err
	}
	if err := parseStatus(data, p); err != nil {
		return &usernskit.FileError{File: dir.name + "/" + name, Err: err}
	}
	return nil
}

// readThreads reads the threads whose IDs are not the process'r. One that has
// ended meanwhile is passed over.
func (r *reader) readThreads(dir procDir, p *Process) error {
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
		err = r.readStatus(dir, "task/"+name+"/status", &t)
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
func (r *reader) keep(ns uint64, from *space) {
	if from != nil && !from.kept && len(r.spaces) < r.spacesEach {
		from.kept = true
		r.spaces[ns] = from
	}
}

// isOwn reports whether m is the mapping of our own user namespace. Only a
// reader who is not shown the links has to ask.
func (r *reader) isOwn(m Mapping) bool {
	if r.own == nil {
		all := mapOf(Extent{Count: 1<<32 - 1}, nil)
		r.own = &Mapping{UID: all, GID: all} // that of the initial one
		if self, err := r.root.dir("self"); err == nil {
			if own, err := self.mapping(); err == nil && !own.IsZero() {
				r.own = &own
			}
			self.close()
		}
	}
	return r.own.Equal(m)
}
