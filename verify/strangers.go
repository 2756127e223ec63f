package verify

import (
	"context"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
)

// A stranger is a process of the host that runs with IDs of the ranges.
type stranger struct {
	pid      int
	uid, gid uint32
}

// findStrangers looks at who owns the processes that are in no user namespace
// and in no container: the owner of /proc/PID is the effective user, proc(5).
func (f *facts) findStrangers(ctx context.Context) {
	want := f.ids.want()
	if !f.proc || want.IsZero() || !f.asked("I11") {
		return
	}
	inside := map[int]bool{}
	for _, p := range f.scan.processes {
		inside[p.PID] = true
	}
	list, err := os.ReadDir(f.opts.Proc.Root)
	if err != nil {
		f.strangersErr = err
		return
	}
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || inside[pid] {
			continue
		}
		info, err := os.Stat(path.Join(f.opts.Proc.Root, e.Name()))
		if err != nil {
			continue // ended
		}
		n := inodeOf(info)
		_, u := want.UID.ToContainer(n.UID)
		_, g := want.GID.ToContainer(n.GID)
		// System IDs are I05's, accounts I07's.
		user, _ := f.ids.userAt(n.UID)
		group, _ := f.ids.groupAt(n.GID)
		u = u && n.UID > maxSystemID && user == ""
		g = g && n.GID > maxSystemID && group == ""
		if !u && !g {
			continue
		}
		// It may have been started in a container after the scan.
		if p, err := f.opts.Proc.Mapping(pid); err == nil && p.Equal(want) {
			continue
		}
		f.strangers = append(f.strangers, stranger{pid, n.UID, n.GID})
	}
	if f.nssSkip = offline; !f.live && f.host.Run == nil {
		return
	}
	f.nssSkip = "the first IDs are the host's own, see I05 and I07"
	for _, s := range []struct {
		db string
		*side
	}{{"passwd", &f.ids.uid}, {"group", &f.ids.gid}} {
		for _, ext := range s.m.Extents() {
			if ext.HostID <= maxSystemID || f.ids.users[ext.HostID] != "" && s.db == "passwd" || f.ids.groups[ext.HostID] != "" && s.db == "group" {
				continue
			}
			f.nssSkip = ""
			out, err := f.host.Command(ctx, "getent", s.db, strconv.FormatUint(uint64(ext.HostID), 10))
			if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
				return
			}
			switch line, _, _ := strings.Cut(string(out), "\n"); {
			case err == nil && line != "":
				f.nssUsers = append(f.nssUsers, line)
			case err != nil && !notFound(err) && f.nssErr == nil:
				f.nssErr = err
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
