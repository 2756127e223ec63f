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
		x, y := rank(a), rank(b)
		switch {
		case x != y:
			return cmp.Compare(x, y)
		case x == rankEnd:
			return 0
		case x < rankPart:
			a, b = a[1:], b[1:]
			continue
		}
		is := isLetter
		if isDigit(rune(a[0])) || isDigit(rune(b[0])) {
			is = isDigit
		}
		left, right := strings.TrimLeftFunc(a, is), strings.TrimLeftFunc(b, is)
		c := comparePart(a[:len(a)-len(left)], b[:len(b)-len(right)], is('0'))
		if c != 0 {
			return c
		}
		a, b = left, right
	}
}

const (
	rankEnd  = 1
	rankPart = 5
)

// rank orders the next parts of versions: "~" is lower than the end of a version,
// and the end is lower than everything else.
func rank(s string) int {
	if s == "" {
		return rankEnd
	}
	if i := strings.IndexByte("~ -^.", s[0]); i >= 0 { // the space only holds the place of rankEnd
		return i
	}
	return rankPart
}

func ignored(r rune) bool {
	return !isLetter(r) && !isDigit(r) && !strings.ContainsRune("-.~^", r)
}

// comparePart compares two runs of digits or of letters; either may be empty.
func comparePart(a, b string, number bool) int {
	if number {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if c := cmp.Compare(len(a), len(b)); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }
