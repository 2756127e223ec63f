package verify

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/internal/fstype"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

var c07 = check{
	Check: Check{
		ID: "C07", Name: "docker-socket", Severity: Critical,
		Title:  "No container reaches the daemon's socket",
		Why:    "Who reaches it is root on the host. Found by what the mount leads to, so a mount of /run or / counts.",
		Reads:  "mountinfo of the container's first process; the inode behind it. Medium where the remapped root may not connect. Addresses of TCP are not looked at.",
		Remedy: "Take the mount away, or put a proxy that filters requests in between.",
		Refs:   []string{"CIS Docker 1.6.0: 5.32"},
	},
	needs:  facts.NeedMounts,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		if j.Disk.Mounts.Err != nil {
			j.unknown("host", "the host's mounts cannot be read: %v", j.Disk.Mounts.Err)
			return
		}
		for _, b := range j.Containers {
			switch in := b.Inside; {
			case in == nil: // C01 reports the missing processes
			case in.Mounts.Err != nil:
				j.unknown(subjectOf(b), "its mounts cannot be read: %v", in.Mounts.Err)
			case in.Unseen != nil && len(in.Sockets) == 0:
				j.unknown(subjectOf(b), "whether a mount of it leads to the socket cannot be seen: %v", in.Unseen)
			default:
				for _, s := range in.Sockets {
					j.socket(b, s)
				}
			}
		}
		for _, s := range j.Disk.Sockets {
			if s.Links > 1 && len(j.list) == 0 {
				j.unknown(s.Path, "has another hard link, and whether a mount leads to that is not known").
					know("Remove the other link, which find -xdev -samefile " + quoted(s.Path) + " names.")
			}
		}
		j.conclude(len(j.Containers), noneRuns, "docker", "none of %d running containers reaches the socket", len(j.Containers))
	},
}

var c08 = check{
	Check: Check{
		ID: "C08", Name: "mounts-access", Severity: Medium,
		Title:  "Containers can use what is mounted into them",
		Why:    "A file of the host's root is nobody's in a remapped container.",
		Reads:  "owner and mode of each mount's source, through the map, for the user of the container's first process.",
		Remedy: "Move the owners of the whole tree to the mapped IDs while no container uses it, or copy the data into a volume.",
	},
	needs:  facts.NeedAccess,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		if j.noMounts() {
			return
		}
		looked := 0
		for b, p := range j.Remapped() {
			who := facts.Subject{UID: p.UID[1], GIDs: append([]uint32{p.GID[1]}, p.Groups...), Map: p.Mapping}
			for _, s := range b.Inside.Sources {
				if s.Err == nil && !s.Mode.IsDir() && !s.Mode.IsRegular() {
					continue // sockets and devices are checked elsewhere
				}
				looked++
				j.access(b, who, s)
			}
		}
		j.conclude(looked, "no remapped container with a mount is running", "docker", "%s open to those who run with them", text.Count(looked, "mount is", "mounts are"))
	},
}

// noMounts adds why it is not known what containers that run have mounted, and
// reports whether that is so for all of them.
func (j *judge) noMounts() bool {
	if len(j.Containers) > 0 && j.noStore() {
		return true
	}
	for _, b := range j.Containers {
		if b.Docker != nil && b.Docker.Unread {
			j.unreadOptions(b.Docker)
		}
	}
	return false
}

// overflowID is what the kernel shows for an ID that is not mapped.
const overflowID = 65534

