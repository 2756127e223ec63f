package userns

import (
	"context"
	"errors"
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
		stopped, err := visit(ctx, s, (*reader).shim, func(pid int, shim Shim, err error) bool {
			if isGone(err) || isDenied(err) || err == errNoShim {
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

var errNoShim = errors.New("not a shim")

// shim reads the arguments of a process if its name lets them be worth it. The
// PID could change hands after that, so all that counts is read through one
// directory, and whoever is turned away has only just started or is none.
func (r *reader) shim(name string) (Shim, error) {
	comm, err := r.root.read(name+"/comm", r.buf)
	// The kernel cuts comm to 15 bytes.
	if err == nil && !strings.HasPrefix(string(comm), "containerd-shim") && string(comm) != "conmon\n" {
		err = errNoShim
	}
	if err != nil {
		return Shim{}, err
	}
	dir, err := r.root.dir(name)
	if err != nil {
		return Shim{}, err
	}
	defer dir.close()
	argv, err := dir.read("cmdline", r.buf)
	if err != nil {
		return Shim{}, err
	}
	shim, ok := ParseShim(strings.Split(strings.TrimSuffix(string(argv), "\x00"), "\x00"))
	if !ok {
		return Shim{}, errNoShim
	}
	var p Process
	if err := r.readContainer(dir, &p); err != nil {
		return Shim{}, err
	}
	if err := r.readStatus(dir, "status", &p); err != nil {
		return Shim{}, err
	}
	shim.UID, shim.In = p.UID[1], p.Container
	return shim, nil
}
