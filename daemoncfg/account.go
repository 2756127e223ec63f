package daemoncfg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
)

// Account returns the name of the user whose lines in /etc/subuid and
// /etc/subgid dockerd reads for r: dockremap for "default", and for a number
// the name that /etc/passwd has for it. (dockerd also reads lines that have the
// number in the place of the name.)
func (r Remap) Account(h usernskit.Host) (string, error) {
	if r.User == Default {
		return DockremapUser, nil
	}
	id, ok := number(r.User)
	if !ok {
		return r.User, nil
	}
	u, err := findUser(h, func(u user.User) bool { return int64(u.Uid) == id }, r.User)
	if err != nil {
		return "", err
	}
	if u.Name == "root" {
		return "", &remapError{r.String(), rootText, true}
	}
	return u.Name, nil
}

// Check reports whether r is a value that [ParseRemap] takes, and whether the
// user and the group exist that dockerd will look up: in /etc/passwd and
// /etc/group, and on the running host with getent(1) behind them. An error
// about the latter matches [ErrAccount] and names the missing one. For
// "default" neither has to exist, but a user dockremap without a group
// dockremap is an error.
func (r Remap) Check(h usernskit.Host) error {
	if _, err := ParseRemap(r.String()); err != nil {
		return err
	}
	account, err := r.Account(h)
	if err != nil {
		return err
	}
	_, err = findUser(h, func(u user.User) bool { return u.Name == account }, account)
	if r.User == Default && errors.Is(err, ErrAccount) {
		return nil // dockerd makes the user, and the group with it
	}
	if err != nil {
		return err
	}
	group := r.Group
	if group == "" {
		// By the same name or the same number, and not the user's primary group.
		group = r.User
		if r.User == Default {
			group = DockremapUser
		}
	}
	match := func(g user.Group) bool { return g.Name == group }
	if id, ok := number(group); ok {
		match = func(g user.Group) bool { return int64(g.Gid) == id }
	}
	return findGroup(h, match, group, r)
}

func findUser(h usernskit.Host, match func(user.User) bool, name string) (user.User, error) {
	for data, err := range database(h, "passwd", name) {
		if err != nil {
			return user.User{}, err
		}
		found, err := user.ParsePasswdFilter(bytes.NewReader(data), match)
		if err != nil {
			return user.User{}, fmt.Errorf("/etc/passwd: %w", err)
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return user.User{}, &accountError{"/etc/passwd", fmt.Sprintf("there is no user %s, and dockerd does not start without it", name)}
}

func findGroup(h usernskit.Host, match func(user.Group) bool, name string, r Remap) error {
	for data, err := range database(h, "group", name) {
		if err != nil {
			return err
		}
		found, err := user.ParseGroupFilter(bytes.NewReader(data), match)
		if err != nil {
			return fmt.Errorf("/etc/group: %w", err)
		}
		if len(found) > 0 {
			return nil
		}
	}
	why := fmt.Sprintf("there is no group %s, and dockerd does not start without it", name)
	if r.Group == "" {
		why += fmt.Sprintf("; name another one, as in %s:GROUP", r.User)
	}
	return &accountError{"/etc/group", why}
}

// database gives the texts in which dockerd looks an account up, in its order:
// the file, and what getent(1) finds where the host can run it.
func database(h usernskit.Host, name, key string) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		data, err := h.ReadFile("/etc/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			data, err = nil, nil
		}
		if !yield(data, err) || strings.HasPrefix(key, "-") {
			return
		}
		// A key that getent does not find is an error like a missing getent:
		// both leave the account missing.
		if data, err := h.Command(context.Background(), "getent", name, key); err == nil {
			yield(data, nil)
		}
	}
}

// An accountError is a user or group that is missing from file.
type accountError struct{ file, why string }

func (e *accountError) Error() string        { return e.file + ": " + e.why }
func (e *accountError) Is(target error) bool { return target == ErrAccount }
