package userns

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit"
)

// moves bounds how often a process is read again because it went to another
// user namespace meanwhile. It can do so 32 times: namespaces nest that deep
// (user_namespaces(7)), and there is no way up.
const moves = 34

// read reads a process through its directory, or says with an error why it is
// not yielded. All that is read belongs together, because the process is in the
// same user namespace before and after.
func (s *scan) read(dir procDir) (Process, error) {
	for range moves {
		ns, err := dir.namespace("user")
		if isDenied(err) || isGone(err) && dir.alive() {
			s.cov.NoLink++
			return s.readWithoutLink(dir)
		}
		if err != nil {
			return Process{}, err
		}
		p, from, err := s.readIn(dir, ns)
		after, gone := dir.namespace("user")
		if gone == nil && after == ns {
			if err == nil {
				s.keep(ns, from)
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
func (s *scan) readIn(dir procDir, ns uint64) (Process, *space, error) {
	p := Process{UserNS: ns}
	if err := s.readContainer(dir, &p); err != nil {
		return Process{}, nil, err
	}
	if ns == s.home && s.isOfHost(p) {
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
	return p, from, nil
}

// readWithoutLink reads a process whose namespace links we may not see. Its
// maps tell where it is: they are open to everyone.
func (s *scan) readWithoutLink(dir procDir) (Process, error) {
	for range moves {
		var p Process
		from, err := dir.openSpace()
		if err != nil {
			return Process{}, err
		}
		if err = s.readContainer(dir, &p); err == nil {
			err = s.readIDs(dir, from, &p)
		}
		from.release()
		if err != nil {
			return Process{}, err
		}
		if s.isOfHost(p) && s.isOwn(p.Mapping) {
			return Process{}, errHost
		}
		after, err := dir.openSpace()
		if err != nil {
			return Process{}, err
		}
		m, err := after.read(s.buf)
		after.release()
		if err != nil || m.Equal(p.Mapping) {
			return p, err
		}
	}
	return Process{}, fmt.Errorf("%s: changed its user namespace %d times", dir.name, moves)
}

// isOfHost reports whether to leave out a process of our own user namespace.
func (s *scan) isOfHost(p Process) bool {
	return !s.opt.All && (p.ContainerID == "" || s.opt.NamespacedOnly)
}

func (s *scan) readContainer(dir procDir, p *Process) error {
	data, err := dir.read("cgroup", s.buf)
	if err == nil {
		p.Container = ParseCgroup(data)
	}
	return err
}

// readIDs reads the mapping, and then status: a process that ended before has
// none, so that what came before is not taken for its answer.
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

// readThreads reads the threads whose IDs are not the process's. One that has
// ended meanwhile is passed over.
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
		if t.UID != p.UID || t.GID != p.GID || !slices.Equal(t.Groups, p.Groups) {
			p.Threads = append(p.Threads, Thread{TID: tid, UID: t.UID, GID: t.GID, Groups: t.Groups})
		}
	}
	return nil
}

// keep keeps a space for the next process of its namespace.
func (s *scan) keep(ns uint64, from *space) {
	if from != nil && !from.kept && len(s.spaces) < maxSpaces {
		from.kept = true
		s.spaces[ns] = from
	}
}
