package docker

import (
	"context"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/verify/engine"
)

// asleep returns an error if a connection would start the daemon: systemd
// listens on the usual socket, and docker.service does not run.
func asleep(ctx context.Context, h usernskit.Host, address string) error {
	if !slices.Contains([]string{"unix:///var/run/docker.sock", "unix:///run/docker.sock"}, address) {
		return nil
	}
	s, err := dockerd.Read(ctx, h)
	if err != nil || s.Init != dockerd.InitSystemd || !s.Stopped {
		return nil // it would not be started
	}
	_, exit, err := h.Ask(ctx, "systemctl", "is-active", "docker.socket")
	if (err != nil || exit != 0) && len(s.OtherPIDs) > 0 {
		return nil // one that was started by hand listens there
	}
	return fmt.Errorf("%w: %s does not run, and a connection to its socket would start it", engine.ErrDown, s.Unit)
}
