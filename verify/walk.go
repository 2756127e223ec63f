package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/userns"
)

// Bounds of what is walked: a volume may hold millions of files.
const (
	ownerFiles = 1000    // of each volume, for C10
	deepFiles  = 200_000 // of each volume, for C11
)

// A walk is what was found of owners in a volume.
type walk struct {
	seen, strange int
	example       string // a file whose owner is not mapped
	uid, gid      uint32
	err           error
}

var errEnough = errors.New("enough files were seen")

// walkOwners looks at the owners of the first files of a directory.
func walkOwners(ctx context.Context, root string, mapped func(uid, gid uint32) bool) *walk {
	w := &walk{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case isNotExist(err):
			return nil // gone meanwhile
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		n := inodeOf(info)
		if !mapped(n.UID, n.GID) {
			if w.strange++; w.strange == 1 {
				w.example, _ = filepath.Rel(root, p)
				w.uid, w.gid = n.UID, n.GID
			}
		}
		if w.seen++; w.seen >= ownerFiles {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		w.err = err
	}
	return w
}

// A loss is a file of a volume that had a setuid bit or a capability in the
// store of another map.
type loss struct {
	volume, path, old string // old is the file in the other store
	what              string
	had, has, chmod   string
	err               error
}

// findLosses compares a volume with the one of the same name in another store.
func findLosses(ctx context.Context, name, dir, old string) []loss {
	var list []loss
	seen := 0
	err := filepath.WalkDir(old, func(p string, d fs.DirEntry, err error) error {
		switch {
		case isNotExist(err):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if seen++; seen > deepFiles {
			return fmt.Errorf("%s has more than %d files, the rest was not looked at", old, deepFiles)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		before, err := d.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		const bits = fs.ModeSetuid | fs.ModeSetgid
		caps := fileCaps(p)
		if before.Mode()&bits == 0 && caps == "" {
			return nil
		}
		now := filepath.Join(dir, strings.TrimPrefix(p, old))
		after, err := os.Lstat(now)
		if err != nil && !isNotExist(err) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		if err != nil || !after.Mode().IsRegular() {
			return nil // not there any more: nothing was lost in place
		}
		l := loss{volume: name, path: now, old: p, had: modeText(before.Mode(), caps), has: modeText(after.Mode(), fileCaps(now)), chmod: fmt.Sprintf("%04o", octal(before.Mode()))}
		switch {
		case before.Mode()&bits&^after.Mode() != 0:
			l.what = "its setuid or setgid bit"
		case caps != "" && fileCaps(now) == "":
			l.what = "its capabilities"
		default:
			return nil
		}
		list = append(list, l)
		return nil
	})
	if err != nil {
		list = append(list, loss{volume: name, err: err})
	}
	return list
}

func modeText(m fs.FileMode, caps string) string {
	s := fmt.Sprintf("%04o", octal(m))
	if caps != "" {
		s += " with capabilities"
	}
	return s
}

// octal returns a mode as chmod(1) takes it.
func octal(m fs.FileMode) uint32 {
	n := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		n |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		n |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		n |= 0o1000
	}
	return n
}

// fileCaps returns the raw capabilities of a file, capabilities(7), or "".
func fileCaps(p string) string {
	buf := make([]byte, 64)
	n, err := unix.Lgetxattr(p, "security.capability", buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// askMounts asks the kernel what containers may do with their mounts, for C08.
func (f *facts) askMounts(ctx context.Context) {
	if !f.live || !f.asked("C08") || f.opts.Helper == (userns.Helper{}) {
		return
	}
	for _, b := range f.boxes {
		p, ok := b.first()
		in := f.disk.inside[b.id]
		if !ok || in == nil || len(in.sources) == 0 || f.scan.inHostNS(p) {
			continue
		}
		who, ok := credential(p)
		var paths []string
		for _, s := range in.sources {
			paths = append(paths, s.Source)
		}
		list, err := f.opts.Helper.Access(ctx, p.Mapping, who, paths...)
		if !ok || err != nil || len(list) != len(paths) {
			continue // owners and modes have to do
		}
		for i := range list {
			in.sources[i].asked = &list[i]
		}
	}
}

// credential returns who a process is in its own namespace.
func credential(p userns.Process) (c userns.Credential, ok bool) {
	uid, ok1 := p.Mapping.UID.ToContainer(p.UID[1])
	gid, ok2 := p.Mapping.GID.ToContainer(p.GID[1])
	c = userns.Credential{UID: uid, GID: gid}
	for _, g := range p.Groups {
		if id, ok := p.Mapping.GID.ToContainer(g); ok {
			c.Groups = append(c.Groups, id)
		}
	}
	return c, ok1 && ok2
}

// walkVolumes reads what C10 and C11 look at, where they are to be run.
func (f *facts) walkVolumes(ctx context.Context) {
	f.walks = map[string]*walk{}
	if f.asked("C10") && f.proc {
		for _, b := range f.boxes {
			p, ok := b.first()
			in := f.disk.inside[b.id]
			if !ok || in == nil || f.scan.inHostNS(p) {
				continue
			}
			for _, s := range in.sources {
				if s.Type != "volume" || f.walks[s.Source] != nil {
					continue
				}
				real, err := f.host.Path(s.Source)
				if err != nil {
					f.walks[s.Source] = &walk{err: err}
					continue
				}
				f.walks[s.Source] = walkOwners(ctx, real, func(uid, gid uint32) bool {
					_, u := p.Mapping.UID.ToContainer(uid)
					_, g := p.Mapping.GID.ToContainer(gid)
					return u && g
				})
			}
		}
	}
	if !f.opts.Deep || !f.asked("C11") || f.engine == nil {
		return
	}
	for _, vol := range f.engine.Volumes {
		if vol.Driver != "local" || len(vol.Options) > 0 {
			continue
		}
		dir, err := f.host.Path(vol.Mountpoint)
		if err != nil {
			f.lost = append(f.lost, loss{volume: vol.Name, err: err})
			continue
		}
		for _, s := range f.disk.stores {
			other := path.Join(f.conf.dataRoot, s.name, "volumes", vol.Name, "_data")
			if other == vol.Mountpoint {
				continue
			}
			old, err := f.host.Path(other)
			if err == nil {
				_, err = f.host.Stat(other)
			}
			switch {
			case isNotExist(err):
				continue
			case err != nil:
				f.lost = append(f.lost, loss{volume: vol.Name, err: err})
				continue
			}
			for _, l := range findLosses(ctx, vol.Name, dir, old) {
				l.path = vol.Mountpoint + strings.TrimPrefix(l.path, dir) // as on the host
				l.old = other + strings.TrimPrefix(l.old, old)
				f.lost = append(f.lost, l)
			}
		}
	}
}
