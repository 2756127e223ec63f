//go:build !linux

package idmap

import (
	"context"

	"github.com/usernskit/usernskit/userns"
)

func clone(context.Context, string, userns.Mapping) (*Tree, error) { return nil, ErrNotSupported }

func (t *Tree) attach(string) error { return ErrNotSupported }

func mounts(userns.FS, int) ([]Mount, error) { return nil, ErrNotSupported }
