package daemoncfg

import (
	"context"
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/accounts"
)

// Account returns the name of the user whose lines in /etc/subuid and
// /etc/subgid dockerd reads for r: dockremap for "default", and for a number
// the name that the host has for it. (dockerd also reads lines that have the
// number in the place of the name.)
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
		return "", &remapError{r.String(), rootText, true}
	}
	return u.Name, nil
}

// Check reports whether r is a value that [ParseRemap] takes, and whether the
// user and the group exist that dockerd will look up: in /etc/passwd and
// /etc/group, and in the sources of nsswitch.conf(5) behind them. An error that
// names a missing one matches [ErrAccount]; any other says that it cannot be
// told. For "default" neither has to exist, but a user dockremap without a group
// dockremap is an error.
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
		// By the same name or the same number, and not the user's primary group.
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
	return &accountError{"/etc/group", why}
}

func (r Remap) noUser(name string) error {
	return &accountError{"/etc/passwd", fmt.Sprintf("there is no user %s, and dockerd does not start without it", name)}
}

// An accountError is a user or group that is missing from file.
type accountError struct{ file, why string }

func (e *accountError) Error() string        { return e.file + ": " + e.why }
func (e *accountError) Is(target error) bool { return target == ErrAccount }
