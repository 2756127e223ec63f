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

	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
)

// ErrDown is matched by a reader's error if nothing answers at the daemon's
// address. Any other error means that the daemon could not be asked.
var ErrDown = errors.New("the Docker daemon does not answer")

// An Engine is what Docker reports about itself and its containers, through the
// daemon or, if that is down, in the files below its data-root.
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

// The daemon reports these in the same form as they are in a store on disk.
type (
	Container = store.Container
	Mount     = store.Mount
	Option    = store.Option
	Device    = store.Device
	Image     = store.Image
	Volume    = store.Volume
)

// A Plugin is a managed plugin: a container of the daemon that is never
// remapped.
type Plugin struct{ ID, Name string }

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
// if it did not report its API version. That is more reliable than the engine's
// version, which a build from source can set. API 1.45 is Docker 26.0, 1.48 is
// 28.0, 1.52 is 29.0.
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

// Container returns the container with that name, ID or ID prefix of 12 digits
// or more, or nil.
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

// NameOf returns the name of the container with that ID, or "".
func (e *Engine) NameOf(id string) string {
	if c := e.Container(id); c != nil {
		return c.Name
	}
	return ""
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

// ShortID is an ID as docker ps shows it.
func ShortID(id string) string { return id[:min(12, len(id))] }
