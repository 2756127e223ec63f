package facts

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// A scan is what /proc holds of containers and user namespaces.
type scan struct {
	processes []userns.Process
	Shims     []userns.Shim
	Coverage  userns.Coverage

	// Failed is why processes could not be read, by PID; 0 is for the scan itself.
	Failed   map[int]error
	ShimsErr error // why a shim, or what it holds, could not be read

	// childless are the shims that hold no process any more.
	childless map[int]bool

	// Namespaces are the user namespaces other than the reader's.
	Namespaces map[uint64]bool
}

func (f *Facts) readProcesses(ctx context.Context) {
	f.Scan = scan{Failed: map[int]error{}, Namespaces: map[uint64]bool{}, childless: map[int]bool{}}
	s := &f.Scan
	for p, err := range f.Proc.Processes(ctx, userns.Options{Deep: f.Deep, Coverage: &s.Coverage}) {
		switch {
		case err != nil:
			s.Failed[p.PID] = err
		case p.State == 'Z' && strings.HasSuffix(p.Cgroup, " (deleted)"):
			// A removed control group has only zombies in it. Its name alone proves
			// nothing: it can be chosen.
			s.Coverage.Vanished++
		default:
			s.processes = append(s.processes, p)
		}
	}
	for _, p := range s.processes {
		if p.UserNS != 0 && p.UserNS != s.Coverage.UserNS {
			s.Namespaces[p.UserNS] = true
		}
	}
	for shim, err := range f.Proc.Shims(ctx) {
		if err != nil {
			s.ShimsErr = err
			continue
		}
		s.Shims = append(s.Shims, shim)
		children, err := f.children(shim)
		_, gone := os.Lstat(f.ProcPath(strconv.Itoa(shim.PID)))
		s.childless[shim.PID] = err == nil && len(children) == 0 || IsNotExist(err) && gone != nil
	}
}

// children returns the processes that a shim has started and holds,
// proc_pid_task_children(5).
func (f *Facts) children(shim userns.Shim) ([]string, error) {
	data, err := f.readProc(fmt.Sprintf("%d/task/%[1]d/children", shim.PID))
	return strings.Fields(string(data)), err
}

// Gaps describes what the scan could not see.
func (s *scan) Gaps() []string {
	gaps := s.Coverage.Gaps()
	if err := s.Failed[0]; err != nil {
		gaps = append(gaps, err.Error())
	}
	return gaps
}

// OtherIDs returns why IDs in /proc are not those of the host, or "".
func (s *scan) OtherIDs() string {
	if s.Coverage.UserNS != 0 && s.Coverage.UserNS != userns.InitialUserNS {
		return "the IDs in this /proc are those of a user namespace, not the host's"
	}
	return ""
}

// InHostNS reports whether a process is in the reader's own user namespace.
func (s *scan) InHostNS(p userns.Process) bool {
	if p.UserNS != 0 && s.Coverage.UserNS != 0 {
		return p.UserNS == s.Coverage.UserNS
	}
	// The links are hidden from other users; the map is not. Only the initial
	// namespace maps every ID to itself.
	id, ok := p.Mapping.UID.ToHost(0)
	last, all := p.Mapping.UID.ToHost(4294967294)
	return ok && all && id == 0 && last == 4294967294
}

// A Container is a container of Docker as the kernel shows it.
type Container struct {
	ID        string
	Docker    *engine.Container // as Docker reports it; nil if it does not
	Plugin    *engine.Plugin    // a managed plugin that Docker lists
	Processes []userns.Process
	Shim      *userns.Shim
	Inside    *inside // what it has mounted; nil where it has ended
	// Other is the container's daemon, if it is not this one; OtherErr is why
	// that is not known.
	Other    string
	OtherAt  string // the DOCKER_HOST of that daemon; "" if not known
	OtherErr error
}

// String returns the container's name.
func (b Container) String() string {
	switch {
	case b.Docker != nil:
		return b.Docker.String()
	case b.Plugin != nil:
		return b.Plugin.Name
	}
	return engine.ShortID(b.ID)
}

// First returns the container's first process, if known.
func (b Container) First() (userns.Process, bool) {
	for _, is := range []func(userns.Process) bool{
		func(p userns.Process) bool { return b.Docker != nil && p.PID == b.Docker.PID },
		userns.Process.IsInit, // which one in a PID namespace of its own is too
		func(userns.Process) bool { return true },
	} {
		if i := slices.IndexFunc(b.Processes, is); i >= 0 {
			return b.Processes[i], true
		}
	}
	return userns.Process{}, false
}

