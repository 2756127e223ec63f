package usernskit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// A Host says where the system is. The zero Host is the running one.
type Host struct {
	// Root is the directory taken for "/", with the meaning of chroot(2):
	// absolute symbolic links resolve inside it. If empty, it is "/". A missing
	// one, or one that is not a directory, is an error that does not match
	// [fs.ErrNotExist], which means that a file of the host is absent.
	Root string

	// Run runs a program of the host and returns its standard output. If nil,
	// it uses os/exec, on the running host only.
	Run func(ctx context.Context, argv ...string) ([]byte, error)
}

// WarnEditedSince is the ID of the warning of [Host.PlanUndo] about a file that
// others have written to.
const WarnEditedSince = "edited-since"

// Live reports whether h is the running host and not a tree of files.
func (h Host) Live() bool { return h.Root == "" || filepath.Clean(h.Root) == "/" }

// ReadFile reads a regular file of the host. Errors are [*fs.PathError] that
// name the path as on the host; a missing file matches [fs.ErrNotExist], one
// that is larger than 16 MiB [ErrTooLarge].
func (h Host) ReadFile(path string) ([]byte, error) {
	return hostfs.Root(h.Root).ReadFile(path, hostfs.MaxFileSize)
}

// ReadDir lists a directory of the host in the order of the names.
func (h Host) ReadDir(path string) ([]fs.DirEntry, error) {
	return hostfs.Root(h.Root).ReadDir(path)
}

// Stat describes what path leads to, symbolic links followed inside Root.
func (h Host) Stat(path string) (fs.FileInfo, error) { return hostfs.Root(h.Root).Stat(path) }

// Lstat describes path itself: a symbolic link is not followed.
func (h Host) Lstat(path string) (fs.FileInfo, error) { return hostfs.Root(h.Root).Lstat(path) }

// Path returns where a path of the host lies on this machine, with symbolic
// links resolved inside Root. The file need not exist.
func (h Host) Path(path string) (string, error) { return hostfs.Root(h.Root).Resolve(path) }

// Command runs a program through [Host.Run] and returns its standard output. If
// that has more than 16 MiB, the error is [ErrTooLarge]. The error of a program
// that ran and failed carries its standard error. Without Run, a tree gives
// [ErrNotLive].
func (h Host) Command(ctx context.Context, argv ...string) ([]byte, error) {
	switch {
	case len(argv) == 0:
		return nil, errors.New("BUG: no program to run")
	case h.Run != nil:
		return h.Run(ctx, argv...)
	case !h.Live():
		return nil, fmt.Errorf("%s: %w", argv[0], ErrNotLive)
	}
	stdout, stderr := output{max: hostfs.MaxFileSize}, output{max: maxComplaint}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a grandchild may keep our pipes open
	err := cmd.Run()
	switch text := strings.TrimSpace(stderr.buf.String()); {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w (%v)", argv[0], context.Cause(ctx), err)
	case stdout.cut: // not with err, whose exit status would make the rest an answer
		return nil, fmt.Errorf("%s: %w: it printed more than %d bytes", argv[0], ErrTooLarge, stdout.max)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // the program itself ended well
		return stdout.buf.Bytes(), nil
	case text != "":
		return stdout.buf.Bytes(), fmt.Errorf("%s: %w: %s", argv[0], err, text)
	}
	return stdout.buf.Bytes(), fmt.Errorf("%s: %w", argv[0], err)
}

// maxComplaint bounds what is kept of a program's standard error, in bytes.
const maxComplaint = 64 << 10

// An output keeps the first bytes that a program prints, and drops the rest.
type output struct {
	buf bytes.Buffer
	max int
	cut bool // some were dropped
}

func (o *output) Write(p []byte) (int, error) {
	keep := min(len(p), o.max-o.buf.Len())
	o.buf.Write(p[:keep])
	o.cut = o.cut || keep < len(p)
	return len(p), nil
}

// askTimeout is how long a program may take to answer a question of a plan.
const askTimeout = 5 * time.Second

// Ask runs a program for the answer that it gives, as getent or systemctl
// is-active do, for at most 5 s. A program that ran to its end gives its output
// and exit status, and no error whatever the status is. An error means that it
// was not found, that a signal or the time limit ended it, or that the host is
// a tree. Then nothing is known, which is not a "no".
func (h Host) Ask(ctx context.Context, argv ...string) (out []byte, exit int, err error) {
	limited, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err = h.Command(limited, argv...)
	var status interface{ ExitCode() int } // as *exec.ExitError has
	switch {
	case err == nil:
		return out, 0, nil
	case ctx.Err() != nil:
		return nil, 0, err
	case limited.Err() != nil:
		return nil, 0, fmt.Errorf("%s: no answer within %v: %w", argv[0], askTimeout, limited.Err())
	case errors.As(err, &status) && status.ExitCode() >= 0:
		return out, status.ExitCode(), nil
	}
	return nil, 0, err
}
