package userns

import (
	"context"
	"iter"
	"strings"
)

func (f FS) shims(ctx context.Context) iter.Seq2[Shim, error] {
	return func(yield func(Shim, error) bool) {
		s, err := f.openScan()
		if err != nil {
			yield(Shim{}, err)
			return
		}
		defer s.close()
		stopped, err := s.visit(ctx, func(pid int, name string) bool {
			shim, ok, err := s.shim(name)
			if isGone(err) || isDenied(err) || err == nil && !ok {
				return true
			}
			shim.PID = pid
			return yield(shim, err)
		})
		if err != nil && !stopped {
			yield(Shim{}, err)
		}
	}
}

// shim reads the arguments of a process if its name lets them be worth it. The
// PID could change hands after that, so all that counts is read through one
// directory, and whoever is turned away has only just started or is none.
func (s *scan) shim(name string) (Shim, bool, error) {
	comm, err := s.root.read(name+"/comm", s.buf)
	// The kernel cuts comm to 15 bytes.
	if err != nil || !strings.HasPrefix(string(comm), "containerd-shim") && string(comm) != "conmon\n" {
		return Shim{}, false, err
	}
	dir, err := s.root.dir(name)
	if err != nil {
		return Shim{}, false, err
	}
	defer dir.close()
	argv, err := dir.read("cmdline", s.buf)
	if err != nil {
		return Shim{}, false, err
	}
	shim, ok := ParseShim(strings.Split(strings.TrimSuffix(string(argv), "\x00"), "\x00"))
	if !ok {
		return Shim{}, false, nil
	}
	var p Process
	if err := s.readContainer(dir, &p); err != nil {
		return Shim{}, false, err
	}
	if err := s.readStatus(dir, "status", &p); err != nil {
		return Shim{}, false, err
	}
	shim.UID, shim.In = p.UID[1], p.Container
	return shim, true, nil
}
