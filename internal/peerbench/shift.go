package peerbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
)

// ShiftNotes moves the owners of that many files of root, a thousand in each
// directory, by several programs, and compares their CPU time with that of chown
// -hR. It must run after [Private]: the journal is below /var/lib.
func ShiftNotes(dir, remapctl string, files, times int) ([]string, error) {
	tree, shifted, other := filepath.Join(dir, "tree"), filepath.Join(dir, "idmapped"), filepath.Join(dir, "copy")
	for i := range files {
		sub := filepath.Join(tree, fmt.Sprint(i/1000))
		err := os.MkdirAll(sub, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-%03d", i%1000)), nil, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := errors.Join(os.Mkdir(shifted, 0o755), idmapped(tree, shifted)); err != nil {
		return nil, err
	}
	defer unix.Unmount(shifted, unix.MNT_DETACH)
	defer os.RemoveAll(tree)
	shift := func(flags string) func() (Process, error) {
		argv := append([]string{remapctl}, strings.Fields(flags+" --accept-risk in-use")...)
		return func() (Process, error) { p, _, err := RunProgram(1, argv...); return p, err }
	}
	shell := func(text string) func() (Process, error) {
		return func() (Process, error) { p, _, err := RunProgram(1, "sh", "-c", text); return p, err }
	}
	notes := []string{}
	var base time.Duration
	for _, side := range []struct {
		name  string
		do    func() (Process, error)
		times int
		after func() (Process, error)
	}{
		{"chown -hR", shell("chown -hR 100000:100000 " + tree), times, shell("chown -hR 0:0 " + tree)},
		{"the calls of shift alone: openat2, statx, listxattrat, fchownat, close", func() (Process, error) { return bareLoop(tree, 100000) }, times, shell("chown -hR 0:0 " + tree)},
		{"remapctl shift --dry-run: what looks first", shift("shift " + tree + " --to 100000:65536 --dry-run"), times, nil},
		{"remapctl shift, which looks first", shift("shift " + tree + " --to 100000:65536 --yes"), times, shift("undo --yes")},
		{"find -exec chown +, one pair of owners", shell("find " + tree + " -uid 0 -gid 0 -exec chown -h 100000:100000 {} +"), 1, shell("chown -hR 0:0 " + tree)},
		{"tar | tar", shell("mkdir " + other + " && tar -C " + tree + " --xattrs --acls -cf - . | tar -C " + other + " --xattrs --acls -xpf -"), 1, shell("rm -r " + other)},
		{"cp -a of the idmapped mount", shell("cp -a " + shifted + " " + other), 1, shell("rm -r " + other)},
	} {
		var best Process
		for range side.times {
			p, err := side.do()
			if err != nil {
				return notes, fmt.Errorf("%s: %w", side.name, err)
			}
			if best.CPU == 0 || p.CPU < best.CPU {
				best = p
			}
			if side.after != nil {
				if _, err := side.after(); err != nil {
					return notes, err
				}
			}
		}
		if base == 0 {
			base = best.CPU
		}
		notes = append(notes, fmt.Sprintf("move the owners of %s, %s: %s on CPUs, %sx chown -hR, %s on the clock, %d MiB resident at most (best of %d)",
			size(files, "files"), side.name, Duration(float64(best.CPU)), digits(float64(best.CPU)/float64(base)), Duration(float64(best.Wall)), best.Memory>>20, side.times))
	}
	return notes, nil
}

// idmapped mounts tree on at, idmapped to the range from 100000 on.
func idmapped(tree, at string) error {
	m, err := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	if err != nil {
		return err
	}
	mount, err := idmap.Clone(context.Background(), tree, userns.Mapping{UID: m, GID: m})
	if err != nil {
		return err
	}
	return errors.Join(mount.Attach(at), mount.Close())
}

// bareLoop makes, for each file, only the system calls that preserve what chown
// loses.
func bareLoop(tree string, id int) (Process, error) {
	start, before := time.Now(), cpu()
	buf := make([]byte, 64<<10)
	subs, err := os.ReadDir(tree)
	if err != nil {
		return Process{}, err
	}
	for _, sub := range subs {
		dir, err := os.Open(filepath.Join(tree, sub.Name()))
		if err != nil {
			return Process{}, err
		}
		names, err := dir.Readdirnames(-1)
		at := int(dir.Fd())
		for _, name := range names {
			fd, err := unix.Openat2(at, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
				Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS})
			if err != nil {
				return Process{}, err
			}
			var st unix.Statx_t
			text, _ := unix.BytePtrFromString(name)
			err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st)
			unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(at), uintptr(unsafe.Pointer(text)), unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0)
			err = errors.Join(err, unix.Fchownat(fd, "", id, id, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW), unix.Close(fd))
			if err != nil {
				return Process{}, err
			}
		}
		if err := errors.Join(err, dir.Close()); err != nil {
			return Process{}, err
		}
	}
	return Process{Wall: time.Since(start), CPU: cpu() - before}, nil
}
