package facts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/userns"
)

// readPeer checks that a dockerd has the daemon's socket, its own or one passed
// on by init. A proxy, which init may start too, may lead to another machine.
func (f *Facts) readPeer(context.Context) {
	if !f.answered() {
		return
	}
	pid := f.Engine.PeerPID
	if pid == 0 {
		f.PeerErr = fmt.Errorf("%s is not a socket of a process that is seen here", f.Engine.Source)
		return
	}
	if pid == 1 {
		if f.peer() == 0 {
			f.PeerErr = fmt.Errorf("init listens on %s, and no dockerd is seen that has it too", f.Engine.Source)
		}
		return
	}
	comm, err := f.readProc(strconv.Itoa(pid) + "/comm")
	roots, bad := f.isRoots(pid)
	switch name := strings.TrimSpace(string(comm)); {
	case err != nil, bad != nil:
		f.PeerErr = errors.Join(err, bad)
	case name != "dockerd":
		f.PeerErr = fmt.Errorf("%s belongs to process %d (%s)", f.Engine.Source, pid, name)
	case !roots:
		f.PeerErr = fmt.Errorf("%s belongs to process %d, which is not root's", f.Engine.Source, pid)
	}
}

// isRoots reports whether a process is root's: any user can name a process dockerd.
func (f *Facts) isRoots(pid int) (bool, error) {
	status, err := f.readProc(strconv.Itoa(pid) + "/status")
	return strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n"), err
}

// markOthers finds the containers of another daemon on the same host: those
// whose shim reports to another containerd than this daemon's, and those
// that the store of another dockerd holds. If that store cannot be read, their
// daemon is not known; all others count as this daemon's.
func (f *Facts) markOthers() {
	ours := f.containerds()
	for _, b := range f.Containers {
		if b.Docker != nil && b.Shim != nil && b.Shim.Address != "" {
			ours[cleanRun(b.Shim.Address)] = true
		}
	}
	for i := range f.Containers {
		b := &f.Containers[i]
		if b.Docker != nil || b.Plugin != nil {
			continue
		}
		if b.Shim != nil && b.Shim.Address != "" && len(ours) > 0 && !ours[cleanRun(b.Shim.Address)] {
			b.Other = "the containerd at " + b.Shim.Address
			continue
		}
		for _, d := range f.Daemons {
			switch held, err := f.holds(d, b.ID); {
			case held:
				b.Other, b.OtherAt, b.OtherErr = fmt.Sprintf("process %d with the store %s", d.PID, d.DataRoot), d.String(), nil
			case err != nil && b.Other == "":
				b.OtherErr = fmt.Errorf("another dockerd may have it, process %d: %w", d.PID, err)
			}
		}
	}
}

// A Daemon is another dockerd than the one that is asked.
type Daemon struct {
	PID      int
	DataRoot string
	Hosts    []string // where it listens, as DOCKER_HOST has it
	Err      error    // why its configuration is not known
}

// String returns its address, as DOCKER_HOST has it.
func (d Daemon) String() string {
	for _, host := range d.Hosts {
		if d.Err == nil && strings.Contains(host, "://") && !strings.HasPrefix(host, "fd://") {
			return host
		}
	}
	return fmt.Sprintf("process %d", d.PID)
}

// readDaemons reads how the other dockerds of the host are started.
func (f *Facts) readDaemons(ctx context.Context) {
	for _, pid := range f.Config.Startup.OtherPIDs {
		if roots, err := f.isRoots(pid); err == nil && !roots {
			continue
		}
		d := Daemon{PID: pid}
		other := Facts{Options: Options{Host: f.Host, Daemon: dockerd.Choice{PID: pid}}}
		other.readConfig(ctx)
		c := other.Config
		if d.Err = c.Unread(); d.Err == nil && len(c.Startup.Unsure) > 0 {
			d.Err = errors.New(c.Startup.Unsure[0])
		}
		d.DataRoot, d.Hosts = c.DataRoot, c.listens()
		f.Daemons = append(f.Daemons, d)
	}
}

