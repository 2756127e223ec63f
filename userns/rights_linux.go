package userns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// rights is what decides what a thread sees in /proc: the IDs that it opens
// files with, and its capabilities. They are per thread in Linux, see
// credentials(7), and a thread that a program has locked may have others than
// the rest.
type rights struct {
	uid, gid int
	groups   string
	caps     [2]unix.CapUserData // the lower and the upper 32
}

// threadRights returns those of the thread that it is called on. What cannot be
// asked for is the same for every thread.
func threadRights() rights {
	var r rights
	r.uid, _ = unix.SetfsuidRetUid(-1) // no ID: nothing is set
	r.gid, _ = unix.SetfsgidRetGid(-1)
	groups, _ := unix.Getgroups()
	r.groups = fmt.Sprint(groups)
	_ = unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &r.caps[0])
	return r
}
