package bootargs

import (
	"bytes"
	"strconv"
	"strings"
)

// A release is what os-release(5) and /etc/redhat-release say.
type release struct {
	id      string   // "rhel"
	like    []string // "rhel", "centos", "fedora"
	version string   // "9.4"; CentOS 7 takes the minor from redhat-release
}

func parseRelease(osRelease, redhat []byte) release {
	var r release
	for line := range bytes.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			r.id = value
		case "ID_LIKE":
			r.like = strings.Fields(value)
		case "VERSION_ID":
			r.version = value
		}
	}
	// "CentOS Linux release 7.9.2009 (Core)", where VERSION_ID is "7".
	_, text, ok := strings.Cut(string(redhat), " release ")
	if f := strings.Fields(text); ok && len(f) > 0 {
		full := strings.Split(f[0], ".")
		if len(full) > 1 && (r.version == "" || r.version == full[0]) {
			r.version = full[0] + "." + full[1]
		}
		if r.id == "" {
			r.id = "rhel"
		}
	}
	return r
}

func (r release) String() string { return strings.TrimSpace(r.id + " " + r.version) }

// is reports whether the distribution is one of ids, or derived from one.
func (r release) is(ids ...string) bool {
	for _, id := range ids {
		if r.id == id {
			return true
		}
		for _, like := range r.like {
			if like == id {
				return true
			}
		}
	}
	return false
}

// enterprise returns the release of Red Hat Enterprise Linux or of a rebuild.
func (r release) enterprise() (major, minor int, ok bool) {
	if r.id == "fedora" || !r.is("rhel", "centos", "ol", "rocky", "almalinux", "scientific") || r.id == "amzn" {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(r.version, ".")
	major, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.Atoi(b)
	if err != nil {
		minor = -1 // not told
	}
	return major, minor, true
}
