package daemoncfg

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/accounts"
)

// A Remap is a value of dockerd's --userns-remap, and of "userns-remap" in
// daemon.json: a user by name or number, or "default", and a group unless it has
// the same name or number.
//
// dockerd only checks that the group exists. /etc/subuid and /etc/subgid are
// both read for the user: see [Remap.Account].
type Remap struct {
	User, Group string
}

// String is the value as daemon.json has it, "" for the zero Remap.
func (r Remap) String() string {
	if r.Group == "" {
		return r.User
	}
	return r.User + ":" + r.Group
}

// Set reads the value as [ParseRemap] does: with String it makes a *Remap a
// flag.Value.
func (r *Remap) Set(s string) error {
	parsed, err := ParseRemap(s)
	if err == nil {
		*r = parsed
	}
	return err
}

// MarshalText returns the value as daemon.json has it.
func (r Remap) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is [Remap.Set]. Empty text is the zero Remap.
func (r *Remap) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Remap{}
		return nil
	}
	return r.Set(string(text))
}

// ParseRemap reads USER or USER:GROUP. A number up to 2147483647 is an ID, as
// for dockerd. An impossible name is an error that matches [ErrRemap]. The error
// of root, 0 and the empty value matches [ErrFailOpen] too: remapping looks on
// and is off. dockerd accepts these values, also with --validate, and runs
// containers as root of the host.
func ParseRemap(s string) (Remap, error) {
	if s == "" {
		return Remap{}, failOpen(s, "dockerd takes the empty value for no remapping")
	}
	user, group, grouped := strings.Cut(s, ":")
	switch {
	case strings.Contains(group, ":"):
		return Remap{}, badRemap(s, "dockerd does not start with more than one colon in it")
	case user == "":
		return Remap{}, badRemap(s, "there is no user before the colon")
	case grouped && group == "":
		return Remap{}, badRemap(s, "there is no group after the colon; dockerd starts with it once, while it makes the user, and never again")
	}
	if user == "root" {
		return Remap{}, failOpen(s, rootText)
	}
	for _, name := range []string{user, group} {
		if why := badName(name); why != "" {
			return Remap{}, badRemap(s, why)
		}
	}
	if id, ok := number(user); ok && id == 0 {
		return Remap{}, failOpen(s, rootText)
	}
	return Remap{User: user, Group: group}, nil
}

const rootText = `dockerd logs "root cannot be remapped with itself; user namespaces are OFF" and starts without them`

// number reads an ID as dockerd does: with a sign and leading zeros, and a larger
// number is a name.
func number(s string) (id int64, ok bool) {
	id, err := strconv.ParseInt(s, 10, 32)
	return id, err == nil
}

// badName returns why a name is not possible, or "".
func badName(s string) string {
	if id, ok := number(s); ok && id < 0 {
		return "an ID cannot be negative"
	}
	// Names of a directory service are not judged: "domain users" and CORP\jdoe
	// are valid.
	inner := strings.TrimSpace(s)
	for i, c := range s {
		atEnd := unicode.IsSpace(c) && (i < strings.Index(s, inner) || i >= strings.Index(s, inner)+len(inner))
		if atEnd || unicode.IsControl(c) || c == '"' || c == '\'' || c == unicode.ReplacementChar {
			return fmt.Sprintf("%q is not allowed in a name; dockerd does not trim it", c)
		}
	}
	return ""
}

// badRemap is the error for a value that --userns-remap must not have, failOpen
// for one that looks on and is off.
func badRemap(value, why string) error {
	return refuse(fmt.Sprintf("userns-remap %q: %v: %s", value, ErrRemap, why), ErrRemap)
}

func failOpen(value, why string) error {
	return refuse(fmt.Sprintf("userns-remap %q: %v: %s", value, ErrFailOpen, why), ErrRemap, ErrFailOpen)
}

// Account returns the name of the user whose lines in /etc/subuid and
// /etc/subgid dockerd reads for r: dockremap for "default", and for a number
// the name that the host has for it. (dockerd also reads lines with the
// number.)
func (r Remap) Account(ctx context.Context, h usernskit.Host) (string, error) {
	return r.account(ctx, accounts.New(h))
}

func (r Remap) account(ctx context.Context, look *accounts.Lookup) (string, error) {
	if r.User == Default {
		return DockremapUser, nil
	}
	id, ok := number(r.User)
	if !ok {
		return r.User, nil
	}
	u, found, err := look.ByID(ctx, accounts.Passwd, uint32(id)).Get()
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", r.noUser(r.User)
	case u.Name == "root":
		return "", failOpen(r.String(), rootText)
	}
	return u.Name, nil
}

// Check returns the error of [ParseRemap], or one that matches [ErrAccount] if a
// user or group that dockerd will look up does not exist: in /etc/passwd and
// /etc/group, and in the other sources of nsswitch.conf(5). Any other error
// means unknown. For "default" neither has to exist, but a user dockremap
// without a group dockremap is an error.
func (r Remap) Check(ctx context.Context, h usernskit.Host) error {
	return r.check(ctx, accounts.New(h))
}

func (r Remap) check(ctx context.Context, look *accounts.Lookup) error {
	if _, err := ParseRemap(r.String()); err != nil {
		return err
	}
	account, err := r.account(ctx, look)
	if err != nil {
		return err
	}
	_, found, err := look.ByName(ctx, accounts.Passwd, account).Get()
	switch {
	case err != nil:
		return err
	case !found && r.User == Default:
		return nil // dockerd makes the user, and the group with it
	case !found:
		return r.noUser(account)
	}
	group := r.Group
	if group == "" {
		// dockerd looks for the same name or number, not for the primary group.
		group = r.User
		if r.User == Default {
			group = DockremapUser
		}
	}
	lookUp := func() (accounts.Account, bool, error) { return look.ByName(ctx, accounts.Group, group).Get() }
	if id, ok := number(group); ok {
		lookUp = func() (accounts.Account, bool, error) { return look.ByID(ctx, accounts.Group, uint32(id)).Get() }
	}
	if _, found, err := lookUp(); err != nil || found {
		return err
	}
	why := fmt.Sprintf("there is no group %s, and dockerd does not start without it", group)
	if r.Group == "" {
		why += fmt.Sprintf("; name another one, as in %s:GROUP", r.User)
	}
	return refuse("/etc/group: "+why, ErrAccount)
}

func (r Remap) noUser(name string) error {
	return refuse(fmt.Sprintf("/etc/passwd: there is no user %s, and dockerd does not start without it", name), ErrAccount)
}
