package drill

import (
	"context"
	"errors"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

// Options configure a drill.
type Options struct {
	// Helper starts the drill's process. It must come from [probe.Main].
	Helper probe.Helper
	// Mapping is that of the daemon's containers: of a running one
	// (userns.FS.Mapping), or from its configuration. With the zero Mapping, or
	// one in which the container's root is the host's, the drill does not try
	// anything and only reads permissions.
	Mapping userns.Mapping
	// Others are process IDs of other running containers, to try to reach one
	// container from another. Without any, that is not testable.
	Others []int
}

// ErrNotHost: this process is not the host's root, so it cannot start the
// drill's process.
var ErrNotHost = errors.New("the drill needs root in the host's own user namespace")

// Run makes every probe, in the order of the catalogue. It takes some
// milliseconds. An error means that nothing was tried, or that the kernel did
// not give the mapping. A single probe that could not be tried is
// [NotTestable].
func Run(ctx context.Context, opts Options) (Report, error) { return run(ctx, opts) }

// isHostRoot reports whether root of the mapping is the host's root.
func isHostRoot(m userns.Mapping) bool {
	if m.IsZero() {
		return true
	}
	uid, mapped := m.UID.ToHost(0)
	gid, mappedGID := m.GID.ToHost(0)
	return mapped && uid == 0 || mappedGID && gid == 0
}
