package verify

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/usernskit/usernskit/internal/fstype"
)

// c07: nobody reaches the daemon's socket.
func (f *facts) c07(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	if f.disk.mounts.err != nil {
		v.unknown("host", "the host's mounts cannot be read: %v", f.disk.mounts.err)
		return
	}
	for _, b := range f.boxes {
		in := f.disk.inside[b.id]
		switch {
		case in == nil:
			continue // C01 says that its processes were not found
		case in.mounts.err != nil:
			v.unknown(b.subject(), "its mounts cannot be read: %v", in.mounts.err)
			continue
		case in.unseen != nil && len(in.sockets) == 0:
			v.unknown(b.subject(), "whether a mount of it leads to the socket cannot be seen: %v", in.unseen)
			continue
		}
		for _, s := range in.sockets {
			f.socket(v, b, s)
		}
	}
	if !v.troubled() {
		if len(f.boxes) == 0 {
			v.skip("host", "no container is running")
			return
		}
		v.pass("docker", "none of %d running containers reaches the socket", len(f.boxes))
	}
}

func (f *facts) socket(v *verdicts, b box, s found) {
	p, _ := b.first()
	source := fmt.Sprintf("/proc/%d/root%s", p.PID, s.at)
	got := fmt.Sprintf("device %d inode %d, as %s of the host", s.dev, s.ino, s.path)
	host := f.scan.inHostNS(p)
	if host || s.Mode.Perm()&0o006 == 0o006 {
		v.fail(b.subject(), "the daemon's socket is at %s: who gets in there is root of the host", s.at).saw(source, got, "no socket of the daemon")
		return
	}
	v.warn(b.subject(), "the daemon's socket is at %s, where its remapped root may not connect", s.at).as(Medium).saw(source, got, "no socket of the daemon")
}

// c08: containers can use their mounts.
func (f *facts) c08(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	looked := 0
	for _, b := range f.boxes {
		p, ok := b.first()
		if !ok || f.scan.inHostNS(p) || f.disk.inside[b.id] == nil {
			continue
		}
		who := subject{
			UID: p.UID[1], GIDs: append([]uint32{p.GID[1]}, p.Groups...),
			MappedUID: func(id uint32) bool { _, ok := p.Mapping.UID.ToContainer(id); return ok },
			MappedGID: func(id uint32) bool { _, ok := p.Mapping.GID.ToContainer(id); return ok },
		}
		root, _ := p.Mapping.UID.ToHost(0)
		who.Root = p.UID[1] == root
		for _, s := range f.disk.inside[b.id].sources {
			if s.err == nil && !s.Mode.IsDir() && !s.Mode.IsRegular() {
				continue // sockets and devices are C07's and the daemon's
			}
			looked++
			f.access(v, b, who, s)
		}
	}
	if len(v.list) == 0 {
		if looked == 0 {
			v.skip("host", "no remapped container with a mount is running")
			return
		}
		v.pass("docker", "%d mounts are open to those who run with them", looked)
	}
}

func (f *facts) access(v *verdicts, b box, who subject, s source) {
	if s.err != nil {
		v.unknown(b.subject(), "%s on %s: %v", s.Source, s.Destination, s.err)
		return
	}
	bits := fs.FileMode(4)
	words := "read"
	if s.Mode.IsDir() {
		bits, words = 5, "read and enter"
	}
	if !s.ReadOnly {
		bits, words = bits|2, "write, "+words
	}
	yes, known := who.can(s.inode, bits)
	if a := s.asked; a != nil && a.Err == nil {
		known = true
		yes = (a.Read || bits&4 == 0) && (a.Write || bits&2 == 0) && (a.Exec || bits&1 == 0)
	}
	owner := fmt.Sprintf("%d:%d %04o", s.UID, s.GID, s.Mode.Perm())
	switch {
	case !known:
		v.unknown(b.subject(), "%s has an ACL, which was not asked", s.Source)
	case !yes:
		v.warn(b.subject(), "host user %d may not %s %s, mounted on %s", who.UID, words, s.Source, s.Destination).
			saw(s.Source, owner, fmt.Sprintf("open to %d", who.UID)).run(fmt.Sprintf("chown %d:%d %s", who.UID, who.GIDs[0], quoted(s.Source)))
	}
}

