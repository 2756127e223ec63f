package subid

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// defsFile is where shadow-utils keeps the limits; see login.defs(5).
const defsFile = "/etc/login.defs"

// A window is the part of login.defs that is about one of the two files.
type window struct {
	min, max, count uint64
	read            bool // the zero window is that of a host without login.defs
}

// shadowWindow is what shadow-utils takes where login.defs says nothing.
var shadowWindow = window{min: 100000, max: 600100000, count: 65536, read: true}

// parseDefs reads the keys of login.defs as shadow-utils does: the last one
// wins, a value may stand in quotes, and numbers are those of C. What is no
// number counts as not set. A comment has a key that starts with "#" and is
// nobody's; further along the line there are none.
func parseDefs(texts ...string) map[string]uint64 {
	keys := map[string]uint64{}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			key, value, ok := cutBlank(strings.Trim(line, " \t\r\n\v\f"))
			if !ok {
				continue
			}
			value, _, _ = strings.Cut(strings.TrimLeft(value, " \t\""), `"`)
			delete(keys, key)
			if n, ok := cNumber(Shadow413, value); ok {
				keys[key] = n
			}
		}
	}
	return keys
}

func cutBlank(s string) (before, after string, ok bool) {
	i := strings.IndexAny(s, " \t")
	if i <= 0 {
		return s, "", false
	}
	return s[:i], s[i:], true
}

// windowOf returns the window of login.defs for "UID" or "GID".
func windowOf(keys map[string]uint64, kind string) (window, error) {
	w := shadowWindow
	for key, n := range map[string]*uint64{"MIN": &w.min, "MAX": &w.max, "COUNT": &w.count} {
		if v, ok := keys["SUB_"+kind+"_"+key]; ok {
			*n = v
		}
	}
	if w.min > w.max || w.min > maxID {
		return w, &usernskit.FileError{File: defsFile,
			Err: fmt.Errorf("SUB_%s_MIN %d is above SUB_%s_MAX %d or any ID", kind, w.min, kind, w.max)}
	}
	w.max = min(w.max, maxID)
	w.count = min(w.count, maxID)
	return w, nil
}

// resolve fills in what the policy leaves to the host. The windows of the two
// files may differ: what is to stand in both lies in both.
func (p Policy) resolve(uid, gid window) (Policy, error) {
	for _, w := range []*window{&uid, &gid} {
		if !w.read {
			*w = shadowWindow
		}
	}
	if p.Min == 0 {
		p.Min = uint32(max(uid.min, gid.min))
	}
	if p.Max == 0 {
		p.Max = uint32(min(uid.max, gid.max))
	}
	if p.Count == 0 {
		// A count of 0 there switches off what useradd does for login users,
		// and a smaller one suits them; a container needs ID 65534.
		p.Count = uint32(max(uid.count, gid.count, 65536))
	}
	p.Max, p.Align = min(p.Max, maxID), max(p.Align, 1)
	if p.Min > p.Max {
		return p, &ConflictError{Err: ErrRange, Why: fmt.Sprintf("no ID is both %d or above and %d or below", p.Min, p.Max)}
	}
	return p, nil
}
