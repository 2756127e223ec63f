//go:build !linux

package userns

import (
	"context"
	"iter"
)

func (f FS) mapping(int) (Mapping, error) { return Mapping{}, ErrNotSupported }

func (f FS) view() (View, error) { return View{}, ErrNotSupported }

func (f FS) processes(context.Context, Options) iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) { yield(Process{}, ErrNotSupported) }
}

func (f FS) shims(context.Context) iter.Seq2[Shim, error] {
	return func(yield func(Shim, error) bool) { yield(Shim{}, ErrNotSupported) }
}
