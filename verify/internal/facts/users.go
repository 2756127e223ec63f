package facts

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"strconv"

	"github.com/usernskit/usernskit/internal/accounts"
)

// users are those who use IDs of the ranges outside of containers.
type users struct {
	Processes []stranger
	Err       error    // why the processes could not be looked at
	Accounts  []string // what the name services know of some of the IDs
	Asked     bool     // there is a name service behind the files
	AskErr    error    // why it could not be asked
}

// A stranger is a process of the host that runs with IDs of the ranges.
type stranger struct {
	PID      int
	UID, GID uint32
}

// findUsers looks at who owns the processes that are in no user namespace
// and in no container: the owner of /proc/PID is the effective user, proc(5).
func (f *Facts) findUsers(ctx context.Context) {
	want := f.IDs.Want()
	if !f.HasProc || want.IsZero() {
		return
	}
	inside := map[int]bool{}
	for _, p := range f.Scan.processes {
		inside[p.PID] = true
	}
	list, err := os.ReadDir(f.Proc.Root)
	if err != nil {
		f.Users.Err = err
		return
	}
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || inside[pid] {
			continue
		}
		info, err := os.Stat(path.Join(f.Proc.Root, e.Name()))
		if err != nil {
			continue // ended
		}
		n := InodeOf(info)
		_, u := want.UID.ToContainer(n.UID)
		_, g := want.GID.ToContainer(n.GID)
		// Accounts and system IDs in the ranges are known already.
		u = u && n.UID > MaxSystemID && f.IDs.Users.byID[n.UID] == ""
		g = g && n.GID > MaxSystemID && f.IDs.Groups.byID[n.GID] == ""
		if !u && !g {
			continue
		}
		// It may have been started in a container after the scan.
		if p, err := f.Proc.Mapping(pid); err == nil && p.Equal(want) {
			continue
		}
		f.Users.Processes = append(f.Users.Processes, stranger{pid, n.UID, n.GID})
	}
	for _, s := range []struct {
		db accounts.DB
		*accountDB
		*Side
	}{{accounts.Passwd, &f.IDs.Users, &f.IDs.UID}, {accounts.Group, &f.IDs.Groups, &f.IDs.GID}} {
		f.Users.Asked = f.Users.Asked || f.accounts.Asks(s.db)
		for _, ext := range s.IDs.Extents() {
			for _, id := range []uint32{ext.HostID, ext.HostID + ext.Count/2, ext.HostID + ext.Count - 1} {
				if id <= MaxSystemID || s.byID[id] != "" {
					continue // I05 and I07 speak of these
				}
				switch a, ok, err := f.accounts.ByID(ctx, s.db, id).Get(); {
				case err != nil:
					f.Users.AskErr = cmp.Or(f.Users.AskErr, err)
				case ok:
					f.Users.Accounts = append(f.Users.Accounts, fmt.Sprintf("%v %s (%d)", s.db, a.Name, a.ID))
				}
			}
		}
	}
}
