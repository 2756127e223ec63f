package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit/userns"
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
	if id, ok := m.ToContainer(host); ok {
		return &id
	}
	return nil
}

func (e *env) ps(ctx context.Context, _ []string) error {
	proc, err := e.host.Path("/proc")
	if err != nil {
		return err
	}
	daemon := e.engine(ctx)
	list := []jsonProcess{}
	var gaps []string
	var seen userns.Coverage
	for p, err := range (userns.FS{Root: proc}).Processes(ctx, userns.Options{Coverage: &seen}) {
		if err != nil {
			gaps = append(gaps, err.Error())
			continue
		}
		list = append(list, jsonProcess{p.PID, p.UID[1], p.GID[1], inside(p.Mapping.UID, p.UID[1]), inside(p.Mapping.GID, p.GID[1]),
			p.ContainerID, daemon.NameOf(p.ContainerID), p.Command, p.UserNS})
	}
	slices.SortFunc(list, func(a, b jsonProcess) int { return cmp.Compare(a.PID, b.PID) })
	rows := [][]string{{"PID", "HOST", "IN", "CONTAINER", "COMMAND"}}
	for _, p := range list {
		in := "-"
		if p.UID != nil {
			in = fmt.Sprint(*p.UID)
		}
		name := cmp.Or(p.Name, engine.ShortID(p.Container), "-")
		rows = append(rows, []string{fmt.Sprint(p.PID), fmt.Sprint(p.HostUID), in, name, p.Command})
	}
	code := e.notSeen(append(gaps, seen.Gaps()...))
	return errors.Join(e.table(rows), e.printed(code, members{"processes": list}))
}
