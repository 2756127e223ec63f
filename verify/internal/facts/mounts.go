package facts

import (
	"path"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// A mountTable is what /proc/PID/mountinfo holds, in its order: a later mount
// on the same point, or on one above it, hides the earlier.
type mountTable []*mountinfo.Info

// at returns the mount that a path is on, nil in an empty table.
func (t mountTable) At(p string) *mountinfo.Info {
	var best *mountinfo.Info
	for _, m := range t {
		if Within(p, m.Mountpoint) && (best == nil || len(m.Mountpoint) >= len(best.Mountpoint)) {
			best = m
		}
	}
	return best
}

// A spot is a place inside a file system, whatever it is mounted at.
type spot struct {
	major, minor int
	path         string // from the file system's own root
}

// spot returns the place that a path without symbolic links stands for.
func (t mountTable) spot(p string) (spot, bool) {
	m := t.At(p)
	if m == nil {
		return spot{}, false
	}
	return spot{m.Major, m.Minor, path.Join(m.Root, strings.TrimPrefix(p, m.Mountpoint))}, true
}

// paths returns every path at which the table shows a spot. Some may be hidden
// by another mount: only a look at the inode tells.
func (t mountTable) paths(s spot) []string {
	var list []string
	for _, m := range t {
		if m.Major == s.major && m.Minor == s.minor && Within(s.path, m.Root) {
			list = append(list, path.Join(m.Mountpoint, strings.TrimPrefix(s.path, strings.TrimSuffix(m.Root, "/"))))
		}
	}
	return list
}

// within reports whether p is dir or below it.
func Within(p, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return p == dir || strings.HasPrefix(p, dir+"/")
}
