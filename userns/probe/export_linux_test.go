package probe

import (
	"context"

	"github.com/usernskit/usernskit/userns"
)

// Mqueue is the question of IPC asked with more namespaces of one's own.
func (h Helper) Mqueue(ctx context.Context, m userns.Mapping, flags uintptr) error {
	return h.mqueue(ctx, m, flags)
}
