package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// Mapping returns the mapping of a running container. The name is a prefix of
// its ID, six digits or more, which is looked up in proc, for containers of any
// engine; or it is a name that the daemon knows. If ask is nil, no daemon is
// asked.
func Mapping(ctx context.Context, proc userns.FS, ask func(context.Context) (*engine.Engine, error), name string) (userns.Mapping, error) {
	found := map[string][]userns.Process{}
	if len(name) >= 6 && strings.Trim(name, "0123456789abcdef") == "" {
		for p, err := range proc.Processes(ctx, userns.Options{}) {
			if err == nil && strings.HasPrefix(p.ContainerID, name) {
				found[p.ContainerID] = append(found[p.ContainerID], p)
			}
		}
	}
	switch ids := slices.Sorted(maps.Keys(found)); len(ids) {
	case 0:
	case 1:
		return ofFirst(found[ids[0]])
	default:
		return userns.Mapping{}, fmt.Errorf("ambiguous ID prefix: %s", strings.Join(ids, ", "))
	}
	if ask == nil {
		return userns.Mapping{}, errors.New("no process is in a container of that ID, and there is no daemon to ask for a name")
	}
	e, err := ask(ctx)
	if err != nil {
		return userns.Mapping{}, fmt.Errorf("no process is in a container of that ID, and the daemon cannot be asked for a name: %w", err)
	}
	switch c := e.Container(name); {
	case c == nil:
		return userns.Mapping{}, errors.New("no such container")
	case !c.Running:
		return userns.Mapping{}, errors.New("is not running, so it has no IDs")
	default:
		return proc.Mapping(c.PID)
	}
}

// ofFirst returns the mapping of a container's first process, the outermost init:
// others may have made a namespace of their own.
func ofFirst(processes []userns.Process) (userns.Mapping, error) {
	depth := func(p userns.Process) int {
		if p.IsInit() {
			return len(p.NSPID)
		}
		return math.MaxInt
	}
	first := slices.MinFunc(processes, func(a, b userns.Process) int { return cmp.Compare(depth(a), depth(b)) })
	if !first.IsInit() && slices.ContainsFunc(processes, func(p userns.Process) bool { return !p.Mapping.Equal(first.Mapping) }) {
		return userns.Mapping{}, errors.New("its processes are in several user namespaces, and none is its first process")
	}
	return first.Mapping, nil
}
