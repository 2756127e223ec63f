//go:build !linux

package shift

import (
	"context"
	"time"
)

func (j Job) scan(context.Context) (Job, error) { return j, ErrNotSupported }

func (j Job) look(context.Context, int, time.Duration) (Sample, error) {
	return Sample{}, ErrNotSupported
}

func (j Job) move(context.Context, State, func(Progress)) (Job, error) { return j, ErrNotSupported }

func (j Job) measure(context.Context) (Job, error) { return j, ErrNotSupported }

func (j Job) copy(context.Context, func(Progress)) (Job, error) { return j, ErrNotSupported }

func (j Job) tidy() error { return ErrNotSupported }

func compare(context.Context, Job, string, bool) error { return ErrNotSupported }
