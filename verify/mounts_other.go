//go:build !linux

package verify

import "github.com/usernskit/usernskit/userns"

func parseMounts([]byte) (mountTable, error) { return nil, userns.ErrNotSupported }
