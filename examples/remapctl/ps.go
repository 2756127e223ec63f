package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name:  "ps",
		Usage: "list processes in containers and user namespaces with their IDs inside and outside",
		Description: "HOST is the effective user as the host sees it, IN as its namespace does.\n" +
			"A container whose HOST is 0 is root of the host.\n" +
			"Exits 3 where processes could not be seen.\n\nExample: remapctl ps",
		Action: action(runPs),
	}
}

func runPs(ctx context.Context, e *env, cmd *cli.Command) error {
	if _, err := args(cmd, 0, 0); err != nil {
		return err
	}
	proc, err := e.proc()
	if err != nil {
		return err
	}
	var daemon *engine.Engine // for the names only: without them IDs are shown
	if e.host.Live() {
		if daemon, err = docker.Read(ctx, ""); err != nil && !errors.Is(err, engine.ErrDown) {
			e.note("names of containers are not known: %v", err)
		}
	}
	list := []jsonProcess{}
	var seen userns.Coverage
	for p, err := range proc.Processes(ctx, userns.Options{Coverage: &seen}) {
		if err != nil {
			e.note("%v", err)
			continue
		}
		row := jsonProcess{PID: p.PID, HostUID: p.UID[1], HostGID: p.GID[1], Container: p.ContainerID, Command: p.Command, UserNS: p.UserNS}
		if c := daemon.Container(p.ContainerID); c != nil {
			row.Name = c.Name
		}
		row.UID, row.GID = inside(p.Mapping.UID, p.UID[1]), inside(p.Mapping.GID, p.GID[1])
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b jsonProcess) int { return cmp.Compare(a.PID, b.PID) })
	if err := e.printProcesses(list); err != nil {
		return err
	}
	for _, gap := range seen.Gaps() {
		e.note("not seen: %s", gap)
	}
	if !seen.Complete() {
		return incomplete
	}
	return nil
}
