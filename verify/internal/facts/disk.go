package facts

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	ondisk "github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/verify/engine"
)

// A disk is what the checks need of the file system: the directories above the
// data-root, its stores, the daemon's socket, and mounts of running containers.
type disk struct {
	// parents are the directories from / to the store in use, in this order.
	Parents []dir
	Stores  []store
	NoStore error // why the data-root could not be listed

	Mounts  reading[mountTable] // of the host
	Sockets []Socket
	Inside  map[string]*inside // by container ID
}

// A dir is a directory and its access rights.
type dir struct {
	Path string
	Inode
	Err error
}

// A store is one of the stores below the data-root.
type store struct {
	Name            string // "100000.100000", "" for the one without remapping
	Images, Volumes int
	Unread          string
	Changed         time.Time
}

// A Socket is one of the daemon on the host.
type Socket struct {
	Path     string
	Dev, Ino uint64
	Inode
	Err error
}

// readPath reads the directories that lead to the store in use.
func (f *Facts) readPath(context.Context) {
	root := f.Config.DataRoot
	if f.Engine != nil {
		root = f.Engine.RootDir
	} else if f.IDs.Mapped() {
		root = path.Join(root, f.IDs.Root())
	}
	f.Disk.readParents(f.Host, root)
}

func (f *Facts) readStores(context.Context) { f.Disk.readStores(f.Host, f.Config.DataRoot) }

func (f *Facts) readHostMounts(context.Context) {
	if f.HasProc {
		f.Disk.Mounts = f.mountsOf("self")
		f.Disk.readSockets(f)
	}
}

func (d *disk) readParents(h usernskit.Host, root string) {
	at := "/"
	for _, elem := range append([]string{""}, strings.Split(strings.Trim(root, "/"), "/")...) {
		at = path.Join(at, elem)
		info, err := h.Stat(at)
		e := dir{Path: at, Err: err}
		if err == nil {
			e.Inode = InodeOf(info)
			if path, err := h.Path(at); err == nil {
				e.ACL = hasACL(path)
			}
		}
		d.Parents = append(d.Parents, e)
		if err != nil {
			return
		}
	}
}

func (d *disk) readStores(h usernskit.Host, root string) {
	list, err := h.ReadDir(root)
	if err != nil {
		d.NoStore = err
		return
	}
	names := []string{""}
	for _, e := range list {
		if e.IsDir() && storeName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		dir := path.Join(root, name)
		if !used(h, dir) {
			continue
		}
		s := store{Name: name}
		e, err := ReadStore(h, dir)
		if err != nil {
			s.Unread = err.Error()
		} else {
			s.Images, s.Volumes = len(e.Images), len(e.Volumes)
			for _, part := range []string{"Images", "Volumes"} {
				if why := e.Unread[part]; why != "" {
					s.Unread = why
				}
			}
		}
		for _, sub := range []string{"containers", "volumes", "image"} {
			if info, err := h.Stat(path.Join(dir, sub)); err == nil && info.ModTime().After(s.Changed) {
				s.Changed = info.ModTime()
			}
		}
		d.Stores = append(d.Stores, s)
	}
}

// used reports whether an engine has used a store. A data-root that was always
// remapped has only the UID.GID directories.
func used(h usernskit.Host, dir string) bool {
	for _, sub := range []string{"image", "volumes", "containers"} {
		if _, err := h.Stat(path.Join(dir, sub)); err == nil || !IsNotExist(err) {
			return true
		}
	}
	return false
}

// readSockets finds the sockets that the daemon listens on.
func (d *disk) readSockets(f *Facts) {
	paths := map[string]bool{"/var/run/docker.sock": true}
	add := func(url string) {
		if p, ok := strings.CutPrefix(url, "unix://"); ok {
			paths[p] = true
		}
	}
	if f.Engine != nil {
		add(f.Engine.Source)
	}
	for _, url := range f.Config.listens() {
		add(url)
	}
	seen := map[[2]uint64]bool{}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		s := Socket{}
		s.Path, s.Err = f.Host.Path(p) // /var/run is a link to /run nearly everywhere
		if s.Err != nil {
			s.Path = p
			d.Sockets = append(d.Sockets, s) // not seen is not "not there"
			continue
		}
		info, err := f.Host.Stat(p)
		if IsNotExist(err) {
			continue
		}
		if s.Err = err; err == nil {
			if info.Mode()&fs.ModeSocket == 0 {
				continue
			}
			s.Inode = InodeOf(info)
			s.Dev, s.Ino = deviceOf(info)
		}
		if key := [2]uint64{s.Dev, s.Ino}; s.Err != nil || !seen[key] {
			seen[key] = true
			d.Sockets = append(d.Sockets, s)
		}
	}
}

// storeName is the name of a remapped store below the data-root: UID.GID.
var storeName = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})$`)

// ReadStore reads a daemon's store below its data-root (with the UID.GID if it
// remaps). It returns fs.ErrNotExist if the store does not exist.
func ReadStore(h usernskit.Host, root string) (*engine.Engine, error) {
	s, err := ondisk.Read(h, root)
	if err != nil {
		return nil, err
	}
	e := &engine.Engine{Source: root, RootDir: root, Driver: s.Driver, Swarm: "inactive", BuildCache: -1, Unread: map[string]string{}}
	for part, why := range s.Unread {
		e.Unread[part] = why
	}
	// The rest is in a database of Docker's, or known to the daemon only.
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
