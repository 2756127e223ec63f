package subid

import "strconv"

// The two files, as paths of the host.
const (
	UIDFile = "/etc/subuid"
	GIDFile = "/etc/subgid"
)

// A Range is Count IDs from Start on.
type Range struct{ Start, Count uint32 }

// maxID is the last ID that may be given: 4294967295 is (uid_t)-1, which
// chown(2) and setresuid(2) take for "leave as it is".
const maxID = 1<<32 - 2

// end is the first ID after r. It needs the 33rd bit.
func (r Range) end() uint64 { return uint64(r.Start) + uint64(r.Count) }

// Last returns the last ID of r, which must not be empty. Where r runs past
// 4294967295, which no range of a [File] does, the result has wrapped.
func (r Range) Last() uint32 { return r.Start + r.Count - 1 }

// Contains reports whether id is one of r.
func (r Range) Contains(id uint32) bool {
	return id >= r.Start && uint64(id) < r.end()
}

// Overlaps reports whether r and s have an ID in common. Neighbours have not,
// and an empty range overlaps nothing.
func (r Range) Overlaps(s Range) bool {
	return r.Count > 0 && s.Count > 0 && uint64(r.Start) < s.end() && uint64(s.Start) < r.end()
}

// String returns the range as the files have it: "100000:65536".
func (r Range) String() string {
	return strconv.FormatUint(uint64(r.Start), 10) + ":" + strconv.FormatUint(uint64(r.Count), 10)
}

// check tells whether r can be handed to the kernel at all.
func (r Range) check() string {
	switch {
	case r.Count == 0:
		return "a range of no IDs"
	case r.end() > 1<<32:
		return "runs past the last ID there is, 4294967295"
	case r.end() > maxID+1:
		return "includes 4294967295, which is no ID but (uid_t)-1"
	}
	return ""
}
