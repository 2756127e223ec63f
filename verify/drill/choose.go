package drill

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// ErrNoContainer: no running container has the name or ID.
var ErrNoContainer = errors.New("no such running container")

// Choose sets Mapping and Others from what the daemon reports. The mapping is
// that of the running container with the name or, if no container has the name,
// with the ID prefix, six digits or more; otherwise the error matches
// ErrNoContainer. Without a name it is that of the first running remapped
// container; if none runs, it begins at the IDs at the end of the daemon's
// data-root. For a daemon that does not remap it is zero.
func (o *Options) Choose(proc userns.FS, e *engine.Engine, name string) error {
	o.Mapping, o.Others = userns.Mapping{}, nil
	chosen := 0
	named := e.Container(name)
	for _, c := range e.Containers {
		if !c.Running || c.PID == 0 {
			continue
		}
		wanted := len(name) >= 6 && strings.HasPrefix(c.ID, name)
		if named != nil {
			wanted = c.ID == named.ID
		}
		if chosen == 0 && (wanted || name == "" && e.Remaps()) {
			m, err := proc.Mapping(c.PID)
			if err != nil {
				return fmt.Errorf("container %s: %w", c.Name, err)
			}
			if wanted || !isHostRoot(m) {
				chosen, o.Mapping = c.PID, m
				continue
			}
		}
		o.Others = append(o.Others, c.PID)
	}
	switch {
	case chosen != 0 || name == "" && !e.Remaps():
		return nil
	case name != "":
		return fmt.Errorf("%s: %w", name, ErrNoContainer)
	}
	uid, gid, ok := store.ParseName(e.RootDir)
	if !ok {
		return fmt.Errorf("data-root %s: the daemon remaps, but its name has no IDs; name a container", e.RootDir)
	}
	users, err := userns.NewMap(userns.Extent{HostID: uid, Count: 65536})
	if err != nil {
		return err
	}
	groups, err := userns.NewMap(userns.Extent{HostID: gid, Count: 65536})
	o.Mapping = userns.Mapping{UID: users, GID: groups}
	return err
}
