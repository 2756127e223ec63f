package userns

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// A Container is the container that a process's control group names. An
// ordinary process cannot leave its control group.
type Container struct {
	ContainerID string // 64 hexadecimal digits; empty: not in a container
	Runtime     string // "docker", "podman", "containerd", "cri-o", "nerdctl", "kubernetes"; empty: not known from the path
	Cgroup      string // the path, as in /proc/PID/cgroup
}

// ParseCgroup reads the text of /proc/PID/cgroup, cgroups(7), version 1, 2 or
// both. Of several IDs in a path, as Docker in Docker has, it takes the first,
// the host's own container. A helper outside a container, such as podman's
// conmon, does not count although its group has the container's ID.
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
		r := slices.Index(cgroupOrder, string(controllers))
		if r < 0 {
			r = len(cgroupOrder)
		}
		if c := containerOf(string(path)); r < rank && c.ContainerID != "" {
			best, rank = c, r
		}
	}
	return best
}

// cgroupOrder is the order of trust where hierarchies differ: the unified one,
// then those that every runtime sets.
var cgroupOrder = []string{"", "pids", "memory", "name=systemd"}

func containerOf(path string) Container {
	whole := strings.TrimSuffix(path, " (deleted)")
	parent := ""
	for part := range strings.SplitSeq(whole, "/") {
		name := strings.TrimSuffix(part, ".scope")
		at := max(len(name)-64, 0)
		// "docker-ID", and "system.slice:docker:ID" of an engine that gives a runtime
		// without systemd's driver the name for one.
		prefix := strings.TrimRight(name[:at], "-:")
		separated := at == 0 || len(prefix) < at
		prefix = prefix[strings.LastIndexByte(prefix, ':')+1:]
		switch {
		// Helpers are libpod-conmon-ID.scope and crio-conmon-ID.scope. Podman's pods
		// are libpod_parent/ID.
		case !isID(name[at:]), !separated, strings.HasSuffix(prefix, "conmon"), prefix == "" && parent == "libpod_parent":
			parent = part
		default:
			return Container{ContainerID: name[at:], Runtime: runtimeOf(prefix, parent, whole), Cgroup: path}
		}
	}
	return Container{}
}

func isID(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

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

	// UID is the effective user ID, and In the container that the shim is in,
	// as with Docker in Docker. Any process can have the arguments of a shim:
	// trust only those of root outside containers.
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
