package userns

import (
	"context"
	"iter"
)

// An FS is a /proc. The zero FS is the running system's.
type FS struct {
	// Root is the directory of /proc; if empty, it is "/proc". It can be the
	// host's /proc mounted elsewhere, or a tree of plain files and links laid
	// out like one.
	Root string
}

// Mapping reads the maps of the process's user namespace. IDs of the host are
// those of the reader's namespace, see [FS.View]. The zero Mapping is that of a
// namespace whose maps were not written yet. An error matches [fs.ErrNotExist]
// where the process does not exist (any more), and [ErrUnmapped] where its IDs
// have no number in the reader's namespace.
func (f FS) Mapping(pid int) (Mapping, error) { return f.mapping(pid) }

// View returns the point from which this /proc is read, which limits what it
// shows.
func (f FS) View() (View, error) { return f.view() }

// Processes yields the processes that [Options] ask for, in the order of /proc.
// Those outside containers that may have entered a container's namespaces come
// last: this is known only after all containers.
//
// A process that is left out costs at most three readlinks. One that ends while
// it is read is counted in [Coverage.Vanished] and not yielded. An error about
// one process comes with its PID, and the scan goes on; an error with a zero
// Process ends the scan.
//
// A process that runs during the whole scan is seen; one that starts during the
// scan may be missed.
func (f FS) Processes(ctx context.Context, opt Options) iter.Seq2[Process, error] {
	return f.processes(ctx, opt)
}

// Shims yields the processes that hold containers from outside: containerd's
// shims and podman's conmon. Their arguments name the container, whatever its
// control group, and its engine. A container that a shim of root holds but the
// engine does not list is an orphan.
func (f FS) Shims(ctx context.Context) iter.Seq2[Shim, error] { return f.shims(ctx) }
