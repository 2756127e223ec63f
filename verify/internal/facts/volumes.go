package facts

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
	"github.com/usernskit/usernskit/userns/probe"
)

// Bounds of what is walked: a volume may hold millions of files.
const (
	ownerFiles = 1000    // of each volume
	deepFiles  = 200_000 // of each volume
)

// A walk is the result for the owners in a volume.
type walk struct {
	Seen, Strange int
	Example       string // a file whose owner is not mapped
	UID, GID      uint32
	Err           error
}

var errEnough = errors.New("enough files were seen")

// walkOwners reads the owners of the first files of a directory.
func walkOwners(ctx context.Context, root string, mapped func(uid, gid uint32) bool) *walk {
	w := &walk{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case IsNotExist(err):
			return nil // gone since
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone since
		}
		n := InodeOf(info)
		if !mapped(n.UID, n.GID) {
			if w.Strange++; w.Strange == 1 {
				w.Example, _ = filepath.Rel(root, p)
				w.UID, w.GID = n.UID, n.GID
			}
		}
		if w.Seen++; w.Seen >= ownerFiles {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		w.Err = err
	}
	return w
}

// A loss is a file of a volume that had a setuid bit or a capability in the
// store of another map.
type loss struct {
	Volume, Path, Old string // old is the file in the other store
	What              string
	Had, Has, Chmod   string
	Err               error
}

// lossesOf compares a volume with the one of the same name in another store.
func lossesOf(ctx context.Context, name, dir, old string) []loss {
	var list []loss
	seen := 0
	err := filepath.WalkDir(old, func(p string, d fs.DirEntry, err error) error {
		switch {
		case IsNotExist(err):
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
			return nil // gone since
		}
		const bits = fs.ModeSetuid | fs.ModeSetgid
		caps := fileCaps(p)
		if before.Mode()&bits == 0 && caps == "" {
			return nil
		}
		now := filepath.Join(dir, strings.TrimPrefix(p, old))
		after, err := os.Lstat(now)
		if err != nil && !IsNotExist(err) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		if err != nil || !after.Mode().IsRegular() {
			return nil // gone: nothing was lost in place
		}
		l := loss{Volume: name, Path: now, Old: p, Had: modeText(before.Mode(), caps), Has: modeText(after.Mode(), fileCaps(now)), Chmod: fmt.Sprintf("%04o", octal(before.Mode()))}
		switch {
		case before.Mode()&bits&^after.Mode() != 0:
			l.What = "its setuid or setgid bit"
		case caps != "" && fileCaps(now) == "":
			l.What = "its capabilities"
		default:
			return nil
		}
		list = append(list, l)
		return nil
	})
	if err != nil {
		list = append(list, loss{Volume: name, Err: err})
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

// askMounts asks the kernel what containers may do with their mounts.
func (f *Facts) askMounts(ctx context.Context) {
	if !f.Live || f.Helper == (probe.Helper{}) {
		return
	}
	for _, b := range f.Containers {
		p, ok := b.First()
		in := f.Disk.Inside[b.ID]
		if !ok || in == nil || len(in.Sources) == 0 || f.Scan.InHostNS(p) {
			continue
		}
		who, ok := credential(p)
		var paths []string
		for _, s := range in.Sources {
			paths = append(paths, s.Source)
		}
		list, err := f.Helper.Access(ctx, p.Mapping, who, paths...)
		if !ok || err != nil || len(list) != len(paths) {
			continue // owners and modes have to suffice
		}
		for i := range list {
			if in.Sources[i].IDMap == nil { // the helper asks about the source
				in.Sources[i].Asked = &list[i]
			}
		}
	}
}

// credential returns the user of a process in its own namespace.
func credential(p userns.Process) (c probe.Credential, ok bool) {
	uid, ok1 := p.Mapping.UID.ToContainer(p.UID[1])
	gid, ok2 := p.Mapping.GID.ToContainer(p.GID[1])
	c = probe.Credential{UID: uid, GID: gid}
	for _, g := range p.Groups {
		if id, ok := p.Mapping.GID.ToContainer(g); ok {
			c.Groups = append(c.Groups, id)
		}
	}
	return c, ok1 && ok2
}

// readOwners reads the owners in the volumes of containers.
func (f *Facts) readOwners(ctx context.Context) {
	f.Walks = map[string]*walk{}
	{
		for _, b := range f.Containers {
			p, ok := b.First()
			in := f.Disk.Inside[b.ID]
			if !ok || in == nil || f.Scan.InHostNS(p) {
				continue
			}
			for _, s := range in.Sources {
				if s.Type != "volume" || f.Walks[s.Source] != nil {
					continue
				}
				path, err := f.Host.Path(s.Source)
				if err != nil {
					f.Walks[s.Source] = &walk{Err: err}
					continue
				}
				if s.IDMap != nil && s.IDMap.Err != nil {
					f.Walks[s.Source] = &walk{Err: s.IDMap.Err}
					continue
				}
				f.Walks[s.Source] = walkOwners(ctx, path, func(uid, gid uint32) bool {
					uid, gid, shown := s.IDMap.Shown(uid, gid)
					if !shown {
						return false
					}
					_, u := p.Mapping.UID.ToContainer(uid)
					_, g := p.Mapping.GID.ToContainer(gid)
					return u && g
				})
			}
		}
	}
}

// findLosses compares volumes with those of the same name in other stores.
func (f *Facts) findLosses(ctx context.Context) {
	if !f.Deep || f.Engine == nil {
		return
	}
	for _, vol := range f.Engine.Volumes {
		if vol.Driver != "local" || len(vol.Options) > 0 {
			continue
		}
		dir, err := f.Host.Path(vol.Mountpoint)
		if err != nil {
			f.Losses = append(f.Losses, loss{Volume: vol.Name, Err: err})
			continue
		}
		for _, s := range f.Disk.Stores {
			other := path.Join(f.Config.DataRoot, s.Name, "volumes", vol.Name, "_data")
			if other == vol.Mountpoint {
				continue
			}
			old, err := f.Host.Path(other)
			if err == nil {
				_, err = f.Host.Stat(other)
			}
			switch {
			case IsNotExist(err):
				continue
			case err != nil:
				f.Losses = append(f.Losses, loss{Volume: vol.Name, Err: err})
				continue
			}
			for _, l := range lossesOf(ctx, vol.Name, dir, old) {
				l.Path = vol.Mountpoint + strings.TrimPrefix(l.Path, dir) // as on the host
				l.Old = other + strings.TrimPrefix(l.Old, old)
				f.Losses = append(f.Losses, l)
			}
		}
	}
}
