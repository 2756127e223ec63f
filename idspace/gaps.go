package idspace

import "github.com/usernskit/usernskit/subid"

// lastID is the last ID there is: 4294967295 is (uid_t)-1.
const lastID = 1<<32 - 2

// A Gap is a run of IDs that nobody holds.
type Gap struct {
	subid.Range
	// For says what IDs like these are meant for, "login users" for one. It is
	// empty where the gap is free for anything.
	For string
}

// Gaps returns what lies between the intervals, cut where its meaning changes.
// A namespace that has the IDs of the host from 0 on takes nothing from anyone,
// and does not count.
func (s Space) Gaps() []Gap {
	var list []Gap
	next := uint64(0) // the first ID that is not looked at yet
	for _, v := range s.intervals {
		if v.background() {
			continue
		}
		if first := uint64(v.Start); first > next {
			list = appendGaps(list, next, first)
		}
		next = max(next, end(v.Range))
	}
	return appendGaps(list, next, lastID+1)
}

// background reports whether the interval is that of a namespace with the IDs of
// the host.
func (v Interval) background() bool { return v.Kind == Live && v.Start == 0 }

func end(r subid.Range) uint64 { return uint64(r.Start) + uint64(r.Count) }

// appendGaps appends the gap from first to before end, cut at the borders of the
// zones in it.
func appendGaps(list []Gap, first, end64 uint64) []Gap {
	add := func(to uint64, why string) {
		if to > first {
			list = append(list, Gap{subid.Range{Start: uint32(first), Count: uint32(to - first)}, why})
			first = to
		}
	}
	for _, r := range subid.ReservedRanges() {
		if end(r.Range) > first && uint64(r.Start) < end64 {
			add(min(uint64(r.Start), end64), "")
			add(min(end(r.Range), end64), r.Name)
		}
	}
	add(end64, "")
	return list
}
