package daemoncfg

import (
	"errors"
	"fmt"
	"strings"

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
	// ErrRemap: no value of --userns-remap.
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
)

// problem is the Err of a [usernskit.FileError] about daemon.json.
type problem struct {
	text string
	is   error
}

func (p *problem) Error() string        { return p.text }
func (p *problem) Is(target error) bool { return target == p.is }

// at is the error about the byte at offset of the document.
func at(name, text string, offset int, format string, args ...any) error {
	line, col := position(text, offset)
	return &usernskit.FileError{
		File: name, Line: line, Col: col,
		Err: &problem{text: fmt.Sprintf(format, args...), is: ErrInvalid},
	}
}

// position returns line and column of the byte at offset, both from 1, the
// column in bytes.
func position(text string, offset int) (line, col int) {
	before := text[:min(offset, len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// A ConflictError is a key that stands, or would stand, both in daemon.json
// and among the flags of dockerd. dockerd does not start then, equal values
// included.
type ConflictError struct {
	Key  string       // as in daemon.json: "userns-remap"
	Flag dockerd.Flag // where the flag comes from
	Fix  string       // the edit that a person has to make
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: --%s is a flag of dockerd here, and dockerd does not start when %q is in daemon.json too; %s",
		e.Flag.Place(), e.Flag.Name, e.Key, e.Fix)
}

// Is matches [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
