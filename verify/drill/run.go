package drill

import (
	"context"
	"errors"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

// Options say in which mapping to drill.
type Options struct {
	// Helper starts the drill's process. It must come from [probe.Main].
	Helper probe.Helper
	// Mapping is what the daemon gives its containers: that of a running one
	// (userns.FS.Mapping), or what its configuration says. The zero Mapping,
	// and one in which the container's root is the host's, is a container that
	// is not remapped: for it the drill only looks, and tries nothing.
	Mapping userns.Mapping
	// Others are process IDs of other running containers, to try to reach one
	// container from another. Without any, that is not testable.
	Others []int
}

// ErrNotHost says that this process is not the host's root, so that it can
// neither start the drill's process nor tell what the host's root may do.
var ErrNotHost = errors.New("the drill needs root in the host's own user namespace")

// Run makes every probe, in the order of the catalogue. It takes some
// milliseconds. An error means that there is no report: nothing was tried, or
// the kernel did not give the mapping. What a single probe could not try is
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
