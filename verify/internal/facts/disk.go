package facts

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/engine"
)

// A disk is what the checks look at in the file system, but for the
// configuration: the way to the data-root, its stores, the daemon's socket, and
// what is mounted into running containers.
type disk struct {
	// parents are the directories from / to the store in use, in this order.
	Parents []dir
	Stores  []store
	NoStore error // why the data-root could not be listed

	Mounts  reading[mountTable] // of the host
	Sockets []Socket
	Inside  map[string]*inside // by container ID
}

// A dir is a directory with who may do what there.
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

// A socket is a socket of the daemon on the host.
type Socket struct {
	Path     string
	Dev, Ino uint64
	Inode
	err error
}

// inside is what a running container has mounted.
type inside struct {
	Mounts  reading[mountTable]
	Sockets []Found // where in the container a socket of the daemon is
	Unseen  error   // why that could not be looked at
	Sources []Source
}

// A found socket is one of the host's, at a path of the container.
type Found struct {
	Socket
	At string
}

// A source is what a mount of a container leads to.
type Source struct {
	engine.Mount
	Inode
	Fstype string
	Err    error
	// asked is what the kernel says to a process with the container's IDs; nil
	// where there was no [Options.Helper] to ask with.
	Asked *probe.Access
	// IDMap is that of an idmapped mount: owners are others there than at the
	// source. nil for a mount as any other.
	IDMap *IDMap
}

// An IDMap is the map of an idmapped mount, or why it cannot be told. An ID is an
// owner on the disk, its host ID the one that the mount shows.
type IDMap struct {
	userns.Mapping
	Err error
}

// Shown returns the owner of a file as the mount shows it; false where it shows
// nobody's.
func (m *IDMap) Shown(uid, gid uint32) (u, g uint32, ok bool) {
	if m == nil {
		return uid, gid, true
	}
	u, ok1 := m.UID.ToHost(uid)
	g, ok2 := m.GID.ToHost(gid)
	return u, g, ok1 && ok2
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

// readMounts reads what containers have mounted, by their first processes.
func (f *Facts) readMounts(context.Context) {
	f.Disk.Inside = map[string]*inside{}
	for _, b := range f.Containers {
		p, ok := b.First()
		if !ok {
			continue
		}
		in := f.Disk.lookInside(f, b, p.PID)
		for i := 0; in.Mounts.Err != nil && i < len(b.Processes); i++ {
			in = f.Disk.lookInside(f, b, b.Processes[i].PID) // a zombie has no mounts
		}
		if in.Mounts.Err != nil && !slices.ContainsFunc(b.Processes, func(p userns.Process) bool { return f.alive(p.PID) }) {
			f.Passing++
			continue // it has ended
		}
		f.Disk.Inside[b.ID] = in
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

// used reports whether an engine has ever kept something in a store. A data-root
// that was only ever remapped has the UID.GID directories and nothing else.
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
		s.Path, s.err = f.Host.Path(p) // /var/run is a link to /run nearly everywhere
		if s.err != nil {
			s.Path = p
			d.Sockets = append(d.Sockets, s) // not seen is not "not there"
			continue
		}
		info, err := f.Host.Stat(p)
		if IsNotExist(err) {
			continue
		}
		if s.err = err; err == nil {
			if info.Mode()&fs.ModeSocket == 0 {
				continue
			}
			s.Inode = InodeOf(info)
			s.Dev, s.Ino = deviceOf(info)
		}
		if key := [2]uint64{s.Dev, s.Ino}; s.err != nil || !seen[key] {
			seen[key] = true
			d.Sockets = append(d.Sockets, s)
		}
	}
}

// lookInside reads what a container has mounted, by its first process.
func (d *disk) lookInside(f *Facts, b Container, pid int) *inside {
	in := &inside{}
	proc := path.Join(f.Proc.Root, strconv.Itoa(pid))
	in.Mounts = f.mountsOf(strconv.Itoa(pid))
	if in.Mounts.Err == nil {
		d.findSockets(in, proc)
	}
	if b.Docker == nil {
		return in
	}
	for _, m := range b.Docker.Mounts {
		if m.Source == "" || m.Type != "bind" && m.Type != "volume" {
			continue
		}
		s := Source{Mount: m}
		shown := false // the host's own mount is idmapped, and shows owners as the container's does
		info, err := f.Host.Stat(m.Source)
		if s.Err = err; err == nil {
			s.Inode = InodeOf(info)
			if path, err := f.Host.Path(m.Source); err == nil {
				s.ACL = hasACL(path)
				if at := d.Mounts.Value.At(path); at != nil {
					s.Fstype, shown = at.FSType, idmapped(at)
				}
			}
		}
		if !shown {
			s.IDMap = f.idMap(in.Mounts.Value.At(m.Destination), pid)
		}
		in.Sources = append(in.Sources, s)
	}
	return in
}

func idmapped(m *mountinfo.Info) bool {
	return slices.Contains(strings.Split(m.Options, ","), "idmapped")
}

// idMap returns the map of a mount of a process, nil where it has none.
func (f *Facts) idMap(m *mountinfo.Info, pid int) *IDMap {
	if m == nil || !idmapped(m) {
		return nil
	}
	list, err := idmap.Mounts(f.Proc, pid)
	if err != nil {
		return &IDMap{Err: err}
	}
	for _, mount := range list {
		if mount.ID != m.ID {
			continue
		}
		mapping, ok, err := mount.Mapping.Get()
		switch {
		case err != nil:
			return &IDMap{Err: err}
		case !ok:
			return nil
		}
		return &IDMap{Mapping: mapping}
	}
	return &IDMap{Err: errors.New("the mount has gone")}
}

// mountsOf reads the mounts that a process sees.
func (f *Facts) mountsOf(process string) (r reading[mountTable]) {
	data, err := f.readProc(process + "/mountinfo")
	if err != nil {
		return reading[mountTable]{Err: err}
	}
	r.Value, r.Err = parseMounts(data)
	return r
}

// findSockets looks for the daemon's sockets in a container, wherever its
// mounts put them, and knows them by their inodes.
func (d *disk) findSockets(in *inside, proc string) {
	for _, s := range d.Sockets {
		if s.err != nil {
			in.Unseen = s.err
			continue
		}
		at, ok := d.Mounts.Value.spot(s.Path)
		if !ok {
			continue
		}
		for _, p := range in.Mounts.Value.paths(at) {
			info, err := os.Lstat(path.Join(proc, "root", p))
			switch {
			case err == nil:
				if dev, ino := deviceOf(info); dev == s.Dev && ino == s.Ino {
					in.Sockets = append(in.Sockets, Found{s, p})
				}
			case !IsNotExist(err):
				in.Unseen = err
			}
		}
	}
}
