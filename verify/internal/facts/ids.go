package facts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// ids are the accounts and ranges of the host, and dockerd's map.
type ids struct {
	Users, Groups accountDB
	SubIDPlugin   string // what nsswitch.conf names for subid instead of the files

	set    *subid.Set // nil where it cannot be read
	setErr error

	Account  string // whose lines dockerd reads; "" where none is configured or known
	User     answer.Answer[accounts.Account]
	OwnerErr error // why the account or the group does not exist for dockerd, or is not known
	Reader   reader.Program
	UID, GID Side
}

// An accountDB holds passwd or group.
type accountDB struct {
	File string // "/etc/passwd"
	List []accounts.Account
	Gap  error // why List may be incomplete

	// At returns the name of the account that has an ID, "" for none, or why it
	// is unknown.
	At func(id uint32) (name string, err error)

	byID map[uint32]string // of List
}

// Unseen is why List may be incomplete, or nil. A directory service that never
// lists its accounts does not count: it answers for single IDs.
func (d *accountDB) Unseen() error {
	if errors.Is(d.Gap, accounts.ErrUnlisted) {
		return nil
	}
	return d.Gap
}

// A Side is one of the two files, with the map that dockerd makes from it.
type Side struct {
	Path string
	File *subid.File // nil where it cannot be read, and Err says why
	Err  error
	reader.Map
	IDs    userns.Map
	MapErr error // why the readings make no map
}

// Mapped reports whether both files give the account a map.
func (i ids) Mapped() bool { return i.UID.Ok() && i.GID.Ok() }

func (s Side) Ok() bool { return !s.IDs.IsZero() }

// Want is the map that every container must have.
func (i ids) Want() userns.Mapping { return userns.Mapping{UID: i.UID.IDs, GID: i.GID.IDs} }

// Root is UID.GID of the container's root, the name of the store.
func (i ids) Root() string {
	uid, _ := i.UID.IDs.ToHost(0)
	gid, _ := i.GID.IDs.ToHost(0)
	return store.Name(uid, gid)
}

// AccountUID returns the UID of the account of userns-remap, false if it does
// not exist or is unknown.
func (i ids) AccountUID() (uint32, bool) {
	a, ok, err := i.User.Get()
	return a.ID, ok && err == nil
}

// Made reports whether dockerd makes the account when it starts.
func (f *Facts) Made() bool {
	_, exists, err := f.IDs.User.Get()
	return f.Config.Value == daemoncfg.Default && f.IDs.Account != "" && err == nil && !exists
}

func readAccounts(ctx context.Context, look *accounts.Lookup, db accounts.DB) accountDB {
	d := accountDB{File: "/etc/" + db.String(), byID: map[uint32]string{}}
	d.List, d.Gap = look.All(ctx, db)
	for _, a := range d.List {
		d.byID[a.ID] = cmp.Or(d.byID[a.ID], a.Name)
	}
	d.At = func(id uint32) (string, error) {
		if name := d.byID[id]; name != "" {
			return name, nil
		}
		a, _, err := look.ByID(ctx, db, id).Get()
		return a.Name, err
	}
	return d
}

// readIDs reads accounts and ranges, once: they may be needed to find the store.
func (f *Facts) readIDs(ctx context.Context) {
	i := &f.IDs
	if i.UID.Path != "" {
		return
	}
	i.UID.Path, i.GID.Path = subid.UIDFile, subid.GIDFile
	i.set, i.setErr = subid.Read(ctx, f.Host)
	i.Users, i.Groups = readAccounts(ctx, f.accounts, accounts.Passwd), readAccounts(ctx, f.accounts, accounts.Group)
	i.SubIDPlugin, _ = accounts.SubIDPlugin(f.Host) // only to explain
	i.Reader = reader.Dockerd
	if before, known := f.Engine.Before(48); known && before {
		i.Reader = reader.Dockerd27
	}
	i.UID.Err, i.GID.Err = i.setErr, i.setErr
	if i.set != nil {
		i.UID.File, i.GID.File = i.set.UID, i.set.GID
	}
	if !f.Config.On {
		return
	}
	if i.Account, i.OwnerErr = f.Config.remap.Account(ctx, f.Host); i.OwnerErr != nil {
		return
	}
	i.User = f.accounts.ByName(ctx, accounts.Passwd, i.Account)
	i.OwnerErr = f.Config.remap.Check(ctx, f.Host)
	i.UID.Map, i.GID.Map = i.Read(i.Reader)
	for _, s := range i.Sides() {
		if s.Refused == nil && s.Unsure == nil && len(s.Readings) > 0 {
			s.IDs, s.MapErr = mapOf(s.Readings)
		}
	}
}

