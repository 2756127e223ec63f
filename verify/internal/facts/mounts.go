package facts

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"

	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/engine"
)

// A mountTable is what /proc/PID/mountinfo holds, in its order: a later mount
// on the same point, or on one above it, hides the earlier.
type mountTable []*mountinfo.Info

// At returns the mount that a path is on, nil in an empty table.
func (t mountTable) At(p string) *mountinfo.Info {
	var best *mountinfo.Info
	for _, m := range t {
		if dirs.Within(p, m.Mountpoint) && (best == nil || len(m.Mountpoint) >= len(best.Mountpoint)) {
			best = m
		}
	}
	return best
}

// showing returns every path of t that shows what the other table has at p, a
// path without symbolic links. Another mount may hide such a path, so compare
// the inodes.
func (t mountTable) showing(other mountTable, p string) (list []string) {
	at := other.At(p)
	if at == nil {
		return nil
	}
	inside := path.Join(at.Root, strings.TrimPrefix(p, at.Mountpoint)) // from the file system's own root
	for _, m := range t {
		if m.Major == at.Major && m.Minor == at.Minor && dirs.Within(inside, m.Root) {
			list = append(list, path.Join(m.Mountpoint, strings.TrimPrefix(inside, strings.TrimSuffix(m.Root, "/"))))
		}
	}
	return list
}

// inside is what a running container has mounted.
type inside struct {
	Mounts  reading[mountTable]
	Sockets []Found // where in the container a socket of the daemon is
	Unseen  error   // why that could not be looked at
	Sources []Source
}

// A Found is a socket of the daemon, at a path of a container.
type Found struct {
	Socket
	At string
}

// A Source is what a mount of a container leads to.
type Source struct {
	engine.Mount
	Inode
	Fstype string
	Err    error
	// Asked is the kernel's answer for a process with the container's IDs; nil
	// without [Options.Helper].
	Asked *probe.Access
	// IDMap is the map of an idmapped mount, absent for other mounts. It maps an
	// owner on the disk to the host ID that the mount shows.
	IDMap answer.Answer[userns.Mapping]
}

// Owner returns the owner of a file of the source as the mount shows it; false
// if that is nobody, or not known.
func (s Source) Owner(uid, gid uint32) (u, g uint32, ok bool) {
	m, idmapped, err := s.IDMap.Get()
	if !idmapped {
		return uid, gid, err == nil
	}
	u, ok1 := m.UID.ToHost(uid)
	g, ok2 := m.GID.ToHost(gid)
	return u, g, ok1 && ok2
}

// readMounts reads what containers have mounted, by their first processes.
func (f *Facts) readMounts(context.Context) {
	for i := range f.Containers {
		b := &f.Containers[i]
		first, ok := b.First()
		if !ok {
			continue
		}
		ended := false
		for _, p := range append([]userns.Process{first}, b.Processes...) {
			b.Inside = f.lookInside(*b, p.PID)
			err := b.Inside.Mounts.Err
			// A zombie has no mounts. Shortly before it becomes one, the kernel
			// answers EINVAL.
			ended = err != nil && (errors.Is(err, syscall.EINVAL) || !f.alive(p.PID))
			if !ended {
				break // others may have mounts of their own
			}
		}
		if ended {
			b.Inside = nil
			f.Passing++
		}
	}
}

// lookInside reads what a container has mounted, by one of its processes.
func (f *Facts) lookInside(b Container, pid int) *inside {
	d, in := &f.Disk, &inside{}
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
		s := Source{Mount: m, IDMap: answer.Absent[userns.Mapping]()}
		var path string
		s.Inode, path, s.Err = stat(f.Host, m.Source)
		at := d.Mounts.Value.At(path)
		if at != nil && s.Err == nil {
			s.Fstype = at.FSType
		}
		// An idmapped mount of the host's shows owners as the container's does.
		if at == nil || !idmapped(at) {
			s.IDMap = f.idMap(in.Mounts.Value.At(m.Destination), pid)
		}
		in.Sources = append(in.Sources, s)
	}
	return in
}

func idmapped(m *mountinfo.Info) bool {
	return slices.Contains(strings.Split(m.Options, ","), "idmapped")
}

// idMap returns the map of a mount of a process.
func (f *Facts) idMap(m *mountinfo.Info, pid int) answer.Answer[userns.Mapping] {
	if m == nil || !idmapped(m) {
		return answer.Absent[userns.Mapping]()
	}
	list, err := idmap.Mounts(f.Proc, pid)
	if err != nil {
		return answer.Unknown[userns.Mapping](err)
	}
	i := slices.IndexFunc(list, func(mount idmap.Mount) bool { return mount.ID == m.ID })
	if i < 0 {
		return answer.Unknown[userns.Mapping](errors.New("the mount has gone"))
	}
	return list[i].Mapping
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

// findSockets looks for the daemon's sockets in a container by their inodes.
func (d *disk) findSockets(in *inside, proc string) {
	in.Unseen = d.SocketsErr
	for _, s := range d.Sockets {
		if s.Ino == 0 {
			continue // it is SocketsErr
		}
		for _, p := range in.Mounts.Value.showing(d.Mounts.Value, s.Path) {
			info, err := os.Lstat(path.Join(proc, "root", p))
			switch {
			case err == nil:
				if n := InodeOf(info); n.Dev == s.Dev && n.Ino == s.Ino {
					in.Sockets = append(in.Sockets, Found{s, p})
				}
			case !IsNotExist(err):
				in.Unseen = err
			}
		}
	}
}
