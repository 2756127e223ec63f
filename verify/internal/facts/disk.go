package facts

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/verify/engine"
)

// A disk is what the checks need of the file system: the directories above the
// data-root, its stores, the host's mounts, and the daemon's sockets.
type disk struct {
	// Parents are the directories from / to the store in use, in this order.
	Parents []dir
	Stores  []keptStore
	NoStore error // why the data-root could not be listed

	Mounts reading[mountTable] // of the host
	// Sockets are those that the daemon listens on, and SocketsErr is why one of
	// them could not be looked at.
	Sockets    []Socket
	SocketsErr error
}

// A dir is a directory and its access rights.
type dir struct {
	Path string
	Inode
	Err error
}

// A keptStore is one of the stores below the data-root.
type keptStore struct {
	Name            string // "100000.100000", "" for the one without remapping
	Images, Volumes int
	Unread          string
	Changed         time.Time
}

// A Socket is a socket of the daemon on the host.
type Socket struct {
	Path string
	Inode
}

// readPath reads the directories that lead to the store in use.
func (f *Facts) readPath(context.Context) {
	root := f.Config.DataRoot
	if f.Engine != nil {
		root = f.Engine.RootDir
	} else if f.IDs.Mapped() {
		root = path.Join(root, f.IDs.Root())
	}
	at := "/"
	for _, elem := range append([]string{""}, strings.Split(strings.Trim(root, "/"), "/")...) {
		at = path.Join(at, elem)
		d := dir{Path: at}
		d.Inode, _, d.Err = stat(f.Host, at)
		f.Disk.Parents = append(f.Disk.Parents, d)
		if d.Err != nil {
			return
		}
	}
}

// readStores reads the stores that an engine has used. A data-root that was
// always remapped has only the UID.GID directories.
func (f *Facts) readStores(context.Context) {
	list, err := f.Host.ReadDir(f.Config.DataRoot)
	if err != nil {
		f.Disk.NoStore = err
		return
	}
	names := []string{""}
	for _, e := range list {
		if _, _, ok := store.ParseName(e.Name()); ok && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		dir := path.Join(f.Config.DataRoot, name)
		s, used := keptStore{Name: name}, false
		for _, sub := range []string{"containers", "volumes", "image"} {
			info, err := f.Host.Stat(path.Join(dir, sub))
			used = used || !IsNotExist(err)
			if err == nil && info.ModTime().After(s.Changed) {
				s.Changed = info.ModTime()
			}
		}
		if !used {
			continue
		}
		if e, err := ReadStore(f.Host, dir); err != nil {
			s.Unread = err.Error()
		} else {
			s.Images, s.Volumes, s.Unread = len(e.Images), len(e.Volumes), cmp.Or(e.Unread["Volumes"], e.Unread["Images"])
		}
		f.Disk.Stores = append(f.Disk.Stores, s)
	}
}

// readHostMounts reads the host's mounts, and finds the sockets that the daemon
// listens on.
func (f *Facts) readHostMounts(context.Context) {
	if !f.HasProc {
		return
	}
	d := &f.Disk
	d.Mounts = f.mountsOf("self")
	urls := append(f.Config.listens(), "unix:///var/run/docker.sock")
	if f.Engine != nil {
		urls = append(urls, f.Engine.Source)
	}
	for _, url := range urls {
		name, ok := strings.CutPrefix(url, "unix://")
		if !ok {
			continue
		}
		s := Socket{Path: name}
		at, err := f.Host.Path(name) // /var/run is a link to /run nearly everywhere
		if err == nil {
			s.Path = at
			s.Inode, _, err = stat(f.Host, name)
			if IsNotExist(err) || err == nil && s.Mode&fs.ModeSocket == 0 {
				continue
			}
		}
		if err != nil {
			d.SocketsErr = err // not seen is not "not there"
		}
		if !slices.ContainsFunc(d.Sockets, func(o Socket) bool { return o.Path == s.Path || err == nil && o.Dev == s.Dev && o.Ino == s.Ino }) {
			d.Sockets = append(d.Sockets, s)
		}
	}
}

// ReadStore reads a daemon's store below its data-root (with the UID.GID if it
// remaps). It returns fs.ErrNotExist if the store does not exist.
func ReadStore(h usernskit.Host, root string) (*engine.Engine, error) {
	s, err := store.Read(h, root)
	if err != nil {
		return nil, err
	}
	// The rest is in a database of Docker's, or known to the daemon only.
	s.Unread["Networks"] = "kept in a database that only the daemon reads"
	s.Unread["Authz"] = "known to the running daemon only"
	e := &engine.Engine{
		Source: root, RootDir: root, Driver: s.Driver, Swarm: "inactive", BuildCache: -1,
		Containers: s.Containers, Images: s.Images, Volumes: s.Volumes, Unread: s.Unread,
	}
	if s.Swarm {
		e.Swarm = "active"
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
