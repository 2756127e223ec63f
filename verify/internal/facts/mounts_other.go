//go:build !linux

package facts

import "github.com/usernskit/usernskit/userns"

func parseMounts([]byte) (mountTable, error) { return nil, userns.ErrNotSupported }
