package facts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
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

// A walk counts the files of a volume; Strange are those whose owner is not
// mapped.
type walk struct {
	Seen, Strange int
	Example       string // a file whose owner is not mapped
	UID, GID      uint32
	Err           error
}

var errEnough = errors.New("enough files were seen")

// eachFile calls visit for the files of a directory. Files that are removed in
// the meantime are skipped.
func eachFile(ctx context.Context, root string, visit func(path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		switch {
		case IsNotExist(err):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		return visit(p, info)
	})
}

// walkOwners reads the owners of the first files of a directory.
func walkOwners(ctx context.Context, root string, mapped func(uid, gid uint32) bool) *walk {
	w := &walk{}
	err := eachFile(ctx, root, func(p string, info fs.FileInfo) error {
		if n := InodeOf(info); !mapped(n.UID, n.GID) {
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
	Volume, Path, Old string // Old is the file in the other store
	What              string
	Had, Has, Chmod   string
	Err               error
}

// lossesOf compares a volume with the one of the same name in another store.
func lossesOf(ctx context.Context, name, dir, old string) []loss {
	var list []loss
	seen := 0
	err := eachFile(ctx, old, func(p string, before fs.FileInfo) error {
		if seen++; seen > deepFiles {
			return fmt.Errorf("%s has more than %d files, the rest was not looked at", old, deepFiles)
		}
		const bits = fs.ModeSetuid | fs.ModeSetgid
		caps := fileCaps(p)
		if !before.Mode().IsRegular() || before.Mode()&bits == 0 && caps == "" {
			return nil
		}
		now := filepath.Join(dir, strings.TrimPrefix(p, old))
		after, err := os.Lstat(now)
		switch {
		case err != nil && !IsNotExist(err) && !errors.Is(err, unix.ENOTDIR):
			return err
		case err != nil || !after.Mode().IsRegular():
			return nil // gone: nothing was lost in place
		}
		l := loss{Volume: name, Path: now, Old: p, Had: modeText(before.Mode(), caps), Has: modeText(after.Mode(), fileCaps(now)), Chmod: modeText(before.Mode(), "")}
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

// modeText returns a mode as chmod(1) takes it, and whether there are
// capabilities.
func modeText(m fs.FileMode, caps string) string {
	n := uint32(m.Perm())
	for bit, octal := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			n |= octal
		}
	}
	if caps != "" {
		return fmt.Sprintf("%04o with capabilities", n)
	}
	return fmt.Sprintf("%04o", n)
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

// Remapped yields the running containers with a map of their own whose mounts
// were read, and their first process.
func (f *Facts) Remapped() iter.Seq2[Container, userns.Process] {
	return func(yield func(Container, userns.Process) bool) {
		for _, b := range f.Containers {
			p, ok := b.First()
			if ok && !f.Scan.InHostNS(p) && b.Inside != nil && !yield(b, p) {
				return
			}
		}
	}
}

// askMounts asks the kernel what containers may do with their mounts.
func (f *Facts) askMounts(ctx context.Context) {
	if !f.Live || f.Helper == (probe.Helper{}) {
		return
	}
	for b, p := range f.Remapped() {
		sources := b.Inside.Sources
		who, ok := credential(p)
		if !ok || len(sources) == 0 {
			continue // owners and modes have to suffice
		}
		var paths []string
		for _, s := range sources {
			paths = append(paths, s.Source)
		}
		list, err := f.Helper.Access(ctx, p.Mapping, who, paths...)
		if err != nil || len(list) != len(paths) {
			continue
		}
		for i := range list {
			if _, idmapped, err := sources[i].IDMap.Get(); !idmapped && err == nil { // the helper asks about the source
				sources[i].Asked = &list[i]
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
	for b, p := range f.Remapped() {
		for _, s := range b.Inside.Sources {
			if s.Type != "volume" || f.Walks[s.Source] != nil {
				continue
			}
			path, err := f.Host.Path(s.Source)
			if _, _, open := s.IDMap.Get(); err == nil {
				err = open
			}
			if err != nil {
				f.Walks[s.Source] = &walk{Err: err}
				continue
			}
			f.Walks[s.Source] = walkOwners(ctx, path, func(uid, gid uint32) bool {
				uid, gid, shown := s.Owner(uid, gid)
				return shown && Mapped(p.Mapping, uid, gid)
			})
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
		for _, s := range f.Disk.Stores {
			other := path.Join(f.Config.DataRoot, s.Name, "volumes", vol.Name, "_data")
			if other == vol.Mountpoint {
				continue
			}
			_, old, err := stat(f.Host, other)
			dir, bad := f.Host.Path(vol.Mountpoint)
			switch {
			case bad == nil && IsNotExist(err):
				continue
			case bad != nil || err != nil:
				f.Losses = append(f.Losses, loss{Volume: vol.Name, Err: cmp.Or(bad, err)})
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
