package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
)

// ids are the accounts and ranges of the host, and what dockerd makes of them.
type ids struct {
	Passwd reading[[]user.User]
	Group  reading[[]user.Group]
	users  map[uint32]string
	groups map[uint32]string
	NSS    reading[string] // the subid line of nsswitch.conf, "" for none

	// claims are all holds on subordinate IDs, as any reader finds them, by file.
	Claims    map[string][]subid.Claim
	ClaimsErr error

	Account  string // whose lines dockerd reads; "" where remapping is not configured
	Owner    reader.Owner
	OwnerErr error // the account or the group does not exist, as dockerd looks it up
	Reader   reader.Program
	UID, GID Side
}

// A side is one of the two files.
type Side struct {
	Path     string
	File     *subid.File // nil where it cannot be read; empty where it is missing
	Err      error
	Readings []reader.Reading // of the account, as dockerd reads them
	Refused  error            // dockerd refuses the file
	Map      userns.Map
	MapErr   error // why the readings make no map
}

// mapped reports whether both files give the account a map.
func (i ids) Mapped() bool { return i.UID.Ok() && i.GID.Ok() }

func (s Side) Ok() bool { return !s.Map.IsZero() }

// want is the map that every container is to have.
func (i ids) Want() userns.Mapping { return userns.Mapping{UID: i.UID.Map, GID: i.GID.Map} }

// root is UID.GID of the container's root, the name of the store.
func (i ids) Root() string {
	uid, _ := i.UID.Map.ToHost(0)
	gid, _ := i.GID.Map.ToHost(0)
	return StoreName(uid, gid)
}

func (f *Facts) readIDs(ctx context.Context) {
	program := reader.Dockerd
	if before, known := f.Engine.Before(48); known && before {
		program = reader.Dockerd27
	}
	f.IDs = readFiles(ctx, f.Host, f.Config, program)
	if f.IDs.Account != "" {
		f.IDs.OwnerErr = f.Config.remap.Check(ctx, f.Host)
	}
}

// readClaims reads the claims of both files.
func (f *Facts) readClaims(ctx context.Context) {
	i := &f.IDs
	set, err := subid.Read(ctx, f.Host)
	if i.ClaimsErr = err; err != nil {
		return
	}
	i.Claims = map[string][]subid.Claim{}
	users, groups := set.Claims()
	for _, c := range append(users, groups...) {
		i.Claims[c.File] = append(i.Claims[c.File], c)
	}
}

// readFiles reads accounts and ranges.
func readFiles(ctx context.Context, h usernskit.Host, c config, program reader.Program) ids {
	i := ids{Reader: program, UID: Side{Path: subid.UIDFile}, GID: Side{Path: subid.GIDFile}}
	if data, err := h.ReadFile("/etc/passwd"); err != nil {
		i.Passwd.Err = err
	} else {
		i.Passwd.Value, i.Passwd.Err = user.ParsePasswd(bytes.NewReader(data))
	}
	if data, err := h.ReadFile("/etc/group"); err != nil {
		i.Group.Err = err
	} else {
		i.Group.Value, i.Group.Err = user.ParseGroup(bytes.NewReader(data))
	}
	i.users, i.groups = map[uint32]string{}, map[uint32]string{}
	for _, u := range i.Passwd.Value {
		i.users[uint32(u.Uid)] = u.Name
	}
	for _, g := range i.Group.Value {
		i.groups[uint32(g.Gid)] = g.Name
	}
	i.NSS = readNSS(h)
	for _, s := range []*Side{&i.UID, &i.GID} {
		data, err := h.ReadFile(s.Path)
		if err != nil {
			s.Err = err
			if !IsNotExist(err) {
				continue
			}
		}
		s.File = subid.Parse(s.Path, data)
	}
	if !c.On {
		return i
	}
	account, err := c.remap.Account(ctx, h)
	if err != nil {
		i.OwnerErr = err
		return i
	}
	i.Account = account
	i.Owner = reader.Owner{Name: account}
	for _, u := range i.Passwd.Value {
		if u.Name == account && u.Uid >= 0 && int64(u.Uid) <= math.MaxUint32 {
			uid := uint32(u.Uid)
			i.Owner.UID = &uid
			break
		}
	}
	i.UID.read(program, i.Owner)
	i.GID.read(program, i.Owner)
	return i
}

