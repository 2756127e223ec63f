package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

type jsonProcess struct {
	PID       int     `json:"pid"`
	HostUID   uint32  `json:"host_uid"`
	HostGID   uint32  `json:"host_gid"`
	UID       *uint32 `json:"uid"` // null where the namespace has no number for it
	GID       *uint32 `json:"gid"`
	Container string  `json:"container"`
	Name      string  `json:"name"`
	Command   string  `json:"command"`
	UserNS    uint64  `json:"user_ns"`
}

func inside(m userns.Map, host uint32) *uint32 {
	id, ok := m.ToContainer(host)
	if !ok {
		return nil
	}
	return &id
}

func (e *env) ps(ctx context.Context, _ []string) error {
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
	rows := [][]string{{"PID", "HOST", "IN", "CONTAINER", "COMMAND"}}
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
	for _, p := range list {
		in := "-"
		if p.UID != nil {
			in = fmt.Sprint(*p.UID)
		}
		name := cmp.Or(p.Name, engine.ShortID(p.Container), "-")
		rows = append(rows, []string{fmt.Sprint(p.PID), fmt.Sprint(p.HostUID), in, name, p.Command})
	}
	for _, gap := range seen.Gaps() {
		e.note("not seen: %s", gap)
	}
	var code error
	if !seen.Complete() {
		code = incomplete
	}
	return errors.Join(e.table(rows), e.printed(jsonProcesses{list}, code))
}

type jsonProcesses struct {
	Processes []jsonProcess `json:"processes"`
}
