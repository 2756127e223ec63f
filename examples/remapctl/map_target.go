package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
)

// proc is the host's /proc.
func (e *env) proc() (userns.FS, error) {
	if e.host.Live() {
		return userns.FS{}, nil
	}
	root, err := e.host.Path("/proc")
	return userns.FS{Root: root}, err
}

func (e *env) process(pid int) (target, error) {
	proc, err := e.proc()
	if err != nil {
		return target{}, err
	}
	m, err := proc.Mapping(pid)
	return target{fmt.Sprintf("process %d", pid), m}, err
}

// container finds a container by the beginning of its ID, which the kernel
// tells, and otherwise asks the daemon for its name.
func (e *env) container(ctx context.Context, name string) (target, error) {
	proc, err := e.proc()
	if err != nil {
		return target{}, err
	}
	if len(name) >= 6 && strings.Trim(name, "0123456789abcdef") == "" {
		first, nested := userns.Process{}, false
		for p, err := range proc.Processes(ctx, userns.Options{}) {
			switch {
			case err != nil || !strings.HasPrefix(p.ContainerID, name):
				continue
			case first.PID == 0:
				first = p
			case p.ContainerID != first.ContainerID:
				return target{}, fmt.Errorf("ambiguous ID prefix: %s, %s", first.ContainerID, p.ContainerID)
			}
			nested = nested || !p.Mapping.Equal(first.Mapping)
			// The outermost is the container's first, and has its user namespace;
			// others may have made one of their own.
			if p.IsInit() && (!first.IsInit() || len(p.NSPID) < len(first.NSPID)) {
				first = p
			}
		}
		if nested && !first.IsInit() {
			return target{}, errors.New("its processes are in several user namespaces, and none is its first; give one of them as --pid")
		}
		if first.PID != 0 {
			return target{name, first.Mapping}, nil
		}
	}
	if !e.host.Live() {
		return target{}, errors.New("no process is in a container of that ID, and a --root has no daemon to ask for a name")
	}
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return target{}, fmt.Errorf("the daemon cannot be asked for the name; give the ID or --pid: %w", err)
	}
	c := engine.Container(name)
	switch {
	case c == nil:
		return target{}, errors.New("no such container")
	case !c.Running:
		return target{}, errors.New("is not running, so it has no IDs")
	}
	m, err := proc.Mapping(c.PID)
	return target{name, m}, err
}

// mapFile reads a file of this machine, not of the --root.
func (e *env) mapFile(name string) (target, error) {
	in := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return target{}, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, usernskit.MaxFileSize+1))
	if err != nil {
		return target{}, err
	}
	if len(data) > usernskit.MaxFileSize {
		return target{}, usernskit.ErrTooLarge
	}
	m, err := userns.ParseMap(name, data)
	return target{name, userns.Mapping{UID: m, GID: m}}, err
}
