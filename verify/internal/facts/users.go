package facts

import (
	"context"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
)

// users are those who use IDs of the ranges outside of containers.
type users struct {
	Processes []stranger
	Err       error    // why the processes could not be looked at
	Accounts  []string // what the name services know of the first IDs
	NotAsked  string   // why no name service was asked
	AskErr    error    // why one could not be asked
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
		user, _ := f.IDs.UserAt(n.UID)
		group, _ := f.IDs.GroupAt(n.GID)
		u = u && n.UID > MaxSystemID && user == ""
		g = g && n.GID > MaxSystemID && group == ""
		if !u && !g {
			continue
		}
		// It may have been started in a container after the scan.
		if p, err := f.Proc.Mapping(pid); err == nil && p.Equal(want) {
			continue
		}
		f.Users.Processes = append(f.Users.Processes, stranger{pid, n.UID, n.GID})
	}
	if f.Users.NotAsked = Offline; !f.Live && f.Host.Run == nil {
		return
	}
	f.Users.NotAsked = "the first IDs are the host's own and have accounts"
	for _, s := range []struct {
		db string
		*Side
	}{{"passwd", &f.IDs.UID}, {"group", &f.IDs.GID}} {
		for _, ext := range s.Map.Extents() {
			if ext.HostID <= MaxSystemID || f.IDs.users[ext.HostID] != "" && s.db == "passwd" || f.IDs.groups[ext.HostID] != "" && s.db == "group" {
				continue
			}
			f.Users.NotAsked = ""
			out, err := f.Host.Command(ctx, "getent", s.db, strconv.FormatUint(uint64(ext.HostID), 10))
			if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
				return
			}
			switch line, _, _ := strings.Cut(string(out), "\n"); {
			case err == nil && line != "":
				f.Users.Accounts = append(f.Users.Accounts, line)
			case err != nil && !notFound(err) && f.Users.AskErr == nil:
				f.Users.AskErr = err
			}
		}
	}
}

// notFound reports whether getent(1) has looked and found nothing: 2 is its exit
// status then, and of no other error.
func notFound(err error) bool {
	var exit interface{ ExitCode() int }
	return errors.As(err, &exit) && exit.ExitCode() == 2
}
