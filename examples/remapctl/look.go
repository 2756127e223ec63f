package main

import (
	"context"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// look says what the looking commands look at: files, and on the running host
// its processes and its daemon.
func (e *env) look() verify.Options {
	opts := verify.Options{Host: e.host, Helper: userns.Main()} // main has called it first
	if e.host.Live() {
		opts.Docker = func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") }
	}
	return opts
}

func exit(code int) error {
	if code == 0 {
		return nil
	}
	return exitCode(code)
}
