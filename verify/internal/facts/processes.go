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

	// failed says which processes could not be read, by PID; 0 is the scan.
	Failed   map[int]error
	ShimsErr error

	// childless are the shims that hold no process any more.
	childless map[int]bool

	// namespaces are the user namespaces other than the reader's.
	Namespaces map[uint64]bool
}

func readProcesses(ctx context.Context, proc userns.FS, deep bool) scan {
	s := scan{Failed: map[int]error{}, Namespaces: map[uint64]bool{}, childless: map[int]bool{}}
	for p, err := range proc.Processes(ctx, userns.Options{Deep: deep, Coverage: &s.Coverage}) {
		if err != nil {
			s.Failed[p.PID] = err
			continue
		}
		s.processes = append(s.processes, p)
	}
	for _, p := range s.processes {
		if p.UserNS != 0 && p.UserNS != s.Coverage.UserNS {
			s.Namespaces[p.UserNS] = true
		}
	}
	for shim, err := range proc.Shims(ctx) {
		if err != nil {
			s.ShimsErr = err
			continue
		}
		s.Shims = append(s.Shims, shim)
		// proc_pid_task_children(5)
		children, err := os.ReadFile(path.Join(ProcRoot(proc), fmt.Sprintf("%d/task/%[1]d/children", shim.PID)))
		s.childless[shim.PID] = err == nil && len(strings.TrimSpace(string(children))) == 0 || IsNotExist(err) && !Exists(path.Join(ProcRoot(proc), strconv.Itoa(shim.PID)))
	}
	return s
}

func ProcRoot(proc userns.FS) string {
	if proc.Root == "" {
		return "/proc"
	}
	return proc.Root
}

func Exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// gaps says what the scan cannot have seen.
func (s *scan) Gaps() []string {
	gaps := s.Coverage.Gaps()
	if err := s.Failed[0]; err != nil {
		gaps = append(gaps, err.Error())
	}
	return gaps
}

// inHostNS reports whether a process is in the reader's own user namespace.
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

// A box is a container as the kernel shows it.
type Container struct {
	ID        string
	Docker    *engine.Container // as Docker shows it; nil where it does not know it
	Processes []userns.Process
	Shim      *userns.Shim
	// other is the containerd of another daemon that the container belongs to.
	Other string
}

// String returns what people call the container.
func (b Container) String() string {
	if b.Docker != nil {
		return b.Docker.String()
	}
	return engine.ShortID(b.ID)
}

func (b Container) Holds(pid int) bool {
	return slices.ContainsFunc(b.Processes, func(p userns.Process) bool { return p.PID == pid })
}

// first returns the process that the container was started with, as far as it
// can be told.
func (b Container) First() (userns.Process, bool) {
	for _, p := range b.Processes {
		if b.Docker != nil && p.PID == b.Docker.PID || p.IsInit() {
			return p, true
		}
	}
	if len(b.Processes) == 0 {
		return userns.Process{}, false
	}
	return b.Processes[0], true
}

// sortBoxes finds the containers of Docker: those whose control group or shim
// says so, and those that the daemon lists whatever their group is called.
// Containers of other programs are not among them.
func (f *Facts) sortBoxes() {
	byID := map[string]*engine.Container{}
	if f.Engine != nil {
		for i, c := range f.Engine.Containers {
			byID[c.ID] = &f.Engine.Containers[i]
		}
	}
	all := map[string]*Container{}
	get := func(id string) *Container {
		if all[id] == nil {
			all[id] = &Container{ID: id, Docker: byID[id]}
		}
		return all[id]
	}
	for i, s := range f.Scan.Shims {
		if f.isDockers(s) && s.UID == 0 && s.In.ContainerID == "" {
			get(s.ContainerID).Shim = &f.Scan.Shims[i]
		}
	}
	known := func(id string) bool { return all[id] != nil || byID[id] != nil }
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
			// Another parent was chosen for its control group, and nobody else's
			// shim holds it: it may be one of Docker's that outlived its shim.
		default:
			continue
		}
		b := get(p.ContainerID)
		if b.Processes = append(b.Processes, *p); b.Shim == nil {
			b.Shim = shim
		}
	}
	f.Containers = nil
	for _, id := range slices.Sorted(maps.Keys(all)) {
		b := *all[id]
		if len(b.Processes) == 0 && b.Docker == nil && f.Scan.childless[b.Shim.PID] {
			continue // what it held has ended
		}
		f.Containers = append(f.Containers, b)
	}
	f.markOthers()
}

// isDockers reports whether a shim holds a container of Docker: its namespace is
// the one that this daemon has or is to have, with or without the UID.GID of
// remapping, or that of a Docker of which nothing else is known.
func (f *Facts) isDockers(s userns.Shim) bool {
	names := []string{f.Config.namespace()}
	if f.Engine != nil {
		names = append(names, f.Engine.Namespace)
	}
	for _, name := range names {
		if name != "" && withoutStore(name) == withoutStore(s.Namespace) {
			return true
		}
	}
	return strings.HasPrefix(s.Namespace, "moby")
}

// withoutStore returns "moby" of "moby-100000.100000".
func withoutStore(namespace string) string {
	if i := strings.LastIndexByte(namespace, '-'); i >= 0 && storeName.MatchString(namespace[i+1:]) {
		return namespace[:i]
	}
	return namespace
}

// owner returns the container that a process is in. Of several in the path of
// its control group it is the innermost that Docker knows, since the parent can
// be chosen to be another container's group; else the outermost.
func owner(p userns.Process, known func(string) bool) string {
	id := p.ContainerID
	for part := range strings.SplitSeq(p.Cgroup, "/") {
		if c := userns.ParseCgroup([]byte("0::" + part)); c.ContainerID != "" && known(c.ContainerID) {
			id = c.ContainerID
		}
	}
	return id
}

// shimOf returns the shim that holds a process, or nil. Anybody can call a
// process a shim: root's are believed, and those of users of whom the process's
// user namespace is, as in rootless Docker.
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

// markOthers finds the containers of another daemon on the same host: those
// whose shim reports to another containerd than that of this daemon. Where it
// is not known which one that is, they are all taken for this daemon's.
func (f *Facts) markOthers() {
	ours := map[string]bool{}
	if f.Engine != nil && f.Engine.Containerd != "" {
		ours[f.Engine.Containerd] = true
	}
	for _, b := range f.Containers {
		if b.Docker != nil && b.Shim != nil && b.Shim.Address != "" {
			ours[b.Shim.Address] = true
		}
	}
	for i, b := range f.Containers {
		if len(ours) > 0 && b.Docker == nil && b.Shim != nil && b.Shim.Address != "" && !ours[b.Shim.Address] {
			f.Containers[i].Other = b.Shim.Address
		}
	}
}

// orphans are the containers that run and that the daemon does not list.
func (f *Facts) Orphans() []Container {
	var list []Container
	if f.Engine == nil || f.NoEngine != nil {
		return nil
	}
	for _, b := range f.Containers {
		if b.Docker == nil && b.Other == "" {
			list = append(list, b)
		}
	}
	return list
}

// foreign returns the processes in user namespaces that are none of Docker's.
func (f *Facts) Foreign() []userns.Process {
	ours := map[string]bool{}
	for _, b := range f.Containers {
		ours[b.ID] = true
	}
	var list []userns.Process
	for _, p := range f.Scan.processes {
		if !ours[p.ContainerID] && !f.Scan.InHostNS(p) {
			list = append(list, p)
		}
	}
	return list
}