func (s *Side) read(program reader.Program, owner reader.Owner) {
	if s.File == nil {
		return
	}
	s.Readings, s.Refused = s.File.As(program, owner)
	if s.Refused != nil || len(s.Readings) == 0 {
		return
	}
	s.Map, s.MapErr = mapOf(s.Readings)
}

// mapOf lines the ranges up from container ID 0 on, as dockerd does.
func mapOf(list []reader.Reading) (userns.Map, error) {
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
		if IsNotExist(err) {
			err = nil
		}
		return reading[string]{Err: err}
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "subid" {
			return reading[string]{Value: strings.TrimSpace(value)}
		}
	}
	return reading[string]{}
}

// userAt returns the account of the host that has an ID, "" for none, and false
// where the file could not be read.
func (i ids) UserAt(id uint32) (string, bool) { return i.users[id], i.Passwd.Err == nil }

// groupAt is userAt for groups.
func (i ids) GroupAt(id uint32) (string, bool) { return i.groups[id], i.Group.Err == nil }

// accountIn returns an account or a group of the host with an ID that the map
// gives out.
func (i ids) AccountIn(m userns.Mapping) (name string, id uint32, ok bool) {
	for _, u := range i.Passwd.Value {
		if _, ok := m.UID.ToContainer(uint32(u.Uid)); ok {
			return "the user " + u.Name, uint32(u.Uid), true
		}
	}
	for _, g := range i.Group.Value {
		if _, ok := m.GID.ToContainer(uint32(g.Gid)); ok {
			return "the group " + g.Name, uint32(g.Gid), true
		}
	}
	return "", 0, false
}

// maxSystemID is the last ID of system accounts, SYS_UID_MAX of login.defs(5).
const MaxSystemID = 999

// sides returns the two files with the word for their IDs.
func (i *ids) Sides() []*Side { return []*Side{&i.UID, &i.GID} }

// line names the line of a reading.
func (s *Side) Line(r reader.Reading) string { return s.Path + ":" + strconv.Itoa(r.Line) }

// text returns a line of the file as it stands there.
func (s *Side) Text(line int) string {
	n := 0
	for l := range strings.Lines(string(s.File.Bytes())) {
		if n++; n == line {
			return l
		}
	}
	return ""
}

// wantUnread reports whether noWant is because something could not be read.
func (f *Facts) WantUnread() bool {
	c, i := f.Config, f.IDs
	return c.Unread() != nil || c.On && (i.UID.File == nil || i.GID.File == nil || i.Account == "" && !errors.Is(i.OwnerErr, daemoncfg.ErrAccount))
}

// noWant is why it is not known which map containers are to have, or "".
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
		case s.File == nil:
			return s.Err.Error()
		case s.Refused != nil:
			return s.Refused.Error()
		case s.MapErr != nil:
			return s.MapErr.Error()
		case len(s.Readings) == 0:
			return s.Path + " has no range for " + f.IDs.Account
		}
	}
	return "no map is configured"
}

// maxNames is how many IDs a name service is asked for: a container can take on
// every group of its range.
const maxNames = 500

// askNames asks the host's name services for the accounts that the processes of
// containers run as: those of a directory are in no file. What cannot be asked
// stays without a name.
func (f *Facts) askNames(ctx context.Context) {
	if !f.Live && f.Host.Run == nil {
		return
	}
	var users, groups []uint32
	for _, b := range f.Containers {
		for _, p := range b.Processes {
			for _, t := range append(p.Threads, userns.Thread{UID: p.UID, GID: p.GID, Groups: p.Groups}) {
				users = append(users, t.UID[:]...)
				groups = append(append(groups, t.GID[:]...), t.Groups...)
			}
		}
	}
	f.addNames(ctx, "passwd", users, f.IDs.users)
	f.addNames(ctx, "group", groups, f.IDs.groups)
}

// addNames adds the names of IDs that have none yet. An ID without an account
// is no error: getent(1) prints what it finds of many.
func (f *Facts) addNames(ctx context.Context, db string, ids []uint32, names map[uint32]string) {
	slices.Sort(ids)
	argv := []string{"getent", db}
	for _, id := range slices.Compact(ids) {
		if id > MaxSystemID && names[id] == "" && len(argv) < 2+maxNames {
			argv = append(argv, strconv.FormatUint(uint64(id), 10))
		}
	}
	if len(argv) == 2 {
		return // without a key it would print them all
	}
	out, _ := f.Host.Command(ctx, argv...)
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(line, ":", 4) // name, password, ID
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			names[uint32(id)] = fields[0]
		}
	}
}