// Read returns what a version of dockerd reads.
func (i ids) Read(program reader.Program) (uid, gid reader.Map) {
	if i.set == nil {
		return uid, gid
	}
	return i.set.Mapped(program, i.Account)
}

// Claims returns the claims of other owners on IDs of a file, as any reader
// finds them. The file must have been read.
func (i *ids) Claims(s *Side) []subid.Claim {
	list, groups := i.set.Claims()
	if s == &i.GID {
		list = groups
	}
	own := i.set.Held(i.Account)
	return slices.DeleteFunc(list, func(c subid.Claim) bool { return c.File != s.Path || slices.Contains(own, c) })
}

// mapOf makes the kernel's map from dockerd's readings.
func mapOf(list []reader.Reading) (userns.Map, error) {
	var extents []userns.Extent
	for _, r := range list {
		if r.Start < 0 || r.Start > math.MaxUint32 || r.Count < 0 || r.Count > math.MaxUint32 || r.ID > math.MaxUint32 {
			return userns.Map{}, fmt.Errorf("line %d: %d:%d are not IDs", r.Line, r.Start, r.Count)
		}
		extents = append(extents, userns.Extent{ID: uint32(r.ID), HostID: uint32(r.Start), Count: uint32(r.Count)})
	}
	return userns.NewMap(extents...)
}

// AccountIn returns an account or a group of the host with an ID of the map; an
// error means unknown.
func (i ids) AccountIn(m userns.Mapping) (name string, id uint32, err error) {
	for _, d := range []struct {
		accountDB
		userns.Map
		kind string
	}{{i.Users, m.UID, "user"}, {i.Groups, m.GID, "group"}} {
		for _, a := range d.List {
			if _, ok := d.ToContainer(a.ID); ok {
				return "the " + d.kind + " " + a.Name, a.ID, nil
			}
		}
		err = cmp.Or(err, d.Unseen())
	}
	return "", 0, err
}

// An UnmappedID is an ID that a container is to run as and that a map lacks.
type UnmappedID struct {
	Option string // "--user 70000"
	Kind   string // "uid", "gid"
	ID     uint32
}

// Unmapped returns the numeric IDs of a container's options that a map lacks.
// Names are left out, since only the image resolves them.
func Unmapped(c *engine.Container, m userns.Mapping) (list []UnmappedID) {
	if c.Userns == "host" || m.IsZero() {
		return nil
	}
	user, group, _ := strings.Cut(c.User, ":")
	for i, text := range append([]string{user, group}, c.GroupAdd...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			continue
		}
		side, u := m.GID, UnmappedID{"--group-add " + text, "gid", uint32(n)}
		if i < 2 {
			u.Option = "--user " + c.User
		}
		if i == 0 {
			side, u.Kind = m.UID, "uid"
		}
		if _, ok := side.ToHost(u.ID); !ok {
			list = append(list, u)
		}
	}
	return list
}

// MaxSystemID is the last ID of system accounts, SYS_UID_MAX of login.defs(5).
const MaxSystemID = 999

// Sides returns the two files.
func (i *ids) Sides() []*Side { return []*Side{&i.UID, &i.GID} }

// Line names the line of a reading.
func (s *Side) Line(r reader.Reading) string { return s.Path + ":" + strconv.Itoa(r.Line) }

// Text returns a line of the file as it is written there.
func (s *Side) Text(line int) string {
	n := 0
	for l := range strings.Lines(string(s.File.Bytes())) {
		if n++; n == line {
			return l
		}
	}
	return ""
}

// WantUnread reports whether NoWant is because something could not be read.
func (f *Facts) WantUnread() bool {
	c, i := f.Config, f.IDs
	return c.Unread() != nil || c.On && (i.set == nil || i.UID.Unsure != nil || i.GID.Unsure != nil || i.Account == "" && !errors.Is(i.OwnerErr, daemoncfg.ErrAccount))
}

