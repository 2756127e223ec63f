//go:build !linux

package drill

import (
	"context"

	"github.com/usernskit/usernskit/userns"
)

func run(context.Context, Options) (Report, error) { return Report{}, userns.ErrNotSupported }
