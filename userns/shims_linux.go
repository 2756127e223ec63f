package userns

import (
	"context"
	"iter"
	"os"
	"strings"
)

func (f FS) shims(ctx context.Context) iter.Seq2[Shim, error] {
	return func(yield func(Shim, error) bool) {
		root, err := os.Open(f.root())
		if err != nil {
			yield(Shim{}, err)
			return
		}
		s := &scan{root: root, buf: make([]byte, 8192)}
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

// shim reads the arguments of a process if its name lets them be worth it.
func (s *scan) shim(name string) (Shim, bool, error) {
	dir, err := openAt(int(s.root.Fd()), s.root.Name(), name)
	if err != nil {
		return Shim{}, false, err
	}
	defer dir.close()
	comm, err := dir.read("comm", s.buf)
	// The kernel cuts comm to 15 bytes.
	if err != nil || !strings.HasPrefix(string(comm), "containerd-shim") && string(comm) != "conmon\n" {
		return Shim{}, false, err
	}
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
