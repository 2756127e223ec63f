// Package probe makes user namespaces, to ask the kernel whether a mapping can be
// made and what a container's process could do in one.
//
//	err := probe.Mapping(ctx, mapping) // nil: the kernel gives out exactly these IDs
//
// The kernel itself answers, so that its settings, security modules and file
// systems count. A namespace ends with the question, except that of [Namespace].
package probe

import (
	"context"
	"fmt"
	"os"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/userns"
)

// Mapping starts a process in a user namespace with this mapping, checks it
// from outside, and ends it: nil means that the kernel gives out exactly these
// IDs. The process does not execute anything. It takes a few milliseconds and
// root; other users can only probe the mapping of their own ID.
//
// The error is an [*Error] if the kernel refused or did something else,
// [userns.ErrInvalidMap] if a map is empty, and [userns.ErrNotSupported] on
// systems other than Linux.
func Mapping(ctx context.Context, m userns.Mapping) error { return mapping(ctx, m) }

// Namespace makes a user namespace with this mapping and returns it open, for
// setns(2) or mount_setattr(2). It lasts while the file is open or a process is
// in it. The errors are those of [Mapping].
func Namespace(ctx context.Context, m userns.Mapping) (*os.File, error) { return namespace(ctx, m) }

// An Error is the step at which a probe failed and why.
type Error struct {
	Step   string // "create the namespace", "write uid_map", ...
	Err    error  // a [syscall.Errno] where the kernel refused
	Cause  string // what that means here; empty if not known
	Remedy string // what to do about it; empty if not known
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.Step, e.Err)
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// A Helper starts the calling program again inside a user namespace, for
// questions that only a process inside can answer. Obtain one from [Main]:
// without it the program would run normally in there.
type Helper struct{ ready bool }

// Main must be the first call of main() in a program that uses a [Helper]. In
// the helper process it answers and does not return.
//
//	func main() {
//		helper := probe.Main()
//		...
//		access, err := helper.Access(ctx, mapping, probe.Credential{UID: 33, GID: 33}, "/srv/www")
func Main() Helper { return helperMain() }

// A Credential is the user and groups of a container's process, in the
// container's IDs. The zero Credential is the container's root.
type Credential struct {
	UID, GID uint32
	Groups   []uint32
}

// An Access is what a process may do with a file or directory.
type Access struct {
	Path              string
	Read, Write, Exec bool
	Err               error // the caller could not open the path; the rest is then unknown
}

// Access returns what a container's process could do with each path if it were
// mounted into the container, as with docker run -v: the directories on the way
// to it do not count. The kernel answers (faccessat2) inside a namespace with
// the mapping, so that ACLs, capabilities, read-only mounts and security
// modules count.
func (h Helper) Access(ctx context.Context, m userns.Mapping, who Credential, paths ...string) ([]Access, error) {
	return h.access(ctx, m, who, paths)
}

// IPC returns nil if a remapped container can share the host's IPC namespace,
// as docker run --ipc=host wants. Where the kernel refuses the mount of mqueue
// that this needs, the error is an [*Error].
func (h Helper) IPC(ctx context.Context, m userns.Mapping) error { return h.ipc(ctx, m) }

// Try makes the attempts in order as root of a namespace with the mapping, in
// mount and cgroup namespaces of its own, and returns a result for each. It is
// for package verify/drill.
func (h Helper) Try(ctx context.Context, m userns.Mapping, attempts []attempt.Attempt) ([]attempt.Result, error) {
	return h.try(ctx, m, attempts)
}
