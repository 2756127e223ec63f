package subid

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/accounts"
)

const nsswitchFile = "/etc/nsswitch.conf"

// Read reads the two files, the accounts and the limits of a host. A file that
// does not exist counts as empty. Accounts that are not in /etc/passwd and
// /etc/group are asked for with getent(1) where nsswitch.conf names another
// source and the host has programs: all that are listed, and the owners of the
// two files by name or by number.
func Read(ctx context.Context, h usernskit.Host) (*Set, error) {
	s := &Set{}
	var failed error
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
	list, err := accounts.Sources(h, "subid")
	if err != nil {
		s.unseen = append(s.unseen, err.Error())
	}
	if len(list) > 0 && list[0] != "files" {
		s.subidSource = list[0]
	}
	if err := s.readAccounts(ctx, accounts.New(h)); err != nil {
		return nil, err
	}
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
