package main

import (
	"context"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
)

// restart restarts docker after a change and waits until it is as wanted:
// remapped to the store of that name, or not remapped where store is empty.
func (e *env) restart(ctx context.Context, receipt usernskit.Receipt, store string) error {
	e.note("restarting docker")
	return remap.Restart{Host: e.host, Receipt: receipt, Store: store, Ask: askDocker}.Run(ctx)
}