func (j *judge) access(b facts.Container, who facts.Subject, s facts.Source) {
	_, idmapped, open := s.IDMap.Get()
	switch {
	case s.Err != nil:
		j.unknown(subjectOf(b), "%s on %s: %v", s.Source, s.Destination, s.Err)
		return
	case open != nil:
		j.unknown(subjectOf(b), "%s on %s is idmapped, and its map cannot be read: %v", s.Source, s.Destination, open)
		return
	}
	n := s.Inode
	var shown bool
	if n.UID, n.GID, shown = s.Owner(n.UID, n.GID); !shown {
		n.UID, n.GID, n.Mode = overflowID, overflowID, n.Mode&^0o770 // its owner and group are not mapped there
	}
	bits := fs.FileMode(4)
	words := "read"
	if s.Mode.IsDir() {
		bits, words = 5, "read and enter"
	}
	if !s.ReadOnly {
		bits, words = bits|2, "write, "+words
	}
	yes, known := who.Can(n, bits)
	if a := s.Asked; a != nil && a.Err == nil {
		known = true
		yes = (a.Read || bits&4 == 0) && (a.Write || bits&2 == 0) && (a.Exec || bits&1 == 0)
	}
	owner := fmt.Sprintf("%d:%d %04o", n.UID, n.GID, s.Mode.Perm())
	switch {
	case !known:
		j.unknown(subjectOf(b), "%s has an ACL, which was not asked", s.Source).know("Read its ACL with getfacl(1).")
	case !yes:
		fi := j.warn(subjectOf(b), "host user %d may not %s %s, mounted on %s", who.UID, words, s.Source, s.Destination).
			saw(s.Source, owner, fmt.Sprintf("open to %d", who.UID))
		switch {
		case dirs.IsSystem(s.Source):
		case s.Mode.IsDir() && !idmapped && !facts.Mapped(who.Map, n.UID, n.GID) && fi.shift(s.Source, n.UID, n.GID, who.Map):
		default:
			fi.run(fmt.Sprintf("chown %d:%d %s", who.UID, who.GIDs[0], quoted(s.Source)))
		}
	}
}

var c09 = check{
	Check: Check{
		ID: "C09", Name: "mounts-fs", Severity: Medium,
		Title:  "No mount comes from a file system that knows nothing of user namespaces",
		Why:    "NFS, CIFS and FUSE servers see the shifted IDs and ignore a container's capabilities; with root_squash even a container's root is nobody there.",
		Reads:  "mountinfo, and the options of local volumes.",
		Remedy: "Let the server map the IDs, or leave the container out of remapping.",
	},
	needs: facts.NeedMounts,
	judge: func(j *judge) {
		if m := j.Disk.Mounts.Value.At(j.Config.DataRoot); m != nil && fstype.Remote(m.FSType) {
			j.warn(j.Config.DataRoot, "the data-root is on %s", m.FSType).saw("mountinfo", m.Source+" "+m.FSType, "a local file system")
		}
		if j.Engine != nil {
			for _, vol := range j.Engine.Volumes {
				if t := vol.Options["type"]; fstype.Remote(t) {
					j.warn("volume/"+vol.Name, "a volume on %s", t).saw("options of the volume", fmt.Sprintf("type=%s device=%s", t, vol.Options["device"]), "a local file system")
				}
			}
		}
		if j.Disk.Mounts.Err != nil {
			j.unknown("host", "the host's mounts cannot be read: %v", j.Disk.Mounts.Err)
			return
		}
		if j.noMounts() {
			return
		}
		for _, b := range j.Containers {
			if b.Inside == nil {
				continue
			}
			for _, s := range b.Inside.Sources {
				if s.Type == "bind" && fstype.Remote(s.Fstype) {
					j.warn(subjectOf(b), "%s, mounted on %s, is on %s", s.Source, s.Destination, s.Fstype).saw("mountinfo", s.Fstype, "a local file system")
				}
			}
		}
		switch {
		case j.troubled(), j.noStore():
		case j.Engine.Unread["Volumes"] != "":
			j.unknown("docker", "%s", j.Engine.Unread["Volumes"])
		default:
			j.pass("docker", "no volume or mount is on a network or FUSE file system")
		}
	},
}

