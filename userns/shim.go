package userns

import (
	"path"
	"strings"
)

// A Shim is a process on the host that holds a container.
type Shim struct {
	PID         int
	Program     string // its name: "containerd-shim-runc-v2", "conmon"
	ContainerID string

	// Namespace is containerd's: "moby" for a daemon that does not remap or is
	// old, "moby-100000.100000" for one that does. Empty for conmon.
	Namespace string

	// Address is the socket of the containerd that it reports to, which tells
	// engines on one host apart. Empty for conmon.
	Address string

	// Anybody can give a process the arguments of a shim. UID is the effective
	// user that it runs as, and In the container that it is itself in, as with
	// Docker in Docker: what root's processes hold outside containers, only
	// root's say.
	UID uint32
	In  Container
}

// ParseShim reads the arguments of a process and reports whether it is a shim.
// UID and In are not among them.
func ParseShim(argv []string) (Shim, bool) {
	if len(argv) == 0 {
		return Shim{}, false
	}
	s := Shim{Program: path.Base(argv[0])}
	id := ""
	switch {
	case strings.HasPrefix(s.Program, "containerd-shim"):
		id = "id"
	case s.Program == "conmon":
		id = "c"
	default:
		return Shim{}, false
	}
	for args := argv[1:]; len(args) > 0; args = args[1:] {
		// Go's flag package takes one dash or two, "-id X" or "-id=X"; conmon's
		// -c and --cid are the same.
		name, value, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-"), "=")
		if name == args[0] {
			continue
		}
		if !joined && len(args) > 1 {
			value = args[1]
		}
		switch {
		case name == id || name == "cid" && id == "c":
			s.ContainerID = value
		case name == "namespace" && id == "id":
			s.Namespace = value
		case name == "address" && id == "id":
			s.Address = value
		}
	}
	if s.ContainerID == "" { // "-info", "-v"
		return Shim{}, false
	}
	return s, true
}
