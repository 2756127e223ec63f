package verify

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// A disk is what the checks look at in the file system, but for the
// configuration: the way to the data-root, its stores, the daemon's socket, and
// what is mounted into running containers.
type disk struct {
	// parents are the directories from / to the store in use, in this order.
	parents []dir
	stores  []store
	noStore error // why the data-root could not be listed

	mounts  reading[mountTable] // of the host
	sockets []socket
	inside  map[string]*inside // by container ID
}

// A dir is a directory with who may do what there.
type dir struct {
	path string
	inode
	err error
}

// A store is one of the stores below the data-root.
type store struct {
	name            string // "100000.100000", "" for the one without remapping
	images, volumes int
	unread          string
	changed         time.Time
}

// A socket is a socket of the daemon on the host.
type socket struct {
	path     string
	dev, ino uint64
	inode
	err error
}

// inside is what a running container has mounted.
type inside struct {
	mounts  reading[mountTable]
	sockets []found // where in the container a socket of the daemon is
	unseen  error   // why that could not be looked at
	sources []source
}

// A found socket is one of the host's, at a path of the container.
type found struct {
	socket
	at string
}

// A source is what a mount of a container leads to.
type source struct {
	engine.Mount
	inode
	fstype string
	err    error
	// asked is what the kernel says to a process with the container's IDs; nil
	// where there was no [Options.Helper] to ask with.
	asked *userns.Access
}

func readDisk(f *facts) disk {
	d := disk{inside: map[string]*inside{}}
	d.readStores(f.host, f.conf.dataRoot)
	root := f.conf.dataRoot
	if f.engine != nil {
		root = f.engine.RootDir
	} else if f.ids.mapped() {
		root = path.Join(root, f.ids.root())
	}
	d.readParents(f.host, root)
	if !f.proc {
		return d
	}
	d.mounts = f.readMounts("self")
	d.readSockets(f)
	for _, b := range f.boxes {
		if p, ok := b.first(); ok {
			d.inside[b.id] = d.lookInside(f, b, p.PID)
		}
	}
	return d
}

func (d *disk) readParents(h usernskit.Host, root string) {
	at := "/"
	for _, elem := range append([]string{""}, strings.Split(strings.Trim(root, "/"), "/")...) {
		at = path.Join(at, elem)
		info, err := h.Stat(at)
		e := dir{path: at, err: err}
		if err == nil {
			e.inode = inodeOf(info)
			if real, err := h.Path(at); err == nil {
				e.ACL = hasACL(real)
			}
		}
		d.parents = append(d.parents, e)
		if err != nil {
			return
		}
	}
}

func (d *disk) readStores(h usernskit.Host, root string) {
	list, err := h.ReadDir(root)
	if err != nil {
		d.noStore = err
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
		s := store{name: name}
		e, err := readStore(h, dir)
		if err != nil {
			s.unread = err.Error()
		} else {
			s.images, s.volumes = len(e.Images), len(e.Volumes)
			for _, part := range []string{"Images", "Volumes"} {
				if why := e.Unread[part]; why != "" {
					s.unread = why
				}
			}
		}
		for _, sub := range []string{"containers", "volumes", "image"} {
			if info, err := h.Stat(path.Join(dir, sub)); err == nil && info.ModTime().After(s.changed) {
				s.changed = info.ModTime()
			}
		}
		d.stores = append(d.stores, s)
	}
}

// used reports whether an engine has ever kept something in a store. A data-root
// that was only ever remapped has the UID.GID directories and nothing else.
func used(h usernskit.Host, dir string) bool {
	for _, sub := range []string{"image", "volumes", "containers"} {
		if _, err := h.Stat(path.Join(dir, sub)); err == nil || !isNotExist(err) {
			return true
		}
	}
	return false
}

// readSockets finds the sockets that the daemon listens on.
func (d *disk) readSockets(f *facts) {
	paths := map[string]bool{"/var/run/docker.sock": true}
	add := func(url string) {
		if p, ok := strings.CutPrefix(url, "unix://"); ok {
			paths[p] = true
		}
	}
	if f.engine != nil {
		add(f.engine.Source)
	}
	for _, flag := range f.conf.startup.Flags {
		if flag.Name == "host" {
			add(flag.Value)
		}
	}
	for _, url := range f.conf.hosts() {
		add(url)
	}
	seen := map[[2]uint64]bool{}
	for p := range paths {
		s := socket{}
		s.path, s.err = f.host.Path(p) // /var/run is a link to /run nearly everywhere
		if s.err != nil {
			continue
		}
		info, err := f.host.Stat(p)
		if isNotExist(err) {
			continue
		}
		if s.err = err; err == nil {
			if info.Mode()&fs.ModeSocket == 0 {
				continue
			}
			s.inode = inodeOf(info)
			s.dev, s.ino = deviceOf(info)
		}
		if key := [2]uint64{s.dev, s.ino}; s.err != nil || !seen[key] {
			seen[key] = true
			d.sockets = append(d.sockets, s)
		}
	}
}

// lookInside reads what a container has mounted, by its first process.
func (d *disk) lookInside(f *facts, b box, pid int) *inside {
	in := &inside{}
	proc := path.Join(f.opts.Proc.Root, strconv.Itoa(pid))
	in.mounts = f.readMounts(strconv.Itoa(pid))
	if in.mounts.err == nil {
		d.findSockets(in, proc)
	}
	if b.container == nil {
		return in
	}
	for _, m := range b.container.Mounts {
		if m.Source == "" || m.Type != "bind" && m.Type != "volume" {
			continue
		}
		s := source{Mount: m}
		info, err := f.host.Stat(m.Source)
		if s.err = err; err == nil {
			s.inode = inodeOf(info)
			if real, err := f.host.Path(m.Source); err == nil {
				s.ACL = hasACL(real)
				if at := d.mounts.value.at(real); at != nil {
					s.fstype = at.FSType
				}
			}
		}
		in.sources = append(in.sources, s)
	}
	return in
}

// readMounts reads the mounts that a process sees.
func (f *facts) readMounts(process string) (r reading[mountTable]) {
	data, err := f.readProc(process + "/mountinfo")
	if err != nil {
		return reading[mountTable]{err: err}
	}
	r.value, r.err = parseMounts(data)
	return r
}

// findSockets looks for the daemon's sockets in a container, wherever its
// mounts put them, and knows them by their inodes.
func (d *disk) findSockets(in *inside, proc string) {
	for _, s := range d.sockets {
		if s.err != nil {
			in.unseen = s.err
			continue
		}
		at, ok := d.mounts.value.spot(s.path)
		if !ok {
			continue
		}
		for _, p := range in.mounts.value.paths(at) {
			info, err := os.Lstat(path.Join(proc, "root", p))
			switch {
			case err == nil:
				if dev, ino := deviceOf(info); dev == s.dev && ino == s.ino {
					in.sockets = append(in.sockets, found{s, p})
				}
			case !isNotExist(err):
				in.unseen = err
			}
		}
	}
}
