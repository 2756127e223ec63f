package subid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An account is a line of passwd(5) or group(5).
type account struct {
	file string // "" where getent(1) told
	line int
	name string
	id   uint32
	gid  uint32 // of passwd: the primary group
}

// parseAccounts reads passwd or group lines. A line without a name or a number
// is no account to anyone and is left out.
func parseAccounts(file, text string) []account {
	list := make([]account, 0, strings.Count(text, "\n")+1)
	number := 0
	for line := range strings.Lines(text) {
		number++
		name, rest, _ := strings.Cut(strings.TrimLeft(line, blanks), ":")
		_, rest, _ = strings.Cut(rest, ":") // the password
		rest = strings.TrimRight(rest, "\r\n")
		id, end := accountID(rest, 0)
		if name == "" || name[0] == '#' || id > maxID || end < len(rest) && rest[end] != ':' {
			continue
		}
		a := account{file: file, line: number, name: name, id: uint32(id)}
		if gid, _ := accountID(rest, min(end+1, len(rest))); gid <= maxID {
			a.gid = uint32(gid)
		}
		list = append(list, a)
	}
	return list
}

// blanks are what isspace(3) takes for white space.
const blanks = " \t\v\f\r\n"

// accountID reads the number at i as the C library does, with strtoul(3) and
// base 10: " 01000" and "+1000" are 1000 to getpwnam(3).
func accountID(s string, i int) (id uint64, end int) {
	if id, end = decimal(s, i); id <= maxID {
		return id, end
	}
	digits := strings.TrimPrefix(strings.TrimLeft(s[i:], blanks), "+")
	zeros := len(digits) - len(strings.TrimLeft(digits, "0"))
	i = len(s) - len(digits) + zeros
	if id, end = decimal(s, i); end == i && zeros > 0 {
		return 0, end
	}
	return id, end
}

// where says where an account comes from.
func (a account) where(group bool) string {
	kind := "account"
	if group {
		kind = "group"
	}
	if a.file == "" {
		return fmt.Sprintf("the %s %s, which getent lists", kind, a.name)
	}
	return fmt.Sprintf("the %s %s", kind, a.name)
}

// user finds the account that an owner field means: a number is a UID first,
// as it is to shadow-utils.
func (s *Set) user(owner string) (account, bool) {
	uid, err := strconv.ParseUint(owner, 10, 32)
	i := slices.IndexFunc(s.users, func(a account) bool { return err == nil && uint64(a.id) == uid })
	if i < 0 {
		i = slices.IndexFunc(s.users, func(a account) bool { return a.name == owner })
	}
	if i < 0 {
		return account{}, false
	}
	return s.users[i], true
}

// owner is who lines under name belong to: the account's lines stand under
// its name or its UID, whichever of them was asked for.
func (s *Set) owner(name string, uid *uint32) (o Owner, known bool) {
	o = Owner{Name: name, UID: uid}
	a, known := s.user(name)
	if known {
		o.Name = a.name
		if uid == nil {
			o.UID = &a.id
		}
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil && uid == nil {
		o.UID = new(uint32(n))
	}
	return o, known
}

// sources returns what a database of nsswitch.conf(5) is read from, the
// actions in brackets left out.
func sources(nsswitch, database string) []string {
	var list []string
	for line := range strings.Lines(nsswitch) {
		line, _, _ = strings.Cut(line, "#")
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != database {
			continue
		}
		list = nil
		for _, word := range strings.Fields(rest) {
			if !strings.HasPrefix(word, "[") && !strings.HasSuffix(word, "]") {
				list = append(list, word)
			}
		}
	}
	return list
}
