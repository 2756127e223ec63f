package userns

import "context"

// Mqueue is the question of ProbeIPC asked with more namespaces of one's own.
func (h Helper) Mqueue(ctx context.Context, m Mapping, flags uintptr) error {
	return h.mqueue(ctx, m, flags)
}
