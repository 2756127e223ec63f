package bootargs

import (
	"cmp"
	"slices"
	"strings"
)

// compareVersions orders versions as UAPI.10 does
// (https://uapi-group.org/specifications/specs/version_format_specification/).
func compareVersions(a, b string) int {
	valid := func(c byte) bool { return isLetter(c) || isDigit(c) || strings.IndexByte("-.~^", c) >= 0 }
	for {
		for a != "" && !valid(a[0]) {
			a = a[1:]
		}
		for b != "" && !valid(b[0]) {
			b = b[1:]
		}
		if a == "" && b == "" {
			return 0
		}
		// Each of these is lower than anything that may stand in its place,
		// the end of the version included ("^" and "." are above the end).
		done := false
		for _, mark := range []byte{'~', 0, '-', '^', '.'} {
			if mark == 0 {
				if a == "" || b == "" {
					return cmp.Compare(len(a), len(b))
				}
				continue
			}
			if x, y := starts(a, mark), starts(b, mark); x && y {
				a, b, done = a[1:], b[1:], true
				break
			} else if x || y {
				return map[bool]int{true: -1, false: 1}[x]
			}
		}
		if done {
			continue
		}
		is := isLetter
		if isDigit(a[0]) || isDigit(b[0]) {
			is = isDigit
		}
		x, y := a[:run(a, is)], b[:run(b, is)]
		a, b = a[len(x):], b[len(y):]
		if is('0') {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
}

func starts(s string, b byte) bool { return s != "" && s[0] == b }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

// sortEntries puts entries in the order of the menu. GRUB goes by file names;
// systemd-boot by the keys of the specification.
func sortEntries(list []*entry, grub bool) {
	slices.SortStableFunc(list, func(a, b *entry) int {
		if !grub {
			if a.failed() != b.failed() {
				return map[bool]int{true: 1, false: -1}[a.failed()]
			}
			if (a.sortKey == "") != (b.sortKey == "") {
				return map[bool]int{true: 1, false: -1}[a.sortKey == ""]
			}
			if a.sortKey != "" {
				if c := cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine), compareVersions(b.version, a.version)); c != 0 {
					return c
				}
			}
		}
		return compareVersions(b.id(), a.id())
	})
}
