package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// hints says what to do about an error, where the error itself does not.
func hints(err error) []string {
	var list []string
	add := func(target error, hint string) {
		if errors.Is(err, target) {
			list = append(list, hint)
		}
	}
	add(usernskit.ErrUnfinished, "run: remapctl undo --yes")
	if list != nil {
		return list // something was changed, which the others say was not
	}
	add(subid.ErrSmallRange, "nothing was changed; to go on all the same: --accept-risk small-range")
	add(usernskit.ErrChanged, "another program wrote the file meanwhile; nothing was changed: look at it and run again")
	add(usernskit.ErrImmutable, "nothing was changed; lsattr(1) shows the attribute, chattr -i clears it")
	add(usernskit.ErrReadOnly, "nothing was changed; the file system is mounted read-only")
	add(usernskit.ErrHardLinked, "nothing was changed; break the link with: cp -p FILE FILE.new && mv FILE.new FILE")
	add(usernskit.ErrBindMounted, "nothing was changed; edit the file where it is mounted from")
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		list = append(list, "run it as root (sudo)")
	}
	return list
}
