package verify

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// ids are the accounts and ranges of the host, and what dockerd makes of them.
type ids struct {
	passwd reading[[]user.User]
	group  reading[[]user.Group]
	users  map[uint32]string
	groups map[uint32]string
	nss    reading[string] // the subid line of nsswitch.conf, "" for none

	// claims are all holds on subordinate IDs, as any reader finds them, by file.
	claims    map[string][]subid.Claim
	claimsErr error

	account  string // whose lines dockerd reads; "" where remapping is not configured
	owner    subid.Owner
	ownerErr error // the account or the group does not exist, as dockerd looks it up
	reader   subid.Reader
	uid, gid side
}

// A side is one of the two files.
type side struct {
	path     string
	file     *subid.File // nil where it cannot be read; empty where it is missing
	err      error
	readings []subid.Reading // of the account, as dockerd reads them
	refused  error           // dockerd refuses the file
	m        userns.Map
	mapErr   error // why the readings make no map
}

// mapped reports whether both files give the account a map.
func (i ids) mapped() bool { return i.uid.ok() && i.gid.ok() }

func (s side) ok() bool { return !s.m.IsZero() }

// want is the map that every container is to have.
func (i ids) want() userns.Mapping { return userns.Mapping{UID: i.uid.m, GID: i.gid.m} }

// root is UID.GID of the container's root, the name of the store.
func (i ids) root() string {
	uid, _ := i.uid.m.ToHost(0)
	gid, _ := i.gid.m.ToHost(0)
	return storeOf(uid, gid)
}

func readIDs(ctx context.Context, h usernskit.Host, c config, e *engine.Engine) ids {
	reader := subid.Dockerd
	if e != nil {
		if before, known := e.Before(48); known && before {
			reader = subid.Dockerd27
		}
	}
	i := readFiles(ctx, h, c, reader)
	i.readClaims(ctx, h)
	if i.account != "" {
		i.ownerErr = c.remap.Check(ctx, h)
	}
	return i
}

// readClaims reads the claims of both files. Accounts are looked at in I07.
func (i *ids) readClaims(ctx context.Context, h usernskit.Host) {
	set, err := subid.Read(ctx, h)
	if i.claimsErr = err; err != nil {
		return
	}
	i.claims = map[string][]subid.Claim{}
	users, groups := set.Claims()
	for _, c := range append(users, groups...) {
		i.claims[c.File] = append(i.claims[c.File], c)
	}
}

// readFiles reads accounts and ranges.
func readFiles(ctx context.Context, h usernskit.Host, c config, reader subid.Reader) ids {
	i := ids{reader: reader, uid: side{path: subid.UIDFile}, gid: side{path: subid.GIDFile}}
	if data, err := h.ReadFile("/etc/passwd"); err != nil {
		i.passwd.err = err
	} else {
		i.passwd.value, i.passwd.err = user.ParsePasswd(bytes.NewReader(data))
	}
	if data, err := h.ReadFile("/etc/group"); err != nil {
		i.group.err = err
	} else {
		i.group.value, i.group.err = user.ParseGroup(bytes.NewReader(data))
	}
	i.users, i.groups = map[uint32]string{}, map[uint32]string{}
	for _, u := range i.passwd.value {
		i.users[uint32(u.Uid)] = u.Name
	}
	for _, g := range i.group.value {
		i.groups[uint32(g.Gid)] = g.Name
	}
	i.nss = readNSS(h)
	for _, s := range []*side{&i.uid, &i.gid} {
		data, err := h.ReadFile(s.path)
		if err != nil {
			s.err = err
			if !isNotExist(err) {
				continue
			}
		}
		s.file = subid.Parse(s.path, data)
	}
	if !c.on {
		return i
	}
	account, err := c.remap.Account(ctx, h)
	if err != nil {
		i.ownerErr = err
		return i
	}
	i.account = account
	i.owner = subid.Owner{Name: account}
	for _, u := range i.passwd.value {
		if u.Name == account && u.Uid >= 0 && int64(u.Uid) <= math.MaxUint32 {
			uid := uint32(u.Uid)
			i.owner.UID = &uid
			break
		}
	}
	i.uid.read(reader, i.owner)
	i.gid.read(reader, i.owner)
	return i
}

func (s *side) read(reader subid.Reader, owner subid.Owner) {
	if s.file == nil {
		return
	}
	s.readings, s.refused = s.file.As(reader, owner)
	if s.refused != nil || len(s.readings) == 0 {
		return
	}
	s.m, s.mapErr = mapOf(s.readings)
}

// mapOf lines the ranges up from container ID 0 on, as dockerd does.
func mapOf(list []subid.Reading) (userns.Map, error) {
	var extents []userns.Extent
	next := int64(0)
	for _, r := range list {
		if r.Start < 0 || r.Start > math.MaxUint32 || r.Count < 0 || r.Count > math.MaxUint32 || next > math.MaxUint32 {
			return userns.Map{}, fmt.Errorf("line %d: %d:%d are no IDs", r.Line, r.Start, r.Count)
		}
		extents = append(extents, userns.Extent{ID: uint32(next), HostID: uint32(r.Start), Count: uint32(r.Count)})
		next += r.Count
	}
	return userns.NewMap(extents...)
}

// readNSS returns what nsswitch.conf(5) says of subordinate IDs.
func readNSS(h usernskit.Host) reading[string] {
	data, err := h.ReadFile("/etc/nsswitch.conf")
	if err != nil {
		if isNotExist(err) {
			err = nil
		}
		return reading[string]{err: err}
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "subid" {
			return reading[string]{value: strings.TrimSpace(value)}
		}
	}
	return reading[string]{}
}

// userAt returns the account of the host that has an ID, "" for none, and false
// where the file could not be read.
func (i ids) userAt(id uint32) (string, bool) { return i.users[id], i.passwd.err == nil }

// groupAt is userAt for groups.
func (i ids) groupAt(id uint32) (string, bool) { return i.groups[id], i.group.err == nil }

// accountIn returns an account or a group of the host with an ID that the map
// gives out.
func (i ids) accountIn(m userns.Mapping) (name string, id uint32, ok bool) {
	for _, u := range i.passwd.value {
		if _, ok := m.UID.ToContainer(uint32(u.Uid)); ok {
			return "the user " + u.Name, uint32(u.Uid), true
		}
	}
	for _, g := range i.group.value {
		if _, ok := m.GID.ToContainer(uint32(g.Gid)); ok {
			return "the group " + g.Name, uint32(g.Gid), true
		}
	}
	return "", 0, false
}
