package facts

import (
	"path"
	"slices"
	"strings"
)

// KeepOwner reports whether the owners below a directory are the host's own
// affair: it is one of the system's, or holds one, so that nobody may be told to
// change them for a container.
func KeepOwner(dir string) bool {
	dir = path.Clean(dir)
	whole := []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"}
	for _, system := range append([]string{"/home", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp"}, whole...) {
		if Within(system, dir) {
			return true
		}
	}
	return slices.ContainsFunc(whole, func(system string) bool { return strings.HasPrefix(dir, system+"/") })
}
