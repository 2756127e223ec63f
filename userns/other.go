//go:build !linux

package userns

import (
	"context"
	"iter"
	"os"

	"github.com/usernskit/usernskit/internal/attempt"
)

func (f FS) mapping(int) (Mapping, error) { return Mapping{}, ErrNotSupported }

func (f FS) view() (View, error) { return View{}, ErrNotSupported }

func (f FS) processes(context.Context, Options) iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) { yield(Process{}, ErrNotSupported) }
}

func (f FS) shims(context.Context) iter.Seq2[Shim, error] {
	return func(yield func(Shim, error) bool) { yield(Shim{}, ErrNotSupported) }
}

func probe(context.Context, Mapping) error { return ErrNotSupported }

func (m Mapping) namespace(context.Context) (*os.File, error) { return nil, ErrNotSupported }

func helperMain() Helper { return Helper{ready: true} }

func (h Helper) access(context.Context, Mapping, Credential, []string) ([]Access, error) {
	return nil, ErrNotSupported
}

func (h Helper) probeIPC(context.Context, Mapping) error { return ErrNotSupported }

func (h Helper) try(context.Context, Mapping, []attempt.Attempt) ([]attempt.Result, error) {
	return nil, ErrNotSupported
}
