package shift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/userns"
)

// busy names the containers that have a directory mounted, and the processes that
// have a file in it open for writing. It also lists what it cannot see, which may
// use the directory too.
func busy(ctx context.Context, dir string) ([]string, error) {
	mine, err := mountsOf("self")
	if err != nil {
		return nil, err
	}
	dev, inside, err := spot(mine, dir)
	if err != nil {
		return nil, err
	}
	var list []string
	seen := map[string]bool{}
	var cov userns.Coverage
	for p, err := range (userns.FS{}).Processes(ctx, userns.Options{All: true, Coverage: &cov}) {
		if err != nil {
			return nil, err
		}
		if p.PID == os.Getpid() {
			continue
		}
		if name := p.ContainerID; name != "" && !seen[name] {
			uses, err := mounts(p.PID, dev, inside, dir)
			if err != nil {
				return nil, err
			}
			if uses {
				seen[name] = true
				list = append(list, fmt.Sprintf("container %.12s", name))
			}
		}
		writes, err := writes(p.PID, dev, inside, dir)
		if err != nil {
			return nil, err
		}
		if writes {
			list = append(list, fmt.Sprintf("process %d (%s)", p.PID, p.Command))
		}
	}
	for _, gap := range cov.Gaps() {
		list = append(list, "what cannot be seen: "+gap)
	}
	return list, nil
}

// spot returns the device of a path, as mountinfo has it, and the path from the root
// of the file system.
func spot(infos []*mountinfo.Info, dir string) (dev, inside string, err error) {
	var best *mountinfo.Info
	for _, m := range infos {
		if dirs.Within(dir, m.Mountpoint) && (best == nil || len(m.Mountpoint) >= len(best.Mountpoint)) {
			best = m
		}
	}
	if best == nil {
		return "", "", fmt.Errorf("%s is on no mount", dir)
	}
	return fmt.Sprint(best.Major, ":", best.Minor), filepath.Join(best.Root, strings.TrimPrefix(dir, best.Mountpoint)), nil
}

func mountsOf(pid string) ([]*mountinfo.Info, error) {
	data, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil, err
	}
	return mountinfo.GetMountsFromReader(bytes.NewReader(data), nil)
}

// mounts reports whether a process has a mount of a directory, or of one above or
// below it, directly or as a layer of an overlay.
func mounts(pid int, dev, inside, dir string) (bool, error) {
	infos, err := mountsOf(strconv.Itoa(pid))
	if gone(err) {
		return false, nil
	}
	meets := func(a, b string) bool { return dirs.Within(a, b) || dirs.Within(b, a) }
	return slices.ContainsFunc(infos, func(m *mountinfo.Info) bool {
		return fmt.Sprint(m.Major, ":", m.Minor) == dev && meets(m.Root, inside) ||
			slices.ContainsFunc(layers(m), func(layer string) bool { return meets(layer, dir) })
	}), err
}

// layers returns the directories that an overlay is made of, without symbolic
// links. The paths are as the process sees them that mounted it: the daemon.
func layers(m *mountinfo.Info) (list []string) {
	if m.FSType != "overlay" {
		return nil
	}
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		key, value, _ := strings.Cut(option, "=")
		if !slices.Contains([]string{"lowerdir", "upperdir", "workdir", "lowerdir+", "datadir+"}, key) {
			continue
		}
		for layer := range strings.SplitSeq(value, ":") {
			if path, err := filepath.EvalSymlinks(layer); err == nil && filepath.IsAbs(path) {
				list = append(list, path)
			}
		}
	}
	return list
}

// writes reports whether a process has, or may have, a file below dir open for
// writing, also by a path through another mount.
func writes(pid int, dev, inside, dir string) (bool, error) {
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(fds)
	if gone(err) {
		return false, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var infos []*mountinfo.Info
	for _, e := range entries {
		link := fds + "/" + e.Name()
		info, err := os.Lstat(link) // the link's mode shows how the file was opened
		if err != nil || info.Mode().Perm()&0o200 == 0 {
			continue
		}
		path, err := os.Readlink(link)
		if errors.Is(err, unix.ENAMETOOLONG) || err == nil && dirs.Within(path, dir) {
			return true, nil
		}
		if err != nil || !filepath.IsAbs(path) {
			continue
		}
		if infos == nil { // stat(2) of the file would wait for a server that is down
			if infos, err = mountsOf(strconv.Itoa(pid)); gone(err) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
		if d, in, _ := spot(infos, path); d == dev && dirs.Within(in, inside) {
			return true, nil
		}
	}
	return false, nil
}

// gone reports whether a process has ended. Reading its mounts then gives EINVAL.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}
