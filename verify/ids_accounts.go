package verify

import (
	"fmt"
	"strings"
)

// i07: no account has an ID of the ranges.
func (f *facts) i07(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	users, groups := accounts{file: "/etc/passwd", err: f.ids.passwd.err}, accounts{file: "/etc/group", err: f.ids.group.err}
	for _, u := range f.ids.passwd.value {
		users.list = append(users.list, account{u.Name, int64(u.Uid)})
	}
	for _, g := range f.ids.group.value {
		groups.list = append(groups.list, account{g.Name, int64(g.Gid)})
	}
	users.within(v, &f.ids.uid)
	groups.within(v, &f.ids.gid)
}

type account struct {
	name string
	id   int64
}

type accounts struct {
	file string
	list []account
	err  error
}

// within fails for the accounts that have IDs of the side's ranges. Those of
// the system are left to I05, which says worse.
func (a accounts) within(v *verdicts, s *side) {
	if s.noRange(v) {
		return
	}
	if a.err != nil {
		v.unknown(a.file, "cannot be read: %v", a.err)
		return
	}
	bad := false
	for _, r := range s.readings {
		var found []account
		for _, c := range a.list {
			if holds(r, c.id) && c.id > maxSystemID {
				found = append(found, c)
			}
		}
		if len(found) == 0 {
			continue
		}
		bad = true
		var names []string
		for _, c := range found[:min(len(found), 3)] {
			names = append(names, c.name)
		}
		who := strings.Join(names, ", ")
		if n := len(found) - len(names); n > 0 {
			who += fmt.Sprintf(" and %d more", n)
		}
		fi := v.fail(s.line(r), "containers can become %s", who).saw(s.line(r), span(r), "no account inside")
		for _, c := range found[:len(names)] {
			fi.saw(a.file, fmt.Sprintf("%s has ID %d", c.name, c.id), "")
		}
	}
	if !bad {
		v.pass(s.path, "no account of %s inside %s", a.file, spans(s.readings))
	}
}