var c10 = check{
	Check: Check{
		ID: "C10", Name: "ownership-shift", Severity: Medium,
		Title:  "What volumes hold belongs to IDs that are mapped",
		Why:    "Data from before the switch belongs to nobody as containers see it.",
		Reads:  "the first thousand files of each volume in use. Unknown where they cannot be read.",
		Remedy: "Move the owners into the range while no container uses the volume; chown(1) clears setuid bits and capabilities.",
	},
	needs:  facts.NeedOwners,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		if j.noMounts() {
			return
		}
		looked := 0
		done := map[string]bool{}
		for b, p := range j.Remapped() {
			for _, s := range b.Inside.Sources {
				if s.Type != "volume" || done[s.Source] {
					continue
				}
				done[s.Source] = true
				looked++
				j.owners(b, p.Mapping, s)
			}
		}
		j.conclude(looked, "no remapped container with a volume is running", "docker", "what %s is mapped", text.Count(looked, "volume holds", "volumes hold"))
	},
}

var c11 = check{
	Check: Check{
		ID: "C11", Name: "setuid-dropped", Severity: Low,
		Title:  "No setuid bit or file capability was lost in a migration",
		Why:    "chown(2) clears both; programs in a volume stop working in ways that are hard to see.",
		Reads:  "volumes, against the volume of the same name in the store of another map. Only when asked to look deep.",
		Remedy: "Set the mode again as the evidence says.",
		Refs:   []string{"CIS Docker 1.6.0: 4.8"},
	},
	needs: facts.NeedLosses,
	judge: func(j *judge) {
		switch {
		case !j.Deep:
			j.skip("host", "only when asked to look deep")
			return
		case j.noStore():
			return
		case j.Engine.Unread["Volumes"] != "":
			j.unknown("docker", "%s", j.Engine.Unread["Volumes"])
		}
		if err := j.Disk.NoStore; err != nil && !facts.IsNotExist(err) {
			j.unknown(j.Config.DataRoot, "which other stores there are is not known: %v", err)
		}
		for _, l := range j.Losses {
			if l.Err != nil {
				j.unknown("volume/"+l.Volume, "%v", l.Err)
				continue
			}
			j.warn("volume/"+l.Volume, "%s has lost %s", l.Path, l.What).saw(l.Old, l.Had, "").saw(l.Path, l.Has, l.Had).
				run(fmt.Sprintf("chmod %s %s", l.Chmod, quoted(l.Path)))
		}
		j.passUntroubled("docker", "no volume has lost a setuid bit or a capability")
	},
}

func (j *judge) socket(b facts.Container, s facts.Found) {
	p, _ := b.First()
	source := fmt.Sprintf("/proc/%d/root%s", p.PID, s.At)
	got := fmt.Sprintf("device %d inode %d, as %s of the host", s.Dev, s.Ino, s.Path)
	fi := j.fail(subjectOf(b), "the daemon's socket is at %s: who gets in there is root of the host", s.At).saw(source, got, "no socket of the daemon")
	if !j.Scan.InHostNS(p) && s.Mode.Perm()&0o006 != 0o006 {
		fi.Verdict, fi.Severity = Warn, Medium
		fi.Text = fmt.Sprintf("the daemon's socket is at %s, where its remapped root may not connect", s.At)
	}
}

func (j *judge) owners(b facts.Container, m userns.Mapping, s facts.Source) {
	w := j.Walks[s.Source]
	if w == nil {
		return
	}
	switch {
	case w.Err != nil:
		j.unknown("volume/"+s.Name, "cannot be walked: %v", w.Err)
	case w.Strange > 0:
		j.warn("volume/"+s.Name, "%d of the first %d files belong to IDs outside the map of %s", w.Strange, w.Seen, strings.TrimPrefix(subjectOf(b), containerSubject)).
			saw(path.Join(s.Source, w.Example), fmt.Sprintf("%d:%d", w.UID, w.GID), "within "+j.wantText(true)).
			shift(s.Source, w.UID, w.GID, m)
	}
}
