// Package distro finds a host's distribution and release, and compares versions
// as boot loaders do.
package distro

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A Release is what os-release(5) and /etc/redhat-release say.
type Release struct {
	ID      string   // "rhel"
	Like    []string // "rhel", "centos", "fedora"
	Version string   // "9.4"; CentOS 7 takes the minor from redhat-release
}

// Parse reads the two files; either may be nil.
func Parse(osRelease, redhat []byte) Release {
	var r Release
	for line := range bytes.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			r.ID = value
		case "ID_LIKE":
			r.Like = strings.Fields(value)
		case "VERSION_ID":
			r.Version = value
		}
	}
	// "CentOS Linux release 7.9.2009 (Core)", where VERSION_ID is "7".
	_, text, ok := strings.Cut(string(redhat), " release ")
	if f := strings.Fields(text); ok && len(f) > 0 {
		full := strings.Split(f[0], ".")
		if len(full) > 1 && (r.Version == "" || r.Version == full[0]) {
			r.Version = full[0] + "." + full[1]
		}
		if r.ID == "" {
			r.ID = "rhel"
		}
	}
	return r
}

// String returns ID and version: "rhel 9.4".
func (r Release) String() string { return strings.TrimSpace(r.ID + " " + r.Version) }

// Is reports whether the distribution is one of ids, or derived from one.
func (r Release) Is(ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return r.ID == id || slices.Contains(r.Like, id) })
}

// Enterprise returns the release of Red Hat Enterprise Linux or of a rebuild.
// minor is -1 where the files do not tell.
func (r Release) Enterprise() (major, minor int, ok bool) {
	if r.ID == "fedora" || !r.Is("rhel", "centos", "ol", "rocky", "almalinux", "scientific") || r.ID == "amzn" {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(r.Version, ".")
	major, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.Atoi(b)
	if err != nil {
		minor = -1
	}
	return major, minor, true
}

// CompareVersions orders versions as UAPI.10 does
// (https://uapi-group.org/specifications/specs/version_format_specification/).
func CompareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, ignored), strings.TrimLeftFunc(b, ignored)
		if a == "" && b == "" {
			return 0
		}
		// "~" is lower than the end of a version; the end is lower than the rest.
		c, more := compareMark(&a, &b, '~')
		if c != 0 || more {
			if c != 0 {
				return c
			}
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		for _, mark := range []byte{'-', '^', '.'} {
			if c, more = compareMark(&a, &b, mark); c != 0 || more {
				break
			}
		}
		switch {
		case c != 0:
			return c
		case more:
			continue
		}
		if c := comparePart(&a, &b); c != 0 {
			return c
		}
	}
}

func ignored(r rune) bool {
	return r >= 0x80 || !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("-.~^", r)
}

// compareMark removes a mark from both versions (more), or finds that the
// version with it is lower.
func compareMark(a, b *string, mark byte) (c int, more bool) {
	x, y := starts(*a, mark), starts(*b, mark)
	switch {
	case x && y:
		*a, *b = (*a)[1:], (*b)[1:]
		return 0, true
	case x:
		return -1, false
	case y:
		return 1, false
	}
	return 0, false
}

// comparePart removes a run of digits or letters from both and compares it.
func comparePart(a, b *string) int {
	is := isLetter
	if isDigit((*a)[0]) || isDigit((*b)[0]) {
		is = isDigit
	}
	x, y := (*a)[:run(*a, is)], (*b)[:run(*b, is)]
	*a, *b = (*a)[len(x):], (*b)[len(y):]
	if is('0') {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
	}
	return strings.Compare(x, y)
}

func starts(s string, b byte) bool { return s != "" && s[0] == b }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}
