package bootargs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/distro"
)

// sortEntries puts entries in the order of the menu. GRUB goes by file names;
// systemd-boot by the keys of the specification.
func sortEntries(list []*entry, grub bool) {
	slices.SortStableFunc(list, func(a, b *entry) int {
		if !grub {
			if c := falseFirst(a.failed(), b.failed()); c != 0 {
				return c
			}
			if c := falseFirst(a.sortKey == "", b.sortKey == ""); c != 0 {
				return c
			}
			if a.sortKey != "" {
				if c := cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine), distro.CompareVersions(b.version, a.version)); c != 0 {
					return c
				}
			}
		}
		return distro.CompareVersions(b.id(), a.id())
	})
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
