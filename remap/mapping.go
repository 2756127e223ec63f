package remap

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
)

// Mapping returns the map that a host's dockerd builds for its containers when
// it starts with the current files. It is absent where userns-remap is not set,
// and unknown where dockerd would not start, where its start is not understood,
// and where versions of dockerd build different maps.
func Mapping(ctx context.Context, h usernskit.Host, c dockerd.Choice) answer.Answer[userns.Mapping] {
	_, m, on, err := mapping(ctx, h, c)
	switch {
	case err != nil:
		return answer.Unknown[userns.Mapping](err)
	case !on:
		return answer.Absent[userns.Mapping]()
	}
	return answer.Found(m)
}

// mapping is [Mapping], and how the dockerd is started.
func mapping(ctx context.Context, h usernskit.Host, c dockerd.Choice) (startup dockerd.Startup, m userns.Mapping, on bool, err error) {
	startup, doc, err := open(ctx, h, c)
	if err != nil {
		return startup, m, false, err
	}
	if len(startup.Unsure) > 0 {
		return startup, m, false, fmt.Errorf("how dockerd is started is not known: %s", strings.Join(startup.Unsure, "; "))
	}
	setting := doc.Setting()
	if !setting.On {
		return startup, m, false, setting.Err
	}
	account, err := setting.Remap.Account(ctx, h)
	if err != nil {
		return startup, m, false, err
	}
	set, err := subid.Read(ctx, h)
	if err == nil {
		err = unusable(set, account)
	}
	if err != nil {
		return startup, m, false, err
	}
	if m, err = mapped(set, reader.Dockerd, account); err != nil {
		return startup, m, false, err
	}
	if old, err := mapped(set, reader.Dockerd27, account); err != nil || !old.Equal(m) {
		return startup, m, false, fmt.Errorf("dockerd 27 and dockerd 28 do not read the same ranges for %s", account)
	}
	return startup, m, true, nil
}

// storeName is the name of the store of a dockerd that remaps: the host's UID and
// GID of container root. It is empty if root is not mapped.
func storeName(m userns.Mapping) string {
	uid, okUID := m.UID.ToHost(0)
	gid, okGID := m.GID.ToHost(0)
	if !okUID || !okGID {
		return ""
	}
	return store.Name(uid, gid)
}

// mapped returns the map that a version of dockerd gives the kernel.
func mapped(set *subid.Set, p reader.Program, account string) (userns.Mapping, error) {
	var made [2]userns.Map
	uid, gid := set.Mapped(p, account)
	for i, m := range []reader.Map{uid, gid} {
		if err := cmp.Or(m.Refused, m.Unsure); err != nil {
			return userns.Mapping{}, err
		}
		var list []user.IDMap
		for _, r := range m.Readings {
			list = append(list, user.IDMap{ID: r.ID, ParentID: r.Start, Count: r.Count})
		}
		var err error
		if made[i], err = userns.FromIDMaps(list); err != nil {
			return userns.Mapping{}, err
		}
	}
	return userns.Mapping{UID: made[0], GID: made[1]}, nil
}
