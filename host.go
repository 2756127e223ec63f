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

	"github.com/usernskit/usernskit/internal/hostfs"
)

// A Host says where the system is. The zero Host is the running one.
type Host struct {
	// Root is the directory taken for "/", with the meaning of chroot(2):
	// absolute symbolic links resolve inside it. If empty, it is "/".
	Root string

	// Run runs a program of the host and returns its standard output. If nil,
	// it uses os/exec, on the running host only.
	Run func(ctx context.Context, argv ...string) ([]byte, error)
}

// MaxFileSize is the size in bytes of the largest file that is read from a
// host. A larger one is an error, [ErrTooLarge], never a shortened read.
const MaxFileSize = 16 << 20

// ErrNotLive is returned by [Host.Command] for a host that is a directory.
var ErrNotLive = errors.New("not the running host")

// Live reports whether h is the running host and not a tree of files.
func (h Host) Live() bool { return h.Root == "" || filepath.Clean(h.Root) == "/" }

// ReadFile reads a regular file of the host. Errors are [*fs.PathError] that
// name the path as on the host; a missing file matches [fs.ErrNotExist].
func (h Host) ReadFile(path string) ([]byte, error) {
	return hostfs.Root(h.Root).ReadFile(path, MaxFileSize)
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
// Without Run, only the running host has programs; others give [ErrNotLive].
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
	out, err := cmd.Output()
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return out, fmt.Errorf("%s: %w: %s", argv[0], err, text)
		}
		return out, fmt.Errorf("%s: %w", argv[0], err)
	}
	return out, nil
}
