// Package engine holds what Docker reports about itself, as plain data.
//
// Package verify/docker reads an [Engine] from a running daemon. Package verify
// checks it against the kernel.
package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrDown is matched by the error of a reader where nothing answers at the
// daemon's address. Any other error means that it could not be asked.
var ErrDown = errors.New("the Docker daemon does not answer")

// An Engine is what Docker reports about itself and its containers: the daemon,
// or with the daemon down the files below its data-root.
type Engine struct {
	// Source is where this is from: "unix:///var/run/docker.sock", or the
	// directory whose files were read.
	Source string
	// Down is why the daemon did not answer, if the facts are from files.
	Down string

	// PeerPID is the process that listens on the unix socket that was asked:
	// the daemon, or init where it hands the socket to the daemon. 0 if not
	// known, as with a daemon on another machine.
	PeerPID int

	Version         string   // "29.7.2"; "" from files
	API             string   // "1.52"
	RootDir         string   // data-root in use, with its "/UID.GID"
	SecurityOptions []string // "name=userns", "name=rootless", ...
	// Namespace is the containerd namespace of containers, "moby" or
	// "moby-UID.GID". Empty before API 1.46.
	Namespace string
	// Containerd is the socket of the containerd in use. Empty before API 1.46.
	Containerd  string
	LiveRestore bool
	Swarm       string   // "active", "inactive"...; "" where not known
	Authz       []string // authorization plugins
	Driver      string   // storage driver
	// ImageStore: images are in containerd's store, which remapping switches off.
	ImageStore bool

	Containers []Container // all of them, stopped ones too
	Images     []Image
	Volumes    []Volume
	Networks   []string // made by users
	Plugins    []Plugin // managed plugins that are enabled
	BuildCache int64    // bytes; -1 where not known

	// Unread says what could not be read, and why, by the name of the field,
	// or "Containers/NAME".
	Unread map[string]string
}

// A Container is one container and its options that matter for user namespaces.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	Running         bool
	Restarting      bool // has ended, and will be started again by itself
	PID             int  // of its first process, on the host; 0 when not running
	User            string
	GroupAdd        []string
	Restart         string // restart policy: "always"
	Runtime         string // "runc", "sysbox-runc"; "" where not known

	// Modes as docker inspect shows them: "", "host", "container:ID", ...
	Userns, Network, IPCMode, PIDMode string
	Privileged                        bool

	Mounts  []Mount
	Devices []Device
	// Unread: only ID, name, image, labels and Running are known, the options
	// are not.
	Unread bool
	// Layers are the directories of its image, uppermost first, if the storage
	// driver has them.
	Layers []string
}

// Service reports whether swarm made the container; a service cannot opt out
// of remapping.
func (c *Container) Service() bool { return c.Labels["com.docker.swarm.service.name"] != "" }

// A Plugin is a managed plugin: a container of the daemon's that is never
// remapped.
type Plugin struct{ ID, Name string }

// A Mount is a volume or bind mount of a container.
type Mount struct {
	Type        string // "bind", "volume", "tmpfs", ...
	Name        string // of the volume
	Source      string // on the host
	Destination string // in the container
	Driver      string // of the volume
	ReadOnly    bool
}

// A Device is a device of the host given to a container.
type Device struct{ Host, Container string }

// An Image is an image of the store in use.
type Image struct {
	ID      string
	Tags    []string // "busybox:latest"
	Digests []string // "busybox@sha256:..."; none: it cannot be pulled again
	Size    int64    // bytes; -1 where not known
}

// A Volume is a named or anonymous volume.
type Volume struct {
	Name, Driver, Mountpoint string
	Options                  map[string]string // of the local driver: "type": "nfs"
}

// Rootless reports whether the daemon itself runs without root.
func (e *Engine) Rootless() bool { return e != nil && e.option("rootless") }

// Remaps reports whether the daemon says that it remaps.
func (e *Engine) Remaps() bool { return e.option("userns") }

func (e *Engine) option(name string) bool {
	return slices.ContainsFunc(e.SecurityOptions, func(opt string) bool {
		first, _, _ := strings.Cut(opt, ",") // "name=seccomp,profile=builtin"
		return first == "name="+name
	})
}

// Before reports whether the daemon is older than API 1.minor; known is false
// where it did not say its version. The API version is more reliable than the
// engine's own, which builds from source choose. API 1.45 is Docker 26.0, 1.48
// is 28.0, 1.52 is 29.0.
func (e *Engine) Before(minor int) (before, known bool) {
	if e == nil {
		return false, false
	}
	var major, n int
	if _, err := fmt.Sscanf(e.API, "%d.%d", &major, &n); err != nil || major != 1 {
		return false, false
	}
	return n < minor, true
}

// Container returns the container of that name, ID or first part of an ID of
// 12 digits or more, or nil.
func (e *Engine) Container(name string) *Container {
	if e == nil || name == "" {
		return nil
	}
	// In Docker's order: a container's name may be the first digits of
	// another's ID.
	for _, is := range []func(Container) bool{
		func(c Container) bool { return c.ID == name },
		func(c Container) bool { return c.Name == name },
		func(c Container) bool { return len(name) >= 12 && strings.HasPrefix(c.ID, name) },
	} {
		if i := slices.IndexFunc(e.Containers, is); i >= 0 {
			return &e.Containers[i]
		}
	}
	return nil
}

// WhyUnread returns why the options of a container are not known.
func (e *Engine) WhyUnread(c *Container) string {
	for _, key := range []string{c.Name, ShortID(c.ID), c.ID} {
		if why := e.Unread["Containers/"+key]; why != "" {
			return why
		}
	}
	return "the daemon did not say"
}

// String returns the container's name, or its short ID.
func (c *Container) String() string {
	if c.Name == "" {
		return ShortID(c.ID)
	}
	return c.Name
}

// A Join is an option of the form container:NAME.
type Join struct {
	Option string // "--network"
	Field  string // of HostConfig: "NetworkMode"
	Target string // name or ID of the other container
}

// Joins returns the containers whose namespaces the container joins.
func (c *Container) Joins() []Join {
	var list []Join
	for _, m := range []struct{ option, field, mode string }{
		{"--network", "NetworkMode", c.Network}, {"--pid", "PidMode", c.PIDMode}, {"--ipc", "IpcMode", c.IPCMode},
	} {
		if target, ok := strings.CutPrefix(m.mode, "container:"); ok {
			list = append(list, Join{m.option, m.field, target})
		}
	}
	return list
}

// ShortID is an ID as docker ps shows it.
func ShortID(id string) string { return id[:min(12, len(id))] }
