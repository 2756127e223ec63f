package verify

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/userns"
)

// maxNames is how many IDs a name service is asked for: a container can take on
// every group of its range.
const maxNames = 500

// askNames asks the host's name services for the accounts that the processes of
// containers run as: those of a directory are in no file. What cannot be asked
// stays without a name.
func (f *facts) askNames(ctx context.Context) {
	if !f.live && f.host.Run == nil || !f.asked("C01") {
		return
	}
	var users, groups []uint32
	for _, b := range f.boxes {
		for _, p := range b.processes {
			for _, t := range append(p.Threads, userns.Thread{UID: p.UID, GID: p.GID, Groups: p.Groups}) {
				users = append(users, t.UID[:]...)
				groups = append(append(groups, t.GID[:]...), t.Groups...)
			}
		}
	}
	f.addNames(ctx, "passwd", users, f.ids.users)
	f.addNames(ctx, "group", groups, f.ids.groups)
}

// addNames adds the names of IDs that have none yet. An ID without an account
// is no error: getent(1) prints what it finds of many.
func (f *facts) addNames(ctx context.Context, db string, ids []uint32, names map[uint32]string) {
	slices.Sort(ids)
	argv := []string{"getent", db}
	for _, id := range slices.Compact(ids) {
		if id > maxSystemID && names[id] == "" && len(argv) < 2+maxNames {
			argv = append(argv, strconv.FormatUint(uint64(id), 10))
		}
	}
	if len(argv) == 2 {
		return // without a key it would print them all
	}
	out, _ := f.host.Command(ctx, argv...)
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(line, ":", 4) // name, password, ID
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			names[uint32(id)] = fields[0]
		}
	}
}