// sortContainers finds the containers of Docker: by control group or shim, and
// those that the daemon lists.
func (f *Facts) sortContainers() {
	byID := map[string]*engine.Container{}
	plugins := map[string]*engine.Plugin{}
	if f.Engine != nil {
		for i, p := range f.Engine.Plugins {
			plugins[p.ID] = &f.Engine.Plugins[i]
		}
		for i, c := range f.Engine.Containers {
			byID[c.ID] = &f.Engine.Containers[i]
		}
	}
	all := map[string]*Container{}
	get := func(id string) *Container {
		if all[id] == nil {
			all[id] = &Container{ID: id, Docker: byID[id], Plugin: plugins[id]}
		}
		return all[id]
	}
	for i, s := range f.Scan.Shims {
		if f.isDockers(s) && s.UID == 0 && s.In.ContainerID == "" {
			get(s.ContainerID).Shim = &f.Scan.Shims[i]
		}
	}
	known := func(id string) bool { return all[id] != nil || byID[id] != nil || plugins[id] != nil }
	foreign := map[string]*Foreign{}
	for i := range f.Scan.processes {
		p := &f.Scan.processes[i]
		if p.ContainerID == "" {
			continue
		}
		p.ContainerID = owner(*p, known)
		shim := f.shimOf(*p)
		switch {
		case known(p.ContainerID), p.Runtime == "docker":
		case p.Runtime == "" && (shim == nil || f.isDockers(*shim)):
			// Its control group has another parent, and no other shim holds it:
			// it may be one of Docker's that outlived its shim.
		default:
			f.addForeign(foreign, *p, shim)
			continue
		}
		b := get(p.ContainerID)
		if b.Processes = append(b.Processes, *p); b.Shim == nil {
			b.Shim = shim
		}
	}
	f.addNamed(foreign)
	f.Containers = nil
	f.Self = f.findSelf(func(id string) bool { return byID[id] != nil })
	for _, id := range slices.Sorted(maps.Keys(all)) {
		b := *all[id]
		if len(b.Processes) == 0 && b.Shim != nil && f.Scan.childless[b.Shim.PID] && (b.Docker == nil || !b.Docker.Running) {
			continue // what it held has ended
		}
		f.Containers = append(f.Containers, b)
	}
	f.Foreign = nil
	for _, owner := range slices.Sorted(maps.Keys(foreign)) {
		f.Foreign = append(f.Foreign, *foreign[owner])
	}
	f.markOthers()
}

// findSelf returns the container that this process is in, by its own control
// group in the /proc that is read. If a control group namespace hides that, the
// files that Docker mounts into each container show it.
func (f *Facts) findSelf(listed func(string) bool) string {
	self, err := os.Readlink(f.ProcPath("self"))
	pid, bad := strconv.Atoi(self)
	if err != nil || bad != nil {
		return ""
	}
	id := ""
	if cgroup, err := f.readProc(self + "/cgroup"); err == nil {
		id = userns.ParseCgroup(cgroup).ContainerID
	}
	if id == "" {
		for _, m := range f.mountsOf(self).Value {
			dir, file := path.Split(m.Root)
			if name := path.Base(dir); m.Mountpoint == "/etc/hostname" && file == "hostname" && len(name) == 64 && path.Base(path.Dir(path.Clean(dir))) == "containers" {
				id = name
			}
		}
	}
	if id == "" || f.answered() && !listed(id) {
		return ""
	}
	// A process that shares only the control group, and not the mount namespace,
	// is not the container's auditor.
	mine, err := os.Readlink(f.ProcPath(self + "/ns/mnt"))
	if err != nil {
		return ""
	}
	for _, p := range f.Scan.processes {
		if p.ContainerID != id || p.PID == pid {
			continue
		}
		if theirs, err := os.Readlink(f.ProcPath(strconv.Itoa(p.PID) + "/ns/mnt")); theirs != mine && !IsNotExist(err) {
			return ""
		}
	}
	return id
}

// Foreign are the containers of one other program on the host.
type Foreign struct {
	Owner      string // "containerd (namespace default)", "podman"
	Containers int
	HostRoot   int            // of these, with a process that is not remapped, or that can become root of the host
	Nobodys    bool           // neither a control group nor a shim shows whose they are
	First      userns.Process // the first such process

	root map[string]bool // by container ID: is counted in HostRoot
}

