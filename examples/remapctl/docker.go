package main

import (
	"context"
	"slices"

	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify/docker"
)

// askDocker asks the daemon what a restart has to know.
func askDocker(ctx context.Context) (remap.Daemon, error) {
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return remap.Daemon{}, err
	}
	return remap.Daemon{
		Remapped: slices.Contains(engine.SecurityOptions, "name=userns"),
		DataRoot: engine.RootDir,
	}, nil
}