// NoWant is why the wanted map of containers is not known, or "".
func (f *Facts) NoWant() string {
	switch {
	case f.IDs.Mapped():
		return ""
	case f.Config.DocErr != nil:
		return f.Config.DocErr.Error()
	case f.Config.Err != nil:
		return f.Config.Err.Error()
	case !f.Config.On:
		return "userns-remap is not set"
	case f.IDs.Account == "":
		return fmt.Sprint(f.IDs.OwnerErr)
	}
	for _, s := range f.IDs.Sides() {
		switch {
		case s.Ok():
		case cmp.Or(s.Err, s.Refused, s.Unsure, s.MapErr) != nil:
			return cmp.Or(s.Err, s.Refused, s.Unsure, s.MapErr).Error()
		case len(s.Readings) == 0:
			return s.Path + " has no range for " + f.IDs.Account
		}
	}
	return "no map is configured"
}

// askNames looks up the accounts of the containers' host IDs, which may be in a
// directory, all at once.
func (f *Facts) askNames(ctx context.Context) {
	var users, groups []uint32
	for _, b := range f.Containers {
		for _, p := range b.Processes {
			for _, t := range append(p.Threads, userns.Thread{UID: p.UID, GID: p.GID, Groups: p.Groups}) {
				users = append(users, t.UID[:]...)
				groups = append(append(groups, t.GID[:]...), t.Groups...)
			}
		}
	}
	for db, ids := range map[accounts.DB][]uint32{accounts.Passwd: users, accounts.Group: groups} {
		slices.Sort(ids)
		var keys []string
		for _, id := range slices.Compact(ids) {
			keys = append(keys, strconv.FormatUint(uint64(id), 10))
		}
		f.accounts.Ask(ctx, db, keys...)
	}
}

// users holds what uses IDs of the ranges outside of containers.
type users struct {
	Processes map[string]string // owners by "/proc/PID": "100000:100000"
	Err       error             // why the processes could not be looked at
	Accounts  []string          // what the name services know of some of the IDs
	AskErr    error             // why it could not be asked
}

// findUsers reads the owners of processes outside of user namespaces and
// containers: the owner of /proc/PID is the effective user, proc(5).
func (f *Facts) findUsers(ctx context.Context) {
	want := f.IDs.Want()
	if !f.HasProc || want.IsZero() {
		return
	}
	inside := map[int]bool{}
	for _, p := range f.Scan.processes {
		inside[p.PID] = true
	}
	list, err := os.ReadDir(f.Proc.Root)
	if err != nil {
		f.Users.Err = err
		return
	}
	f.Users.Processes = map[string]string{}
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || inside[pid] {
			continue
		}
		info, err := os.Stat(path.Join(f.Proc.Root, e.Name()))
		if err != nil {
			continue // ended
		}
		n := InodeOf(info)
		_, u := want.UID.ToContainer(n.UID)
		_, g := want.GID.ToContainer(n.GID)
		// I05 and I07 report system IDs and accounts in the ranges.
		u = u && n.UID > MaxSystemID && f.IDs.Users.byID[n.UID] == ""
		g = g && n.GID > MaxSystemID && f.IDs.Groups.byID[n.GID] == ""
		if !u && !g {
			continue
		}
		// It may have been started in a container after the scan, or have ended.
		if p, err := f.Proc.Mapping(pid); err == nil && p.Equal(want) || IsNotExist(err) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		f.Users.Processes[fmt.Sprintf("/proc/%d", pid)] = fmt.Sprintf("%d:%d", n.UID, n.GID)
	}
	for _, s := range []struct {
		db accounts.DB
		*accountDB
		*Side
	}{{accounts.Passwd, &f.IDs.Users, &f.IDs.UID}, {accounts.Group, &f.IDs.Groups, &f.IDs.GID}} {
		for _, ext := range s.IDs.Extents() {
			for _, id := range []uint32{ext.HostID, ext.HostID + ext.Count/2, ext.HostID + ext.Count - 1} {
				if id <= MaxSystemID || s.byID[id] != "" {
					continue // I05 and I07 report these
				}
				switch a, ok, err := f.accounts.ByID(ctx, s.db, id).Get(); {
				case err != nil:
					f.Users.AskErr = cmp.Or(f.Users.AskErr, err)
				case ok:
					f.Users.Accounts = append(f.Users.Accounts, fmt.Sprintf("%v %s (%d)", s.db, a.Name, a.ID))
				}
			}
		}
	}
}
