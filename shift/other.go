//go:build !linux

package shift

import "context"

func (j Job) look(context.Context, int) (Job, error) { return j, ErrNotSupported }

func (j Job) move(context.Context, func(Progress)) (Job, error) { return j, ErrNotSupported }

func (j Job) measure(context.Context) (Job, error) { return j, ErrNotSupported }

func (j Job) copy(context.Context, func(Progress)) (Job, error) { return j, ErrNotSupported }

func busy(context.Context, string) ([]string, error) { return nil, ErrNotSupported }

func compare(context.Context, Job, string, bool) (int64, error) { return 0, ErrNotSupported }