func (f *Facts) addForeign(all map[string]*Foreign, p userns.Process, shim *userns.Shim) {
	owner, nobodys := p.Runtime, false
	switch {
	case shim != nil && shim.Namespace != "":
		owner = "containerd (namespace " + shim.Namespace + ")"
	case owner == "":
		owner, nobodys = "another program", true
	}
	g := all[owner]
	if g == nil {
		g = &Foreign{Owner: owner, Nobodys: nobodys, root: map[string]bool{}}
		all[owner] = g
	}
	counted, seen := g.root[p.ContainerID]
	if !seen {
		g.Containers++
		g.root[p.ContainerID] = false
	}
	if _, root := p.Mapping.UID.ToContainer(0); !counted && (root || f.Scan.InHostNS(p)) {
		if g.HostRoot++; g.HostRoot == 1 {
			g.First = p
		}
		g.root[p.ContainerID] = true
	}
}

// addNamed adds the containers of other shims whose ID is a name, as from "ctr
// run IMAGE NAME". Control groups do not show these; the children of the shim
// are the container's processes.
func (f *Facts) addNamed(all map[string]*Foreign) {
	for i, s := range f.Scan.Shims {
		if f.isDockers(s) || s.UID != 0 || s.In.ContainerID != "" || userns.ParseCgroup([]byte("0::/"+s.ContainerID)).ContainerID != "" {
			continue
		}
		children, err := f.children(s)
		if _, gone := os.Lstat(f.ProcPath(strconv.Itoa(s.PID))); err != nil && gone == nil {
			f.Scan.ShimsErr = err
		}
		for _, child := range children {
			p := userns.Process{Container: userns.Container{ContainerID: s.ContainerID}}
			ns, err := os.Readlink(f.ProcPath(child + "/ns/user"))
			if err != nil {
				if !IsNotExist(err) { // else it has ended
					f.Scan.ShimsErr = err
				}
				continue
			}
			_, _ = fmt.Sscanf(ns, "user:[%d]", &p.UserNS)
			p.PID, _ = strconv.Atoi(child)
			cgroup, _ := f.readProc(child + "/cgroup")
			p.Cgroup = userns.ParseCgroup(cgroup).Cgroup
			f.addForeign(all, p, &f.Scan.Shims[i])
		}
	}
}

// owner returns the container that a process is in. If the path of its control
// group has several, it is the innermost that Docker knows, since a container
// may be given another's group as its parent; else the outermost.
func owner(p userns.Process, known func(string) bool) string {
	id := p.ContainerID
	for part := range strings.SplitSeq(p.Cgroup, "/") {
		if c := userns.ParseCgroup([]byte("0::" + part)); c.ContainerID != "" && known(c.ContainerID) {
			id = c.ContainerID
		}
	}
	return id
}

// shimOf returns the shim that holds a process, or nil. Any process can be
// named like a shim: only root's count, and those of the owner of the process's
// user namespace, as in rootless Docker.
func (f *Facts) shimOf(p userns.Process) *userns.Shim {
	for i, s := range f.Scan.Shims {
		if s.ContainerID != p.ContainerID || s.In.ContainerID != "" {
			continue
		}
		_, theirs := p.Mapping.UID.ToContainer(s.UID)
		_, roots := p.Mapping.UID.ToContainer(0)
		if s.UID == 0 || theirs && !roots && !f.Scan.InHostNS(p) {
			return &f.Scan.Shims[i]
		}
	}
	return nil
}

// Orphans returns the running containers that this daemon does not list, and
// that no other daemon may have.
func (f *Facts) Orphans() []Container {
	if !f.answered() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.Containers), func(b Container) bool {
		return b.Docker != nil || b.Plugin != nil || b.Other != "" || b.OtherErr != nil
	})
}

// ForeignProcesses returns the processes that are in another user namespace and
// in no container of Docker.
func (f *Facts) ForeignProcesses() []userns.Process {
	return slices.DeleteFunc(slices.Clone(f.Scan.processes), func(p userns.Process) bool {
		return f.Scan.InHostNS(p) || slices.ContainsFunc(f.Containers, func(b Container) bool { return b.ID == p.ContainerID })
	})
}
