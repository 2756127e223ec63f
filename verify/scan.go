package verify

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
	shims     []userns.Shim
	coverage  userns.Coverage

	// failed says which processes could not be read, by PID; 0 is the scan.
	failed   map[int]error
	shimsErr error

	// childless are the shims that hold no process any more.
	childless map[int]bool

	// namespaces are the user namespaces other than the reader's.
	namespaces map[uint64]bool
}

func readProcesses(ctx context.Context, proc userns.FS, deep bool) scan {
	s := scan{failed: map[int]error{}, namespaces: map[uint64]bool{}, childless: map[int]bool{}}
	for p, err := range proc.Processes(ctx, userns.Options{Deep: deep, Coverage: &s.coverage}) {
		if err != nil {
			s.failed[p.PID] = err
			continue
		}
		s.processes = append(s.processes, p)
	}
	for _, p := range s.processes {
		if p.UserNS != 0 && p.UserNS != s.coverage.UserNS {
			s.namespaces[p.UserNS] = true
		}
	}
	for shim, err := range proc.Shims(ctx) {
		if err != nil {
			s.shimsErr = err
			continue
		}
		s.shims = append(s.shims, shim)
		// proc_pid_task_children(5)
		children, err := os.ReadFile(path.Join(root(proc), fmt.Sprintf("%d/task/%[1]d/children", shim.PID)))
		s.childless[shim.PID] = err == nil && len(strings.TrimSpace(string(children))) == 0 || isNotExist(err) && !exists(path.Join(root(proc), strconv.Itoa(shim.PID)))
	}
	return s
}

func root(proc userns.FS) string {
	if proc.Root == "" {
		return "/proc"
	}
	return proc.Root
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// gaps says what the scan cannot have seen.
func (s *scan) gaps() []string {
	gaps := s.coverage.Gaps()
	if err := s.failed[0]; err != nil {
		gaps = append(gaps, err.Error())
	}
	return gaps
}

// inHostNS reports whether a process is in the reader's own user namespace.
func (s *scan) inHostNS(p userns.Process) bool {
	if p.UserNS != 0 && s.coverage.UserNS != 0 {
		return p.UserNS == s.coverage.UserNS
	}
	// The links are hidden from other users; the map is not. Only the initial
	// namespace maps every ID to itself.
	id, ok := p.Mapping.UID.ToHost(0)
	last, all := p.Mapping.UID.ToHost(4294967294)
	return ok && all && id == 0 && last == 4294967294
}

// A box is a container as the kernel shows it.
type box struct {
	id        string
	container *engine.Container // as Docker shows it; nil where it does not know it
	processes []userns.Process
	shim      *userns.Shim
	// other is the containerd of another daemon that the container belongs to.
	other string
}

func (b box) subject() string {
	if b.container != nil {
		return subjectOf(b.container)
	}
	return containerSubject + engine.ShortID(b.id)
}

func (b box) holds(pid int) bool {
	return slices.ContainsFunc(b.processes, func(p userns.Process) bool { return p.PID == pid })
}

// first returns the process that the container was started with, as far as it
// can be told.
func (b box) first() (userns.Process, bool) {
	for _, p := range b.processes {
		if b.container != nil && p.PID == b.container.PID || p.IsInit() {
			return p, true
		}
	}
	if len(b.processes) == 0 {
		return userns.Process{}, false
	}
	return b.processes[0], true
}

// sortBoxes finds the containers of Docker: those whose control group or shim
// says so, and those that the daemon lists whatever their group is called.
// Containers of other programs are not among them.
func (f *facts) sortBoxes() {
	byID := map[string]*engine.Container{}
	if f.engine != nil {
		for i, c := range f.engine.Containers {
			byID[c.ID] = &f.engine.Containers[i]
		}
	}
	all := map[string]*box{}
	get := func(id string) *box {
		if all[id] == nil {
			all[id] = &box{id: id, container: byID[id]}
		}
		return all[id]
	}
	for i, s := range f.scan.shims {
		if f.isDockers(s) && s.UID == 0 && s.In.ContainerID == "" {
			get(s.ContainerID).shim = &f.scan.shims[i]
		}
	}
	known := func(id string) bool { return all[id] != nil || byID[id] != nil }
	for i := range f.scan.processes {
		p := &f.scan.processes[i]
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
		if b.processes = append(b.processes, *p); b.shim == nil {
			b.shim = shim
		}
	}
	f.boxes = nil
	for _, id := range slices.Sorted(maps.Keys(all)) {
		b := *all[id]
		if len(b.processes) == 0 && b.container == nil && f.scan.childless[b.shim.PID] {
			continue // what it held has ended
		}
		f.boxes = append(f.boxes, b)
	}
	f.markOthers()
}

// isDockers reports whether a shim holds a container of Docker: its namespace is
// the one that this daemon has or is to have, with or without the UID.GID of
// remapping, or that of a Docker of which nothing else is known.
func (f *facts) isDockers(s userns.Shim) bool {
	names := []string{f.conf.namespace()}
	if f.engine != nil {
		names = append(names, f.engine.Namespace)
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
func (f *facts) shimOf(p userns.Process) *userns.Shim {
	for i, s := range f.scan.shims {
		if s.ContainerID != p.ContainerID || s.In.ContainerID != "" {
			continue
		}
		_, theirs := p.Mapping.UID.ToContainer(s.UID)
		_, roots := p.Mapping.UID.ToContainer(0)
		if s.UID == 0 || theirs && !roots && !f.scan.inHostNS(p) {
			return &f.scan.shims[i]
		}
	}
	return nil
}

// markOthers finds the containers of another daemon on the same host: those
// whose shim reports to another containerd than that of this daemon. Where it
// is not known which one that is, they are all taken for this daemon's.
func (f *facts) markOthers() {
	ours := map[string]bool{}
	if f.engine != nil && f.engine.Containerd != "" {
		ours[f.engine.Containerd] = true
	}
	for _, b := range f.boxes {
		if b.container != nil && b.shim != nil && b.shim.Address != "" {
			ours[b.shim.Address] = true
		}
	}
	for i, b := range f.boxes {
		if len(ours) > 0 && b.container == nil && b.shim != nil && b.shim.Address != "" && !ours[b.shim.Address] {
			f.boxes[i].other = b.shim.Address
		}
	}
}

// orphans are the containers that run and that the daemon does not list.
func (f *facts) orphans() []box {
	var list []box
	if f.engine == nil || f.noEngine != nil {
		return nil
	}
	for _, b := range f.boxes {
		if b.container == nil && b.other == "" {
			list = append(list, b)
		}
	}
	return list
}

// foreign returns the processes in user namespaces that are none of Docker's.
func (f *facts) foreign() []userns.Process {
	ours := map[string]bool{}
	for _, b := range f.boxes {
		ours[b.id] = true
	}
	var list []userns.Process
	for _, p := range f.scan.processes {
		if !ours[p.ContainerID] && !f.scan.inHostNS(p) {
			list = append(list, p)
		}
	}
	return list
}

// ids4 prints the four IDs of a process as /proc/PID/status does.
func ids4(ids [4]uint32) string {
	return fmt.Sprintf("%d %d %d %d", ids[0], ids[1], ids[2], ids[3])
}
