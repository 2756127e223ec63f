package verify

import (
	"fmt"
	"math"

	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// i08: nobody else has an ID of the ranges.
func (f *facts) i08(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	if f.ids.claimsErr != nil {
		v.unknown("host", "other owners' ranges are not known: %v", f.ids.claimsErr)
	}
	for _, s := range f.ids.sides() {
		if s.noRange(v) || f.ids.claimsErr != nil {
			continue
		}
		bad := false
		for _, r := range s.readings {
			for _, c := range f.others(s, r) {
				bad = true
				v.fail(s.line(r), "%s overlaps %s of %s", span(r), c.Range, c.Owner).
					saw(s.line(r), f.ids.account+":"+span(r), "").saw(fmt.Sprintf("%s:%d", c.File, c.Line), c.Owner+":"+c.Range.String(), "no ID in common")
			}
		}
		if !bad {
			v.pass(s.path, "%s meets no range of another owner", spans(s.readings))
		}
	}
	f.foreignMaps(v)
}

// others returns the claims of other owners on a range, one for each line.
func (f *facts) others(s *side, r subid.Reading) []subid.Claim {
	if r.Start < 0 || r.Start > math.MaxUint32 || r.Count <= 0 {
		return nil
	}
	uid := ""
	if f.ids.owner.UID != nil {
		uid = fmt.Sprint(*f.ids.owner.UID)
	}
	var list []subid.Claim
	seen := map[int]bool{}
	// What reaches past the last ID, K07's, has the IDs up to there.
	have := subid.Range{Start: uint32(r.Start), Count: uint32(min(r.Count, math.MaxUint32))}
	for _, c := range f.ids.claims[s.path] {
		if !c.Range.Overlaps(have) || c.Owner == f.ids.account || c.Owner == uid || seen[c.Line] {
			continue
		}
		seen[c.Line] = true
		list = append(list, c)
	}
	return list
}

// foreignMaps looks for processes that use IDs of the ranges and are none of
// Docker's: a rootless container, say.
func (f *facts) foreignMaps(v *verdicts) {
	want := f.ids.want()
	if !f.proc || want.IsZero() {
		return
	}
	count := map[string]int{}
	first := map[string]userns.Process{}
	var order []string
	for _, p := range f.foreign() {
		// With the very map it is one of Docker's own outside of any container,
		// as a build, unless it is in another runtime's.
		ours := p.Mapping.Equal(want) && (p.Runtime == "" || p.Runtime == "docker")
		if ours || !meetsHost(p.Mapping.UID, want.UID) && !meetsHost(p.Mapping.GID, want.GID) {
			continue
		}
		key := p.Mapping.String()
		if count[key]++; count[key] == 1 {
			first[key] = p
			order = append(order, key)
		}
	}
	for _, key := range order {
		p := first[key]
		v.fail(fmt.Sprintf("process/%d", p.PID), "%d processes that are none of Docker's are in a user namespace with IDs of the ranges", count[key]).
			saw(fmt.Sprintf("/proc/%d/comm", p.PID), p.Command, "").
			saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), "no host ID of "+want.UID.String()).
			saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), "no host ID of "+want.GID.String())
	}
}

// meetsHost reports whether two maps have a host ID in common.
func meetsHost(a, b userns.Map) bool {
	for _, x := range a.Extents() {
		for _, y := range b.Extents() {
			if max(x.HostID, y.HostID) <= min(x.HostID+x.Count-1, y.HostID+y.Count-1) {
				return true
			}
		}
	}
	return false
}

// i11: no other process and no directory service uses the ranges.
func (f *facts) i11(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	want := f.ids.want()
	switch {
	case !f.proc:
		v.skip("host", offline)
		return
	case want.IsZero():
		v.skip("host", "no map is configured")
		return
	case f.strangersErr != nil:
		v.unknown("host", "%v", f.strangersErr)
		return
	}
	if n := len(f.strangers); n == 0 {
		v.pass("host", "no process outside containers uses them")
	} else {
		fi := v.fail("host", "%d processes outside containers run with IDs of the ranges", n)
		for _, s := range f.strangers[:min(n, shown)] {
			fi.saw(fmt.Sprintf("/proc/%d", s.pid), fmt.Sprintf("%d:%d", s.uid, s.gid), "IDs outside the ranges")
		}
	}
	for _, n := range f.nssUsers {
		v.fail("getent", "a name service knows %s", n).saw("getent passwd", n, "no account inside the ranges")
	}
	switch {
	case f.nssErr != nil:
		v.unknown("getent", "whether a name service knows the first is not known: %v", f.nssErr)
	case f.nssSkip != "":
		v.skip("getent", "no name service was asked: %s", f.nssSkip)
	case len(f.nssUsers) == 0:
		v.pass("getent", "no name service knows the first")
	}
}
