package fleet

import (
	"fmt"
	"hash/fnv"
	"iter"

	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/subid"
)

// A Policy says who shares a slot.
type Policy = enum.Of[policyNames]

const (
	// Disjoint gives each host its own slot: no ID is used on two hosts.
	Disjoint Policy = iota
	// Same gives each owner one slot, which it has on every host: files on a
	// network file system belong to the same owner everywhere.
	Same
)

type policyNames struct{}

func (policyNames) Names() (string, []string) { return "Policy", []string{"disjoint", "same"} }

// A Space is the part of the 32-bit ID space that a fleet divides into slots of
// equal size. Slot N is the Count IDs from Min + N*Count on.
//
// All hosts and programs of a fleet must use the same Space: it is
// configuration and not in the registry.
type Space struct {
	Min    uint32 // the first ID of slot 0
	Count  uint32 // IDs in a slot
	Slots  int    // number of slots
	Policy Policy
}

// lastID is the highest ID that may be given: 4294967295 is (uid_t)-1.
const lastID = 1<<32 - 2

// Check reports why the space cannot be used, or nil.
func (s Space) Check() error {
	switch {
	case s.Policy != Disjoint && s.Policy != Same:
		return fmt.Errorf("%w: %v", ErrSpace, s.Policy)
	case s.Min == 0:
		return fmt.Errorf("%w: it starts at ID 0, which is the root of every host", ErrSpace)
	case s.Count == 0 || s.Slots <= 0:
		return fmt.Errorf("%w: %d slots of %d IDs", ErrSpace, s.Slots, s.Count)
	case uint64(s.Slots) > lastID || uint64(s.Min)+uint64(s.Slots)*uint64(s.Count) > lastID+1:
		return fmt.Errorf("%w: %d slots of %d IDs from %d on run past the last ID, %d", ErrSpace, s.Slots, s.Count, s.Min, uint32(lastID))
	}
	return nil
}

// Slot returns the IDs of a slot. The number must be from 0 to Slots-1.
func (s Space) Slot(number int) (subid.Range, error) {
	if err := s.Check(); err != nil {
		return subid.Range{}, err
	}
	if number < 0 || number >= s.Slots {
		return subid.Range{}, fmt.Errorf("%w: slot %d of %d", ErrSpace, number, s.Slots)
	}
	return subid.Range{Start: s.Min + uint32(number)*s.Count, Count: s.Count}, nil
}

// SlotOf returns the number of the slot whose IDs are exactly r.
func (s Space) SlotOf(r subid.Range) (number int, ok bool) {
	if s.Check() != nil || r.Count != s.Count || r.Start < s.Min || (r.Start-s.Min)%s.Count != 0 {
		return 0, false
	}
	number = int((r.Start - s.Min) / s.Count)
	return number, number < s.Slots
}

// overlaps returns the first and the last slot with an ID of r.
func (s Space) overlaps(r subid.Range) (first, last int, ok bool) {
	begin, end := uint64(r.Start), uint64(r.Start)+uint64(r.Count)
	low, high := uint64(s.Min), uint64(s.Min)+uint64(s.Slots)*uint64(s.Count)
	if r.Count == 0 || end <= low || begin >= high {
		return 0, 0, false
	}
	begin, end = max(begin, low), min(end, high)
	return int((begin - low) / uint64(s.Count)), int((end - 1 - low) / uint64(s.Count)), true
}

// order yields every slot once, in the order in which a holder tries them. It
// depends only on the holder, so that a second try finds what the first one
// claimed, and hosts that claim at the same time seldom collide.
func (s Space) order(holder string) iter.Seq[int] {
	return func(yield func(int) bool) {
		hash := fnv.New64a()
		hash.Write([]byte(holder)) // never fails
		first := int(hash.Sum64() % uint64(s.Slots))
		for i := range s.Slots {
			if !yield((first + i) % s.Slots) {
				return
			}
		}
	}
}
