//go:build !linux

package shift

import "context"

func (j Job) scan(context.Context) (Job, error) { return j, ErrNotSupported }

func (j Job) move(context.Context, func(Progress)) (Job, error) { return j, ErrNotSupported }