// holds reports whether the store of a daemon has a container or a plugin of
// that ID; an error means unknown.
func (f *Facts) holds(d Daemon, id string) (bool, error) {
	if d.Err != nil || d.DataRoot == f.Config.DataRoot {
		return false, d.Err
	}
	stores, err := store.Remapped(f.Host, d.DataRoot)
	if err != nil {
		return false, err
	}
	for _, dir := range append(stores, d.DataRoot) {
		for _, kind := range []string{"containers", "plugins"} {
			if _, err := f.Host.Stat(path.Join(dir, kind, id)); !IsNotExist(err) {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// containerds returns the possible sockets of this daemon's containerd; none
// means unknown.
func (f *Facts) containerds() map[string]bool {
	switch {
	case !f.answered():
		return map[string]bool{}
	case f.Engine.Containerd != "":
		return map[string]bool{cleanRun(f.Engine.Containerd): true}
	}
	c := f.Config
	if pid := f.Engine.PeerPID; c.Unread() != nil || c.DocErr != nil || len(c.Startup.Unsure) > 0 || c.Startup.PID == 0 || pid != 1 && pid != c.Startup.PID {
		return map[string]bool{}
	}
	if at := c.text("containerd"); at != "" {
		return map[string]bool{cleanRun(at): true}
	}
	// dockerd uses the host's containerd if that runs, else starts one below its
	// exec-root.
	root := cmp.Or(c.text("exec-root"), "/run/docker")
	return map[string]bool{"/run/containerd/containerd.sock": true, cleanRun(root + "/containerd/containerd.sock"): true}
}

// cleanRun returns one spelling of a path below /run.
func cleanRun(p string) string {
	p = path.Clean(p)
	if rest, ok := strings.CutPrefix(p, "/var/run/"); ok {
		return "/run/" + rest
	}
	return p
}

// peer returns the daemon's process: the one at the other end of its socket, or
// the dockerd to which systemd passed the socket; 0 if unknown.
func (f *Facts) peer() int {
	if f.Engine.PeerPID != 1 {
		return f.Engine.PeerPID
	}
	at, err := os.Stat(strings.TrimPrefix(f.Engine.Source, "unix://"))
	table, bad := f.readProc("1/net/unix")
	if err != nil || bad != nil {
		return 0
	}
	listening := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		const acceptsConnections = "00010000"
		if w := strings.Fields(line); len(w) == 8 && w[3] == acceptsConnections {
			if info, err := f.Host.Stat(w[7]); err == nil && os.SameFile(info, at) {
				listening["socket:["+w[6]+"]"] = true
			}
		}
	}
	names, _ := os.ReadDir(f.Proc.Root)
	for _, e := range names {
		comm, _ := f.readProc(e.Name() + "/comm")
		pid, err := strconv.Atoi(e.Name())
		if err != nil || strings.TrimSpace(string(comm)) != "dockerd" {
			continue
		}
		if roots, err := f.isRoots(pid); err != nil || !roots {
			continue
		}
		dir := f.ProcPath(e.Name() + "/fd")
		open, _ := os.ReadDir(dir)
		for _, fd := range open {
			if link, err := os.Readlink(path.Join(dir, fd.Name())); err == nil && listening[link] {
				return pid
			}
		}
	}
	return 0
}

// isDockers reports whether a shim holds a container of Docker: its namespace
// is the running or configured one of this daemon, with or without the UID.GID
// of remapping, or begins with "moby", as with any other dockerd.
func (f *Facts) isDockers(s userns.Shim) bool {
	running := ""
	if f.Engine != nil {
		running = f.Engine.Namespace
	}
	namespace := withoutStore(strings.TrimPrefix(s.Namespace, "plugins.")) // of managed plugins
	return strings.HasPrefix(namespace, "moby") || namespace != "" && (namespace == withoutStore(f.Config.text("containerd-namespace")) || namespace == withoutStore(running))
}

// withoutStore returns "moby" of "moby-100000.100000".
func withoutStore(namespace string) string {
	if i := strings.LastIndexByte(namespace, '-'); i >= 0 {
		if _, _, ok := store.ParseName(namespace[i+1:]); ok {
			return namespace[:i]
		}
	}
	return namespace
}
