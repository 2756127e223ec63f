package userns

import (
	"bytes"
	"path"
	"strings"
)

// A Container is the container of a process by its control group, which an
// ordinary process cannot leave.
type Container struct {
	ContainerID string // 64 hexadecimal digits; empty: not in a container
	Runtime     string // "docker", "podman", "containerd", "cri-o", "nerdctl", "kubernetes"; empty: not known from the path
	Cgroup      string // the path, as in /proc/PID/cgroup
}

// ParseCgroup reads the text of /proc/PID/cgroup, cgroups(7), version 1, 2 or
// both. Of several IDs in a path, as Docker in Docker has, the first is the
// host's own container. Helpers outside a container whose group has its name,
// such as podman's conmon, are not in it.
func ParseCgroup(data []byte) Container {
	best, rank := Container{}, len(cgroupOrder)+1
	for line := range bytes.Lines(data) {
		_, rest, ok := bytes.Cut(bytes.TrimRight(line, "\n"), []byte(":"))
		if !ok {
			continue
		}
		controllers, path, ok := bytes.Cut(rest, []byte(":"))
		if !ok {
			continue
		}
		if r := cgroupRank(string(controllers)); r < rank {
			if c := containerOf(string(path)); c.ContainerID != "" {
				best, rank = c, r
			}
		}
	}
	return best
}

// cgroupOrder is the order of trust where hierarchies differ: the unified one,
// then those that every runtime sets.
var cgroupOrder = [...]string{"", "pids", "memory", "name=systemd"}

func cgroupRank(controllers string) int {
	for i, name := range cgroupOrder {
		if controllers == name {
			return i
		}
	}
	return len(cgroupOrder)
}

func containerOf(path string) Container {
	whole := strings.TrimSuffix(path, " (deleted)")
	parent := ""
	for part := range strings.SplitSeq(whole, "/") {
		name := strings.TrimSuffix(part, ".scope")
		at := idAt(name)
		if at < 0 {
			parent = part
			continue
		}
		prefix := strings.TrimSuffix(name[:at], "-")
		if strings.HasSuffix(prefix, "conmon") {
			parent = part // libpod-conmon-ID.scope, crio-conmon-ID.scope
			continue
		}
		return Container{ContainerID: name[at:], Runtime: runtimeOf(prefix, parent, whole), Cgroup: path}
	}
	return Container{}
}

// idAt returns where the ID begins that ends name, or -1.
func idAt(name string) int {
	at := len(name) - 64
	if at < 0 || at > 0 && name[at-1] != '-' {
		return -1
	}
	for _, c := range []byte(name[at:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return -1
		}
	}
	return at
}

// runtimeOf uses the scope's prefix under systemd ("docker-ID.scope"), and the
// parent's name where the runtime makes groups itself ("/docker/ID").
func runtimeOf(prefix, parent, path string) string {
	if prefix == "" {
		prefix = parent
	}
	switch prefix {
	case "docker", "nerdctl":
		return prefix
	case "libpod", "libpod_parent", "libpod-payload":
		return "podman"
	case "cri-containerd":
		return "containerd"
	case "crio":
		return "cri-o"
	}
	if strings.Contains(path, "kubepods") {
		return "kubernetes"
	}
	return ""
}

// A Shim is a process on the host that holds a container.
type Shim struct {
	PID         int
	Program     string // its name: "containerd-shim-runc-v2", "conmon"
	ContainerID string

	// Namespace is containerd's: "moby" for a daemon that does not remap or is
	// old, "moby-100000.100000" for one that does. Empty for conmon.
	Namespace string

	// Address is the socket of its containerd, which identifies the engine.
	// Empty for conmon.
	Address string

	// Any process can have the arguments of a shim. UID is its effective user,
	// and In the container that it is in, as with Docker in Docker: trust only
	// those of root outside containers.
	UID uint32
	In  Container
}

// parseShim reads the arguments of a process and reports whether it is a shim.
// UID and In are not among them.
func parseShim(argv []string) (Shim, bool) {
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
