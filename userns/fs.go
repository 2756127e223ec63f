package userns

import (
	"context"
	"iter"
)

// An FS is a /proc. The zero FS is the running system's.
type FS struct {
	// Root is the directory to take for /proc; if empty, it is "/proc". It can
	// be the host's /proc mounted elsewhere, or a tree of plain files and links
	// laid out like one.
	Root string
}

// Mapping reads the maps of the process's user namespace. IDs of the host are
// those of the reader's namespace, see [FS.View]. The zero Mapping is that of a
// namespace whose maps were not written yet. An error matches [fs.ErrNotExist]
// where there is no such process (any more), and [ErrUnmapped] where the
// process's IDs have no number in the reader's namespace.
func (f FS) Mapping(pid int) (Mapping, error) { return f.mapping(pid) }

// View says from where this /proc is read, and so how far it is to be trusted.
func (f FS) View() (View, error) { return f.view() }

// Processes yields the processes that [Options] ask for: in the order of /proc,
// and then those whose namespaces may be a container's although their control
// group is not, since that can be told only when all containers are known.
//
// A process that is of no interest costs three readlinks at most, and the maps of
// a user namespace are mostly read once. What ends while it is read is counted in
// [Coverage.Vanished] and not yielded. An error comes with a Process of which
// only PID is set when it is about that one, and the scan goes on; with a zero
// Process it is about the whole scan, which ends there.
//
// A process that is there all the time is seen; one that starts during the scan
// may be missed.
func (f FS) Processes(ctx context.Context, opt Options) iter.Seq2[Process, error] {
	return f.processes(ctx, opt)
}

// Shims yields the processes that hold containers from outside: containerd's
// shims and podman's conmon. Their arguments name the container without regard
// to control groups, and tell which engine it belongs to: a container that the
// engine does not list but a shim of root's holds is an orphan.
func (f FS) Shims(ctx context.Context) iter.Seq2[Shim, error] { return f.shims(ctx) }
