// Package probe makes user namespaces, to ask the kernel whether a mapping can be
// made and what a container's process could do in one.
//
//	err := probe.Mapping(ctx, mapping) // nil: the kernel gives out exactly these IDs
//
// The kernel itself is asked, so that its settings, security modules and file
// systems count. A namespace ends with the question, and nothing else is changed.
package probe

import (
	"context"
	"fmt"
	"os"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/userns"
)

// Mapping starts a process in a user namespace with this very mapping, looks at it
// from outside, and ends it: nil means that the kernel gives out exactly these
// IDs. The process never gets to run, so any program may call Mapping, and none
// but itself is needed. It takes a few milliseconds and root; other users can
// probe the mapping of their own ID alone.
//
// The error is an [*Error] where the kernel refused or did something else,
// [userns.ErrNotSupported] where there is no Linux.
func Mapping(ctx context.Context, m userns.Mapping) error { return mapping(ctx, m) }

// Namespace makes a user namespace with this very mapping and returns it open, for
// setns(2) or mount_setattr(2). It lasts as long as the file or a process in it.
// No process stays behind. The errors are those of [Mapping].
func Namespace(ctx context.Context, m userns.Mapping) (*os.File, error) { return namespace(ctx, m) }

// An Error says at which step a probe came to an end and why.
type Error struct {
	Step   string // "create the namespace", "write uid_map", ...
	Err    error  // a [syscall.Errno] where the kernel refused
	Cause  string // what that means here; empty if not known
	Remedy string // what to do about it; empty if nothing is known
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.Step, e.Err)
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// A Helper starts the calling program once more inside a user namespace, to ask
// there what only a process inside can answer. It is had from [Main] and from
// nowhere else: a program that did not call Main would run as itself in there.
type Helper struct{ ready bool }

// Main must be the first call of main() in a program that uses a [Helper]. In
// the process that a Helper started it answers and does not return.
//
//	func main() {
//		helper := probe.Main()
//		...
//		access, err := helper.Access(ctx, mapping, probe.Credential{UID: 33, GID: 33}, "/srv/www")
func Main() Helper { return helperMain() }

// A Credential is who a container's process is, in the container's own IDs.
// The zero Credential is the container's root.
type Credential struct {
	UID, GID uint32
	Groups   []uint32
}

// An Access says what a process may do with a file or directory.
type Access struct {
	Path              string
	Read, Write, Exec bool
	Err               error // the path could not be opened, by us; the rest is then not known
}

// Access says what a container's process could do with each path if it were
// mounted into the container, as with docker run -v: the directories on the way
// to it do not count. The kernel itself is asked (faccessat2), from inside a
// namespace with the mapping, so that ACLs, capabilities, read-only mounts and
// security modules count.
func (h Helper) Access(ctx context.Context, m userns.Mapping, who Credential, paths ...string) ([]Access, error) {
	return h.access(ctx, m, who, paths)
}

// IPC says whether a remapped container can share the host's IPC
// namespace, as docker run --ipc=host wants: nil if so. Where the kernel
// refuses the mount of mqueue that this takes, the error is an [*Error].
func (h Helper) IPC(ctx context.Context, m userns.Mapping) error { return h.ipc(ctx, m) }

// Try makes the attempts in order as root of a namespace with the mapping, in
// mount and cgroup namespaces of its own, and returns a result for each. It is
// for package verify/drill.
func (h Helper) Try(ctx context.Context, m userns.Mapping, attempts []attempt.Attempt) ([]attempt.Result, error) {
	return h.try(ctx, m, attempts)
}
