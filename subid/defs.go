package subid

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid/reader"
)

// defsFile is where shadow-utils keeps the limits; see login.defs(5).
const defsFile = "/etc/login.defs"

// A window holds the limits of login.defs for one of the two files.
type window struct {
	min, max, count uint64
	err             error // why nothing can be chosen

	// Shadow-utils from 4.20 on can give the UID u the range at
	// min + (u - firstUID) * count without reading the file, if it does not run
	// past max. Such a range of a UID from firstUID to lastUID is a slot.
	deterministic     bool
	wraps             bool // and starts over at min after max
	firstUID, lastUID uint64
}

// shadowWindow holds the defaults of shadow-utils.
var shadowWindow = window{min: 100000, max: 600100000, count: 65536, firstUID: 1000, lastUID: 60000}

// parseDefs reads the keys of login.defs as shadow-utils does: the last one
// wins, and a value may be in quotes. A comment line gives a key that starts
// with "#"; a "#" after a value does not start a comment.
func parseDefs(texts ...string) map[string]string {
	keys := map[string]string{}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			line = strings.TrimLeft(strings.TrimRight(line, " \t\r\n\v\f"), " \t")
			if i := strings.IndexAny(line, " \t"); i > 0 {
				value, _, _ := strings.Cut(strings.TrimLeft(line[i:], " \t\""), `"`)
				keys[line[:i]] = value
			}
		}
	}
	return keys
}

// windowOf returns the window of login.defs for "UID" or "GID". A number that
// cannot be read counts as not set.
func windowOf(keys map[string]string, kind string) *window {
	w := shadowWindow
	yes := func(key string) bool { return strings.EqualFold(keys[key], "yes") }
	if w.deterministic = yes("SUB_" + kind + "_DETERMINISTIC"); w.deterministic {
		w.min, w.max = 65536, 1<<32-1
		w.wraps = yes("UNSAFE_SUB_" + kind + "_DETERMINISTIC_WRAP")
	}
	for key, n := range map[string]*uint64{
		"SUB_" + kind + "_MIN": &w.min, "SUB_" + kind + "_MAX": &w.max, "SUB_" + kind + "_COUNT": &w.count,
		"UID_MIN": &w.firstUID, "UID_MAX": &w.lastUID, // for both files
	} {
		if v, ok := reader.Number(keys[key]); ok {
			*n = v
		}
	}
	w.count = min(w.count, maxID)
	if w.min > w.max || w.min > maxID {
		w.err = &usernskit.FileError{File: defsFile,
			Err: fmt.Errorf("SUB_%s_MIN %d is above SUB_%s_MAX %d or any ID", kind, w.min, kind, w.max)}
		return &w
	}
	w.max = min(w.max, maxID)
	return &w
}

// slot returns the range that shadow-utils gives a UID without reading the
// file, if any.
func (w *window) slot(uid uint32) (r Range, ok bool) {
	u := uint64(uid)
	if !w.deterministic || w.count == 0 || w.min > w.max || u < w.firstUID || u > w.lastUID {
		return Range{}, false
	}
	n := u - w.firstUID
	fits := (w.max - w.min + 1) / w.count
	if w.wraps && fits > 0 {
		n %= fits
	}
	if n >= fits {
		return Range{}, false
	}
	return Range{uint32(w.min + n*w.count), uint32(w.count)}, true
}

// slots returns the IDs of all possible slots.
func (w *window) slots() Range {
	if !w.deterministic || w.count == 0 || w.min > w.max || w.firstUID > w.lastUID {
		return Range{}
	}
	n := min(w.lastUID-w.firstUID+1, (w.max-w.min+1)/w.count)
	return Range{uint32(w.min), uint32(n * w.count)}
}

// uidOf returns the lowest UID whose slot contains id.
func (w *window) uidOf(id uint32) uint64 {
	return w.firstUID + (uint64(id)-w.min)/w.count
}

// A Policy limits which ranges may be chosen. The zero Policy is the host's:
// SUB_UID_MIN, SUB_UID_MAX and SUB_UID_COUNT of login.defs(5) and the same for
// groups. Those that are not set have the defaults of shadow-utils.
type Policy struct {
	Min, Max uint32  // the first and last ID that may be chosen; 0: the host's
	Count    uint32  // IDs in a range; 0: the host's, but at least 65536
	Align    uint32  // ranges start at a multiple; 0 or 1: anywhere
	Avoid    []Range // not to be used, such as the maps of running containers
}

// resolve completes the policy with the host's limits. A range for both files
// lies in the windows of both. The error is why nothing can be chosen; the
// returned policy still serves a request that names its Start.
func (s *Set) resolve(p Policy) (_ Policy, failed error) {
	low, high, count := uint64(0), uint64(maxID), uint64(65536)
	for _, f := range s.files() {
		w := s.window(f)
		if p.Min == 0 || p.Max == 0 {
			failed = cmp.Or(failed, w.err)
		}
		low, high = max(low, w.min), min(high, w.max)
		// login.defs may have a count of 0 or a small one for login users; a
		// container needs ID 65534.
		count = max(count, w.count)
	}
	p.Min = cmp.Or(p.Min, uint32(low))
	p.Max = min(cmp.Or(p.Max, uint32(high)), maxID)
	p.Count = cmp.Or(p.Count, uint32(count))
	p.Align = max(p.Align, 1)
	if failed == nil && p.Min > p.Max {
		failed = conflict(ErrInvalid, "", Range{}, Claim{}, "no ID is both %d or above and %d or below", p.Min, p.Max)
	}
	return p, failed
}

// window returns the limits for one of the two files.
func (s *Set) window(f *File) *window {
	if f == s.GID {
		return cmp.Or(s.gid, &shadowWindow)
	}
	return cmp.Or(s.uid, &shadowWindow)
}
