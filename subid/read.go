package subid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
)

const nsswitchFile = "/etc/nsswitch.conf"

// Read reads the two files, the accounts and the limits of a host. A file that
// does not exist counts as empty. Accounts that are not in /etc/passwd and
// /etc/group are asked for with getent(1) where nsswitch.conf names another
// source and the host has programs.
func Read(h usernskit.Host) (*Set, error) {
	s := &Set{}
	var failed error
	text := func(path string) string {
		data, err := readOptional(h, path)
		failed = errors.Join(failed, err)
		return string(data)
	}
	file := func(path string) *File {
		data, err := readOptional(h, path)
		failed = errors.Join(failed, err)
		if info, err := h.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			s.symlinks = append(s.symlinks, path)
		}
		f := Parse(path, data)
		f.read = data
		return f
	}
	s.UID, s.GID = file(UIDFile), file(GIDFile)
	s.users = parseAccounts("/etc/passwd", text("/etc/passwd"))
	s.groups = parseAccounts("/etc/group", text("/etc/group"))
	nsswitch := text(nsswitchFile)
	defs, err := readDefs(h)
	if err := errors.Join(failed, err); err != nil {
		return nil, err
	}
	if s.uid, err = windowOf(defs, "UID"); err != nil {
		return nil, err
	}
	if s.gid, err = windowOf(defs, "GID"); err != nil {
		return nil, err
	}
	if list := sources(nsswitch, "subid"); len(list) > 0 && list[0] != "files" {
		s.subidSource = list[0]
	}
	s.users = s.getent(h, nsswitch, "passwd", s.users)
	s.groups = s.getent(h, nsswitch, "group", s.groups)
	return s, nil
}

// readOptional reads a file; one that does not exist is nil.
func readOptional(h usernskit.Host, path string) ([]byte, error) {
	data, err := h.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// readDefs reads login.defs where distributions keep it: the vendor's only
// where there is none in /etc, and what is in login.defs.d on top.
func readDefs(h usernskit.Host) (map[string]uint64, error) {
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

// getent adds the accounts of sources other than files. What cannot be asked
// for goes to s.unseen: no account is found then, which does not mean that
// there is none.
func (s *Set) getent(h usernskit.Host, nsswitch, database string, known []account) []account {
	var other []string
	for _, source := range sources(nsswitch, database) {
		switch source {
		case "files", "compat", "systemd": // systemd's IDs are reserved ones
		case "altfiles":
			path := "/usr/lib/" + database
			data, err := readOptional(h, path)
			if err != nil {
				s.unseen = append(s.unseen, err.Error())
			}
			known = append(known, parseAccounts(path, string(data))...)
		default:
			other = append(other, source)
		}
	}
	if len(other) == 0 {
		return known
	}
	why := ""
	out, err := run(h, "getent", database)
	before := len(known)
	seen := make(map[string]uint32, before)
	for _, a := range known {
		seen[a.name] = a.id
	}
	for _, a := range parseAccounts("", string(out)) {
		if id, ok := seen[a.name]; !ok || id != a.id {
			a.line = 0
			known = append(known, a)
		}
	}
	switch {
	case err != nil:
		why = err.Error()
	case len(known) == before:
		why = "getent lists none of theirs, as where enumeration is switched off"
	default:
		return known
	}
	s.unseen = append(s.unseen, fmt.Sprintf("%s takes the %s database from %s too: %s",
		nsswitchFile, database, strings.Join(other, ", "), why))
	return known
}

// findOwner asks for the owner of a request by name where no list has it.
func (s *Set) findOwner(h usernskit.Host, name string) {
	if _, known := s.user(name); known || len(s.unseen) == 0 {
		return
	}
	// An error is a name that is not found, or one that cannot be asked for,
	// of which s.unseen tells already.
	out, _ := run(h, "getent", "passwd", "--", name)
	for _, a := range parseAccounts("", string(out)) {
		a.line = 0
		s.users = append(s.users, a)
	}
}

// run runs a program of the host that answers from local caches or a server.
func run(h usernskit.Host, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return h.Command(ctx, argv...)
}
