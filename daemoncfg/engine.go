package daemoncfg

import (
	"context"

	"github.com/usernskit/usernskit"
)

// askEngine lets the dockerd that is installed judge.
func (c *checker) askEngine(_ context.Context, _ usernskit.Host) {}