// c09: no mount of a file system that knows nothing of user namespaces.
func (f *facts) c09(v *verdicts) {
	if f.disk.mounts.err == nil && f.proc {
		if m := f.disk.mounts.value.at(f.conf.dataRoot); m != nil && fstype.Remote(m.FSType) {
			v.warn(f.conf.dataRoot, "the data-root is on %s", m.FSType).saw("mountinfo", m.Source+" "+m.FSType, "a local file system")
		}
	}
	if f.engine != nil {
		for _, vol := range f.engine.Volumes {
			if t := vol.Options["type"]; fstype.Remote(t) {
				v.warn("volume/"+vol.Name, "a volume on %s", t).saw("options of the volume", fmt.Sprintf("type=%s device=%s", t, vol.Options["device"]), "a local file system")
			}
		}
	}
	if f.proc && f.disk.mounts.err != nil {
		v.unknown("host", "the host's mounts cannot be read: %v", f.disk.mounts.err)
		return
	}
	for _, b := range f.boxes {
		in := f.disk.inside[b.id]
		if in == nil {
			continue
		}
		for _, s := range in.sources {
			if s.Type == "bind" && fstype.Remote(s.fstype) {
				v.warn(b.subject(), "%s, mounted on %s, is on %s", s.Source, s.Destination, s.fstype).saw("mountinfo", s.fstype, "a local file system")
			}
		}
	}
	if len(v.list) > 0 {
		return
	}
	switch {
	case f.noStore(v):
	case f.engine.Unread["Volumes"] != "":
		v.unknown("docker", "%s", f.engine.Unread["Volumes"])
	default:
		v.pass("docker", "no volume or mount is on a network or FUSE file system")
	}
}

// c10: what volumes hold is mapped.
func (f *facts) c10(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	looked := 0
	done := map[string]bool{}
	for _, b := range f.boxes {
		p, ok := b.first()
		if !ok || f.scan.inHostNS(p) || f.disk.inside[b.id] == nil {
			continue
		}
		for _, s := range f.disk.inside[b.id].sources {
			if s.Type != "volume" || done[s.Source] {
				continue
			}
			done[s.Source] = true
			looked++
			f.owners(v, b, s)
		}
	}
	if len(v.list) == 0 {
		if looked == 0 {
			v.skip("host", "no remapped container with a volume is running")
			return
		}
		v.pass("docker", "what %d volumes hold is mapped", looked)
	}
}

func (f *facts) owners(v *verdicts, b box, s source) {
	w := f.walks[s.Source]
	if w == nil {
		return
	}
	switch {
	case w.err != nil:
		v.unknown("volume/"+s.Name, "cannot be walked: %v", w.err)
	case w.strange > 0:
		v.warn("volume/"+s.Name, "%d of the first %d files belong to IDs that %s has not", w.strange, w.seen, strings.TrimPrefix(b.subject(), containerSubject)).
			saw(path.Join(s.Source, w.example), fmt.Sprintf("%d:%d", w.uid, w.gid), "within "+f.wantText(true))
	}
}

// c11: no setuid bit was lost.
func (f *facts) c11(v *verdicts) {
	switch {
	case !f.opts.Deep:
		v.skip("host", "only when asked to look deep")
		return
	case f.noStore(v):
		return
	case f.engine.Unread["Volumes"] != "":
		v.unknown("docker", "%s", f.engine.Unread["Volumes"])
	}
	if err := f.disk.noStore; err != nil && !isNotExist(err) {
		v.unknown(f.conf.dataRoot, "which other stores there are is not known: %v", err)
	}
	for _, l := range f.lost {
		if l.err != nil {
			v.unknown("volume/"+l.volume, "%v", l.err)
			continue
		}
		v.warn("volume/"+l.volume, "%s has lost %s", l.path, l.what).saw(l.old, l.had, "").saw(l.path, l.has, l.had).
			run(fmt.Sprintf("chmod %s %s", l.chmod, quoted(l.path)))
	}
	if len(v.list) == 0 {
		v.pass("docker", "no volume has lost a setuid bit or a capability")
	}
}
