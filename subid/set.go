package subid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	known "github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/subid/reader"
)

const nsswitchFile = "/etc/nsswitch.conf"

// A Set is a host's configuration of subordinate IDs, read once by [Read].
//
// Set{UID: Parse(UIDFile, uid), GID: Parse(GIDFile, gid)} is a host with only
// the two files: its limits are the defaults of shadow-utils, and accounts are
// not avoided. The zero Set is a host without the files.
type Set struct {
	UID, GID *File // /etc/subuid and /etc/subgid

	// The accounts of the host. Without a lookup there are none, and every name
	// may be an owner.
	lookup        *known.Lookup
	users, groups []known.Account  // the listed ones, and owners that were looked up
	open          map[string]error // why the existence of an owner is unknown
	noPasswd      error            // the same for all owners that are not listed

	uid, gid *window   // of login.defs; nil: the defaults
	notes    []Problem // about the host: symbolic links, nsswitch.conf, unseen accounts
	host     *usernskit.Host
}

// files returns both files.
func (s *Set) files() [2]*File {
	if s.UID == nil {
		s.UID = Parse(UIDFile, nil)
	}
	if s.GID == nil {
		s.GID = Parse(GIDFile, nil)
	}
	return [2]*File{s.UID, s.GID}
}

// Read reads the two files, the accounts and the limits of a host. A file that
// does not exist counts as empty. Where nsswitch.conf names other sources and
// the host has programs, getent(1) lists their accounts and looks up the owners
// of the two files.
func Read(ctx context.Context, h usernskit.Host) (*Set, error) {
	s := &Set{host: &h}
	var failed error
	file := func(path string) *File {
		data, err := readOptional(h, path)
		failed = cmp.Or(failed, err)
		if info, err := h.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			s.note(ProblemSymlink, path, "a symbolic link: useradd, newuidmap and getsubids refuse to open it")
		}
		return Parse(path, data)
	}
	s.UID, s.GID = file(UIDFile), file(GIDFile)
	defs, err := readDefs(h)
	if err := cmp.Or(failed, err); err != nil {
		return nil, err
	}
	s.uid, s.gid = windowOf(defs, "UID"), windowOf(defs, "GID")
	plugin, err := known.SubIDPlugin(h)
	if plugin != "" {
		s.note(ProblemNSSIgnored, nsswitchFile, fmt.Sprintf(
			"takes subid from %q: shadow-utils then reads that instead of the files, where its plug-in is installed, and dockerd never does", plugin))
	}
	s.unseen(err)
	if err := s.readAccounts(ctx, known.New(h)); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Set) note(id ProblemID, file, text string) {
	s.notes = append(s.notes, Problem{ID: id, File: file, Text: text})
}

// unseen notes why accounts may be missing from the list, unless why is nil.
func (s *Set) unseen(why error) {
	if why == nil {
		return
	}
	file := nsswitchFile
	for _, path := range []string{"/etc/passwd", "/etc/group"} {
		if strings.Contains(why.Error(), path) {
			file = path
			break
		}
	}
	s.note(ProblemAccountsUnseen, file, why.Error())
}

// readOptional reads a file; one that does not exist is nil.
func readOptional(h usernskit.Host, path string) ([]byte, error) {
	data, err := h.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// readDefs reads /etc/login.defs, or the vendor's in /usr/etc if there is none,
// and then the files of login.defs.d, which override it.
func readDefs(h usernskit.Host) (map[string]string, error) {
	base, err := readOptional(h, defsFile)
	if base == nil && err == nil {
		base, err = readOptional(h, "/usr"+defsFile)
	}
	if err != nil {
		return nil, err
	}
	texts := []string{string(base)}
	entries, err := h.ReadDir(defsFile + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".defs") {
			continue
		}
		data, err := readOptional(h, defsFile+".d/"+e.Name())
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(data))
	}
	return parseDefs(texts...), nil
}

// Owners returns who holds an ID: all lines with it as any program reads them,
// then the accounts with that UID and the groups with that GID. An account that
// the host does not list is looked up by UID; an error means that it is not
// known whether there is one. The list is valid even then.
func (s *Set) Owners(ctx context.Context, id uint32) ([]Claim, error) {
	err := s.find(ctx, strconv.FormatUint(uint64(id), 10))
	list := s.claimsOf(func(c Claim) bool { return c.Contains(id) })
	for _, c := range append(holds(s.users), holds(s.groups)...) {
		if c.Start == id {
			list = append(list, c)
		}
	}
	return list, err
}

// Claims returns all claims of the host: for users the lines of /etc/subuid and
// then the accounts, for groups those of /etc/subgid and the groups. A line
// about which programs differ comes once for each range that one of them finds.
func (s *Set) Claims() (users, groups []Claim) {
	files := s.files()
	return append(files[0].held(), holds(s.users)...), append(files[1].held(), holds(s.groups)...)
}

func holds(holders []known.Account) (list []Claim) {
	for _, a := range holders {
		list = append(list, Claim{a.File, a.Line, a.Name, Range{a.ID, 1}})
	}
	return list
}

// held returns the claims of the lines, each once.
func (f *File) held() []Claim {
	var list []Claim
	first := 0 // where the last line's claims begin
	for l := range f.claims() {
		if n := len(list); n == 0 || list[n-1].Line != l.Line {
			first = n
		}
		if !slices.Contains(list[first:], l.Claim) {
			list = append(list, l.Claim)
		}
	}
	return list
}

// Held returns what an owner, a name or a UID, holds in the two files. If the
// account exists, either finds the lines under both.
func (s *Set) Held(owner string) []Claim {
	o, _ := s.owner(owner, nil)
	return s.claimsOf(func(c Claim) bool { return o.Is(c.Owner) })
}

// claimsOf returns the claims for which want is true.
func (s *Set) claimsOf(want func(Claim) bool) []Claim {
	files := s.files()
	list := append(files[0].held(), files[1].held()...)
	return slices.DeleteFunc(list, func(c Claim) bool { return !want(c) })
}

// Mapped returns the map that a dockerd builds for containers where
// "userns-remap" names the account ("dockremap" for "default"). The program is
// [reader.Dockerd], or [reader.Dockerd27] for dockerd 20.10 to 27. The kernel
// may still refuse the map: numbers may not be IDs, and ranges may overlap.
func (s *Set) Mapped(p reader.Program, account string) (uid, gid reader.Map) {
	o, _ := s.owner(account, nil)
	maps := [2]reader.Map{}
	for i, f := range s.files() {
		text := &f.text
		if f.absent && f.text == "" {
			text = nil
		}
		maps[i] = reader.Lay(p, f.name, text, o)
		if maps[i].Refused == nil && o.UID == nil {
			maps[i].Unsure = s.numbered(f)
		}
	}
	return maps[0], maps[1]
}
