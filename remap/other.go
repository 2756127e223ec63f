//go:build !linux

package remap

import (
	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/shift"
)

func lockStore(usernskit.Host, string) (unlock func(), running bool, err error) {
	return nil, false, shift.ErrNotSupported
}

func oneFileSystem(string, string) bool { return true }
