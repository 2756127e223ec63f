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

// Command runs a program through [Host.Run] and returns its standard output.
// The error of a program that ran and failed carries its standard error.
// Without Run, a tree gives [ErrNotLive].
func (h Host) Command(ctx context.Context, argv ...string) ([]byte, error) {
	switch {
	case len(argv) == 0:
		return nil, errors.New("BUG: no program to run")
	case h.Run != nil:
		return h.Run(ctx, argv...)
	case !h.Live():
		return nil, fmt.Errorf("%s: %w", argv[0], ErrNotLive)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second // a grandchild may keep our pipes open
	out, err := cmd.Output()
	if ctx.Err() != nil && err != nil {
		return out, fmt.Errorf("%s: %w (%v)", argv[0], context.Cause(ctx), err)
	}
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return out, fmt.Errorf("%s: %w: %s", argv[0], err, text)
		}
		return out, fmt.Errorf("%s: %w", argv[0], err)
	}
	return out, nil
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
