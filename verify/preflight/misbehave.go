package preflight

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/internal/fstype"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// misbehave adds an option that a container starts with, but that does not work.
func (p *preflight) misbehave(c *engine.Container, option, fix, format string, args ...any) {
	p.out.Misbehave = append(p.out.Misbehave, Trouble{c.String(), option, fmt.Sprintf(format, args...), fix})
}

// misbehaves adds what a container will not be able to use.
func (p *preflight) misbehaves(c *engine.Container) {
	if c.Userns == "host" {
		p.misbehave(c, "--userns=host", "leave the option out where the container can do without",
			"stays root of the host, gets its cgroup writable, and its image's files belong to the remapped root: setuid programs (sudo, su, ping) do not work")
		return
	}
	for _, d := range c.Devices {
		if info, err := p.Host.Stat(d.Host); err == nil && d.Host == d.Container && info.Mode().Perm()&0o006 != 0o006 {
			p.misbehave(c, "--device "+d.Host, "open the device to all, or "+optOut,
				"the device belongs to nobody in the container and is closed to others (mode %04o)", info.Mode().Perm())
		}
	}
	for _, m := range c.Mounts {
		switch m.Type {
		case "volume":
			p.volume(c, m) // those of the local driver begin empty in the new store
		case "bind":
			p.bind(c, m)
		}
	}
}

func (p *preflight) bind(c *engine.Container, m engine.Mount) {
	option := "--volume " + m.Source + ":" + m.Destination
	info, err := p.Host.Stat(m.Source)
	if err != nil {
		if facts.IsNotExist(err) {
			return // dockerd makes it, or refuses it, as it did before
		}
		p.note(fmt.Errorf("%s: %s: %w", c, m.Source, err))
		return
	}
	if p.leadsToSocket(m.Source) {
		p.misbehave(c, option, "a proxy for the API in a container that opts out, or "+optOut,
			"the daemon's socket is there: connect: permission denied, also for the container's root; --group-add does not help, since the group is shifted too")
		if !info.IsDir() {
			return
		}
	}
	if path, err := p.Host.Path(m.Source); err == nil {
		if at := p.Disk.Mounts.Value.At(path); at != nil && fstype.Remote(at.FSType) {
			p.misbehave(c, option, "let the server map the IDs, or "+optOut,
				"is on %s, whose server sees the shifted IDs and ignores what the container's root may do; root_squash makes it nobody", at.FSType)
		}
	}
	if p.want.IsZero() || !info.IsDir() && !info.Mode().IsRegular() {
		return
	}
	p.owner(c, m, option, facts.InodeOf(info))
}

// owner compares the owner of a mount's source with the container's future user.
func (p *preflight) owner(c *engine.Container, m engine.Mount, option string, n facts.Inode) {
	if facts.Mapped(p.want, n.UID, n.GID) {
		return
	}
	if !m.ReadOnly && n.Mode.IsDir() && !dirs.IsSystem(m.Source) && !slices.ContainsFunc(p.out.Moves, func(o Move) bool { return o.Path == m.Source }) {
		p.out.Moves = append(p.out.Moves, Move{Path: m.Source})
	}
	uid, gid, named := containerUser(c)
	if named {
		p.misbehave(c, option, "", "belongs to %d:%d, which is nobody (65534) in the container; what its user %s may do there depends on the mode %04o", n.UID, n.GID, c.User, n.Mode.Perm())
		return
	}
	hostUID, ok1 := p.want.UID.ToHost(uid)
	hostGID, ok2 := p.want.GID.ToHost(gid)
	if !ok1 || !ok2 {
		return // it will not start
	}
	who := facts.Subject{UID: hostUID, GIDs: []uint32{hostGID}, Map: p.want}
	read, words := fs.FileMode(4), []string{}
	if n.Mode.IsDir() {
		read = 5
	}
	if yes, known := who.Can(n, read); known && !yes {
		words = append(words, "read")
	}
	if yes, known := who.Can(n, 2); known && !yes && !m.ReadOnly {
		words = append(words, "write")
	}
	if len(words) == 0 {
		return
	}
	fix := "copy what the container needs into a volume, or " + optOut
	if !dirs.IsSystem(m.Source) {
		fix = fmt.Sprintf("chown -R --from=%d:%d %d:%d %s, or %s", n.UID, n.GID, hostUID, hostGID, m.Source, optOut)
	}
	p.misbehave(c, option, fix,
		"belongs to %d:%d (mode %04o), which is nobody (65534) in the container: user %d cannot %s there", n.UID, n.GID, n.Mode.Perm(), uid, strings.Join(words, " or "))
}

// containerUser returns the IDs of a container's user; named if they are names,
// which only its image resolves.
func containerUser(c *engine.Container) (uid, gid uint32, named bool) {
	user, group, _ := strings.Cut(c.User, ":")
	for _, s := range []struct {
		text string
		id   *uint32
	}{{user, &uid}, {group, &gid}} {
		if s.text == "" || s.text == "root" {
			continue
		}
		n, err := strconv.ParseUint(s.text, 10, 32)
		if err != nil {
			return 0, 0, true
		}
		*s.id = uint32(n)
	}
	return uid, gid, false
}

// volume adds what the options and the driver of a volume show.
func (p *preflight) volume(c *engine.Container, m engine.Mount) {
	option := "--volume " + m.Name + ":" + m.Destination
	for _, v := range p.Engine.Volumes {
		if v.Name != m.Name {
			continue
		}
		t, how := v.Options["type"], strings.Split(v.Options["o"], ",")
		switch {
		case slices.Contains(how, "bind") || slices.Contains(how, "rbind"):
			m.Source = v.Options["device"]
			p.bind(c, m)
		case fstype.Remote(t):
			p.misbehave(c, option, "let the server map the IDs, or "+optOut,
				"is a volume on %s: the server sees the shifted IDs, and a new volume cannot be given to the remapped root (chown: operation not permitted)", t)
		case t == "tmpfs" && (strings.Contains(v.Options["o"], "uid=") || strings.Contains(v.Options["o"], "gid=")):
			p.misbehave(c, option, "add the start of the range to uid= and gid=", "its uid= and gid= are IDs of the host: its root shows as nobody (65534)")
		}
	}
	if m.Driver != "" && m.Driver != "local" {
		p.misbehave(c, option, "see the driver's documentation", "volume driver %s does not learn of the map", m.Driver)
	}
}

// leadsToSocket reports whether a path of the host is one of the daemon's
// sockets or a directory above one.
func (p *preflight) leadsToSocket(source string) bool {
	path, err := p.Host.Path(source)
	if err != nil {
		return false
	}
	path = p.onHost(path)
	for _, s := range append([]facts.Socket{{Path: "/run/docker.sock"}, {Path: "/var/run/docker.sock"}}, p.Disk.Sockets...) {
		if dirs.Within(p.onHost(s.Path), path) {
			return true
		}
	}
	return false
}

// onHost removes the root of a tree from a path.
func (p *preflight) onHost(path string) string {
	if p.Live {
		return path
	}
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, p.Host.Root), "/")
}
