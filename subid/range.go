package subid

import (
	"fmt"
	"strconv"
	"strings"
)

// The two files, dockerd's default account, and IDs of warnings that are not a
// [ProblemID].
const (
	UIDFile = "/etc/subuid"
	GIDFile = "/etc/subgid"

	Dockremap = "dockremap"

	WarnSmallRange  = "small-range"  // fewer IDs than an image needs; a risk
	WarnNoAccount   = "no-account"   // the owner has no account
	WarnFileRefused = "file-refused" // strict readers refuse the whole file
	WarnReuse       = "reuse"        // files of a released range keep their owner
)

// A Range is Count IDs from Start on. As a flag it is "100000:65536".
type Range struct {
	Start uint32 `json:"start"`
	Count uint32 `json:"count"`
}

// maxID is the last ID that may be given: 4294967295 is (uid_t)-1, which
// chown(2) and setresuid(2) take for "leave as it is".
const maxID = 1<<32 - 2

// end is the first ID after r. It needs the 33rd bit.
func (r Range) end() uint64 { return uint64(r.Start) + uint64(r.Count) }

// Last returns the last ID of r, which must not be empty. It wraps if r runs
// past 4294967295, which a range of a [File] does not.
func (r Range) Last() uint32 { return r.Start + r.Count - 1 }

// Contains reports whether id is one of r.
func (r Range) Contains(id uint32) bool {
	return id >= r.Start && uint64(id) < r.end()
}

// Overlaps reports whether r and s have an ID in common. Adjacent ranges do
// not, and an empty range overlaps nothing.
func (r Range) Overlaps(s Range) bool {
	return r.Count > 0 && s.Count > 0 && uint64(r.Start) < s.end() && uint64(s.Start) < r.end()
}

// String returns the range as the files have it: "100000:65536".
func (r Range) String() string {
	return strconv.FormatUint(uint64(r.Start), 10) + ":" + strconv.FormatUint(uint64(r.Count), 10)
}

// Set sets r from the form of [Range.String], in plain decimal only, for
// package flag. "0:0" is the empty range. An error is [ErrInvalid].
func (r *Range) Set(text string) error {
	start, count, _ := strings.Cut(text, ":")
	n, end := decimal(start)
	m, last := decimal(count)
	if n > maxID || m > maxID || end != len(start) || last != len(count) {
		return fmt.Errorf("%q is not START:COUNT in plain decimal: %w", text, ErrInvalid)
	}
	got := Range{uint32(n), uint32(m)}
	if why := got.check(); why != "" && got != (Range{}) {
		return fmt.Errorf("%q %s: %w", text, why, ErrInvalid)
	}
	*r = got
	return nil
}

// check returns why the kernel would refuse r, or "".
func (r Range) check() string {
	switch {
	case r.Count == 0:
		return "has no IDs"
	case r.end() > 1<<32:
		return "runs past the last ID, 4294967295"
	case r.end() > maxID+1:
		return "includes 4294967295, which is (uid_t)-1, not a valid ID"
	}
	return ""
}

func join(list []Range) string {
	var words []string
	for _, r := range list {
		words = append(words, r.String())
	}
	return strings.Join(words, ", ")
}

// A Reserved range has a fixed use. Its IDs are not allocated; those of a soft
// one are, but only if nothing else is free.
type Reserved struct {
	Range
	Name string `json:"name"` // whose they are
	// Soft marks the IDs from which systemd-nspawn picks container ranges: it
	// checks the accounts, but not subuid. Most of the default window of
	// shadow-utils is among them.
	Soft bool `json:"soft"`
}

// ReservedRanges returns the reserved ranges in order, mostly from
// https://systemd.io/UIDS-GIDS/.
func ReservedRanges() []Reserved { return append([]Reserved(nil), reservedTable[:]...) }

var reservedTable = [...]Reserved{
	{Range{0, 1}, "the root user", false},
	{Range{1, 999}, "system users", false},
	{Range{1000, 59001}, "login users", false},
	{Range{60001, 513}, "systemd-homed", false},
	{Range{60514, 64}, "host users mapped into systemd-nspawn containers", false},
	{Range{60578, 128}, "greeters of systemd", false},
	{Range{60706, 478}, "below 65536, where no range belongs", false},
	{Range{61184, 4336}, "DynamicUser= of systemd", false},
	{Range{65520, 14}, "below 65536, where no range belongs", false},
	{Range{65534, 1}, "nobody, and IDs that are not mapped", false},
	{Range{65535, 1}, "(uid_t)-1 of 16-bit programs", false},
	{Range{524288, 1878523904}, "container ranges of systemd-nspawn and nsresourced", true},
	{Range{2147352576, 65536}, "foreign IDs of systemd", false},
	{Range{2147483648, 2147483647}, "IDs from 2^31 on, which programs with signed numbers get wrong", false},
}

// softAt reports whether an ID is in a soft reserved range.
func softAt(id uint32) bool {
	for _, x := range reservedTable {
		if x.Soft && x.Contains(id) {
			return true
		}
	}
	return false
}
