// Package dirs knows the directories of a Linux system, whose owners must not be
// changed for a container.
package dirs

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// system are directories of the system; what is in them may be data. Below those of
// whole there is none, except for the volumes of docker.
var (
	system = []string{"/home", "/opt", "/root", "/srv", "/tmp", "/var/cache", "/var/log", "/var/spool", "/var/tmp"}
	whole  = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/proc", "/run", "/sbin", "/sys", "/usr",
		"/var/lib/containerd", "/var/lib/docker", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/systemd", "/var/run"}
	volumes = regexp.MustCompile(`^/var/lib/docker/([0-9]+\.[0-9]+/)?volumes(/|$)`)
)

// IsSystem reports whether a directory is one of the system's, is in one that has no
// data, or holds one.
func IsSystem(dir string) bool {
	dir = path.Clean(dir)
	holds := func(d string) bool { return Within(d, dir) }
	return slices.ContainsFunc(system, holds) || slices.ContainsFunc(whole, holds) ||
		!volumes.MatchString(dir) && slices.ContainsFunc(whole, func(d string) bool { return Within(dir, d) })
}

// IsSystemHere is IsSystem for a directory of this machine, whose path may lead
// through a second mount of a directory of the system.
func IsSystemHere(dir string) bool {
	for above := path.Clean(dir); above != path.Dir(above); above = path.Dir(above) {
		at, err := os.Stat(above)
		if err != nil {
			continue
		}
		for _, d := range slices.Concat([]string{"/", "/var", "/var/lib"}, system, whole) {
			if is, err := os.Stat(d); err == nil && os.SameFile(at, is) && IsSystem(path.Join(d, strings.TrimPrefix(dir, above))) {
				return true
			}
		}
	}
	return IsSystem(dir)
}

// Within reports whether a path is a directory or below it.
func Within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
