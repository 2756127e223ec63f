//go:build !linux

package probe

import (
	"context"
	"os"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/userns"
)

func mapping(context.Context, userns.Mapping) error { return userns.ErrNotSupported }

func namespace(context.Context, userns.Mapping) (*os.File, error) {
	return nil, userns.ErrNotSupported
}

func helperMain() Helper { return Helper{ready: true} }

func (h Helper) access(context.Context, userns.Mapping, Credential, []string) ([]Access, error) {
	return nil, userns.ErrNotSupported
}

func (h Helper) ipc(context.Context, userns.Mapping) error { return userns.ErrNotSupported }

func (h Helper) try(context.Context, userns.Mapping, []attempt.Attempt) ([]attempt.Result, error) {
	return nil, userns.ErrNotSupported
}
