package facts

import (
	"errors"
	"io/fs"
	"regexp"

	"github.com/usernskit/usernskit"
	ondisk "github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/verify/engine"
)

// storeName is the name of a remapped store below the data-root: UID.GID.
var storeName = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})$`)

// ReadStore reads what the daemon keeps below its data-root (with the UID.GID
// where it remaps) while it is down. It returns fs.ErrNotExist where there is
// no such store.
func ReadStore(h usernskit.Host, root string) (*engine.Engine, error) {
	s, err := ondisk.Read(h, root)
	if err != nil {
		return nil, err
	}
	e := &engine.Engine{Source: root, RootDir: root, Driver: s.Driver, Swarm: "inactive", BuildCache: -1, Unread: map[string]string{}}
	for part, why := range s.Unread {
		e.Unread[part] = why
	}
	// What follows is in a database of Docker's, or known to the daemon only.
	e.Unread["Networks"] = "kept in a database that only the daemon reads"
	e.Unread["Authz"] = "known to the running daemon only"
	if s.Swarm {
		e.Swarm = "active"
	}
	for _, c := range s.Containers {
		container := engine.Container{
			ID: c.ID, Name: c.Name, Image: c.Image, Labels: c.Labels, Running: c.Running, PID: c.PID,
			User: c.User, GroupAdd: c.GroupAdd, Restart: c.Restart,
			Userns: c.Userns, Network: c.Network, IPCMode: c.IPCMode, PIDMode: c.PIDMode, Privileged: c.Privileged, Unread: c.Unread,
		}
		for _, m := range c.Mounts {
			container.Mounts = append(container.Mounts, engine.Mount{
				Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Destination, Driver: m.Driver, ReadOnly: m.ReadOnly,
			})
		}
		for _, d := range c.Devices {
			container.Devices = append(container.Devices, engine.Device(d))
		}
		e.Containers = append(e.Containers, container)
	}
	for _, i := range s.Images {
		e.Images = append(e.Images, engine.Image{ID: i.ID, Tags: i.Tags, Digests: i.Digests, Size: -1})
	}
	for _, v := range s.Volumes {
		e.Volumes = append(e.Volumes, engine.Volume{Name: v.Name, Driver: "local", Mountpoint: v.Mountpoint, Options: v.Options})
	}
	for _, p := range s.Plugins {
		if p.Enabled {
			e.Plugins = append(e.Plugins, engine.Plugin{ID: p.ID, Name: p.Name})
		}
	}
	return e, nil
}

// IsNotExist reports whether an error says that there is no such file.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
