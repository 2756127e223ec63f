package daemoncfg

import (
	"errors"
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// What a caller may have to decide on. All of them come wrapped in an error
// that says where and what to do.
var (
	// ErrInvalid: some dockerd from 20.10 to 29 does not start with this
	// daemon.json, or it is beyond [MaxSize] or [MaxDepth], or two readers of
	// JSON would read it differently. Every error of [Parse] matches it.
	ErrInvalid = errors.New("daemon.json that dockerd does not read")
	// ErrNotObject: a path leads through a value that has no members.
	ErrNotObject = errors.New("has no members")
	// ErrRemap: not a value of --userns-remap.
	ErrRemap = errors.New("not a user or user:group")
	// ErrFailOpen: a value of --userns-remap that dockerd accepts, and with
	// which a container's root is the host's root. It matches ErrRemap too.
	ErrFailOpen = errors.New("userns-remap would be off while it looks on")
	// ErrAccount: dockerd will look up a user or group that does not exist.
	ErrAccount = errors.New("no such user or group")
	// ErrConflict is matched by every [*ConflictError].
	ErrConflict = errors.New("set both as a flag of dockerd and in daemon.json")
	// ErrSnapshotter: features.containerd-snapshotter is switched on. dockerd
	// from 29.0 does not start with that and userns-remap.
	ErrSnapshotter = errors.New("the containerd image store and userns-remap exclude each other")
	// ErrFlag: userns-remap is set by a flag that nothing here may edit.
	ErrFlag = errors.New("userns-remap is set by a flag of dockerd")
	// ErrGenerated: daemon.json is made by another program, which makes it again.
	ErrGenerated = errors.New("a generated file")
)

// A ConflictError is a key that is, or would be, both in daemon.json and among
// the flags of dockerd. dockerd does not start then, equal values included.
type ConflictError struct {
	Key  string        // as in daemon.json: "userns-remap"
	Flag dockerd.Flag  // where the flag comes from
	Pos  usernskit.Pos // of the key in daemon.json; zero for one that is planned

	path []string
	fix  string // how to be rid of the flag
}

func (e *ConflictError) Error() string { return e.Flag.Place() + ": " + e.text() }

func (e *ConflictError) text() string {
	file := e.Pos.File
	if file == "" {
		file = "daemon.json"
	}
	fix := e.fix
	if fix == "" {
		fix = "it is in " + e.Flag.Place()
	}
	return fmt.Sprintf("%s is a flag of dockerd here, and dockerd does not start when %q is in %s too; remove %q there, or the flag: %s",
		e.Flag.Spelled, e.Key, file, e.Key, fix)
}

// Is matches [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
