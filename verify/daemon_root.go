package verify

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// d08: the remapped root reaches its data-root.
func (f *facts) d08(v *verdicts) {
	if f.unmapped(v) {
		return
	}
	uid, _ := f.ids.uid.m.ToHost(0)
	gid, _ := f.ids.gid.m.ToHost(0)
	who := subject{UID: uid, GIDs: []uint32{gid}}
	want := storeOf(uid, gid)
	last := len(f.disk.parents) - 1
	end := f.disk.parents[last]
	inUse := path.Base(end.path) == want && end.err == nil
	unseen := end.err != nil && !isNotExist(end.err)
	for i, p := range f.disk.parents {
		switch {
		case i == last && unseen:
			v.unknown(p.path, "cannot be looked at: %v", p.err)
			return
		case p.err == nil && !p.Mode.IsDir():
			v.fail(p.path, "is no directory: dockerd does not start").saw(p.path, p.Mode.String(), "a directory")
			return
		}
		if p.path == f.conf.dataRoot && !inUse {
			if unseen {
				continue // to what is below it
			}
			break // dockerd sets its owner and mode when it starts with this map
		}
		if p.err != nil {
			v.skip(p.path, "not made yet")
			return
		}
		owner := fmt.Sprintf("%d:%d %04o", p.UID, p.GID, p.Mode.Perm())
		yes, known := who.can(p.inode, 1)
		switch {
		case !known:
			v.unknown(p.path, "has an ACL, which was not read: whether the remapped root (%s) may enter is not known", want).saw(p.path, owner, "")
		case !yes:
			v.fail(p.path, "the remapped root (%s) may not enter: dockerd does not start", want).saw(p.path, owner, "o+x").run("chmod o+x " + quoted(p.path))
			return
		}
		if i == last && path.Base(p.path) == want {
			switch {
			case p.Mode.Perm()&0o006 != 0:
				v.fail(p.path, "every user of the host may look into the store").as(Medium).saw(p.path, owner, fmt.Sprintf("0:%d 0710", gid)).run("chmod 0710 " + quoted(p.path))
				return
			case p.UID != 0 && p.UID != uid || p.GID != 0 && p.GID != gid:
				v.fail(p.path, "the store belongs to someone else").as(Medium).saw(p.path, owner, fmt.Sprintf("0:%d 0710", gid))
				return
			}
			if len(v.list) == 0 {
				v.pass(p.path, "open to the remapped root, closed to others").saw(p.path, owner, fmt.Sprintf("0:%d 0710", gid))
			}
			return
		}
	}
	if len(v.list) == 0 {
		v.pass(f.conf.dataRoot, "open to the remapped root")
	}
}

// d09: no other store is left behind.
func (f *facts) d09(v *verdicts) {
	switch {
	case isNotExist(f.disk.noStore):
		v.skip(f.conf.dataRoot, "there is no data-root yet")
		return
	case f.disk.noStore != nil:
		v.unknown(f.conf.dataRoot, "%v", f.disk.noStore)
		return
	}
	used := []string{}
	if f.noEngine == nil {
		name := ""
		if _, uid, gid, ok := parseStore(f.engine.RootDir); ok {
			name = storeOf(uid, gid)
		}
		used = append(used, name)
	}
	if f.ids.mapped() {
		used = append(used, f.ids.root())
	} else if !f.conf.on {
		used = append(used, "")
	}
	for _, s := range f.disk.stores {
		if slices.Contains(used, s.name) {
			continue
		}
		dir := path.Join(f.conf.dataRoot, s.name)
		if s.unread != "" {
			v.unknown(dir, "%s", s.unread)
			continue
		}
		what := "the store from before remapping"
		if s.name != "" {
			what = "the store of the map that starts at " + strings.Replace(s.name, ".", " and ", 1)
		}
		v.warn(dir, "%s: %d images, %d volumes, last changed %s", what, s.images, s.volumes, s.changed.Format(time.DateOnly)).
			saw(dir, fmt.Sprintf("%d images, %d volumes", s.images, s.volumes), "")
	}
	if len(v.list) == 0 {
		v.pass(f.conf.dataRoot, "it holds no other store")
	}
}
