package daemoncfg

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// A Remap is a value of dockerd's --userns-remap, and of "userns-remap" in
// daemon.json: a user by name or number, "default", and a group if it is not
// the one of the same name or number.
//
// dockerd only looks whether the group exists. Both /etc/subuid and /etc/subgid
// are read for the user: see [Remap.Account].
type Remap struct {
	User, Group string
}

// Default is the user that stands for [DockremapUser].
const Default = "default"

// DockremapUser is the account that dockerd takes for "default". It makes the
// account, and one range of IDs for it, where there is none.
const DockremapUser = "dockremap"

// String is the value as daemon.json has it.
func (r Remap) String() string {
	if r.Group == "" {
		return r.User
	}
	return r.User + ":" + r.Group
}

// ParseRemap reads USER or USER:GROUP. A number up to 2147483647 is an ID, as
// for dockerd; what dockerd would take for the name of a user that cannot exist
// is an error that matches [ErrRemap]. So is what switches remapping off while
// it looks on, which matches [ErrFailOpen] too: root, 0 and nothing at all.
// dockerd starts with these, says "configuration OK" to --validate, and runs
// containers as root of the host.
func ParseRemap(s string) (Remap, error) {
	if s == "" {
		return Remap{}, &remapError{s, "dockerd takes the empty value for no remapping", true}
	}
	user, group, grouped := strings.Cut(s, ":")
	switch {
	case strings.Contains(group, ":"):
		return Remap{}, &remapError{s, "dockerd does not start with more than one colon in it", false}
	case user == "":
		return Remap{}, &remapError{s, "there is no user before the colon", false}
	case grouped && group == "":
		return Remap{}, &remapError{s, "there is no group after the colon; dockerd starts with it once, while it makes the user, and never again", false}
	}
	if user == "root" {
		return Remap{}, &remapError{s, rootText, true}
	}
	for _, name := range []string{user, group} {
		if why := badName(name); why != "" {
			return Remap{}, &remapError{s, why, false}
		}
	}
	if id, ok := number(user); ok && id == 0 {
		return Remap{}, &remapError{s, rootText, true}
	}
	return Remap{User: user, Group: group}, nil
}

const rootText = `dockerd logs "root cannot be remapped with itself; user namespaces are OFF" and starts without them`

// number reads an ID as dockerd tells it from a name. The plain form only:
// badName has refused the others.
func number(s string) (id int64, ok bool) {
	id, err := strconv.ParseInt(s, 10, 32)
	return id, err == nil
}

// badName says why a user or group cannot be meant, or "".
func badName(s string) string {
	digits := s != "" && strings.Trim(s, "0123456789") == ""
	switch id, isNumber := number(s); {
	case isNumber && id < 0:
		return "an ID cannot be negative"
	case isNumber && s != strconv.FormatInt(id, 10):
		if id == 0 {
			return "dockerd reads " + s + " as 0, which is root"
		}
		return fmt.Sprintf("dockerd reads %s as the ID %d; write that", s, id)
	case !isNumber && digits:
		return fmt.Sprintf("dockerd takes a number beyond %d for a name", math.MaxInt32)
	}
	for _, c := range s {
		if unicode.IsSpace(c) || unicode.IsControl(c) || strings.ContainsRune(`"'\/,`, c) || c == unicode.ReplacementChar {
			return fmt.Sprintf("no user or group has %q in its name, and dockerd cuts nothing off", c)
		}
	}
	return ""
}

// A remapError is a value that --userns-remap must not have.
type remapError struct {
	value, why string
	failOpen   bool
}

func (e *remapError) Error() string {
	if e.failOpen {
		return fmt.Sprintf("userns-remap %q: %v: %s", e.value, ErrFailOpen, e.why)
	}
	return fmt.Sprintf("userns-remap %q: %v: %s", e.value, ErrRemap, e.why)
}

func (e *remapError) Is(target error) bool {
	return target == ErrRemap || e.failOpen && target == ErrFailOpen
}
