package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

func daemonCommand() *cli.Command {
	return &cli.Command{
		Name:  "daemon",
		Usage: "read and edit the daemon.json that dockerd reads here",
		Description: "POINTER is a JSON Pointer (RFC 6901): /log-opts/max-size. A slash in a key is\n" +
			"written ~1, a tilde ~0, and the place behind the last element of a list \"-\".",
		Commands: []*cli.Command{
			{
				Name: "get", Usage: "print a value as the file spells it", ArgsUsage: "POINTER",
				Description: "Exits 1 where there is none.\n\nExample: remapctl daemon get /userns-remap",
				Action:      action(runDaemonGet),
			},
			{
				Name: "set", Usage: "put a value in, and keep every other byte of the file", ArgsUsage: "POINTER JSON",
				Description: "A string needs the quotes of JSON besides those of the shell.\n\n" +
					"Example: remapctl daemon set /log-opts/max-size '\"10m\"'",
				Flags: writeFlags(), Action: action(runDaemonSet),
			},
			{
				Name: "unset", Usage: "take a value out, and keep every other byte of the file", ArgsUsage: "POINTER",
				Description: "Example: remapctl daemon unset /log-opts/max-size",
				Flags:       writeFlags(), Action: action(runDaemonUnset),
			},
		},
	}
}

type jsonDaemonGet struct {
	Schema  int             `json:"schema"`
	File    string          `json:"file"`
	Pointer string          `json:"pointer"`
	Line    int             `json:"line"`  // 0 where there is no value
	Value   json.RawMessage `json:"value"` // null too
}

func runDaemonGet(_ context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 1, 1)
	if err != nil {
		return err
	}
	path, err := daemoncfg.ParsePointer(list[0])
	if err != nil {
		return err
	}
	doc, err := daemoncfg.Read(e.host)
	if err != nil {
		return err
	}
	value, ok := doc.Get(path...)
	if e.json {
		line, _ := doc.Position(path...)
		err = e.printJSON(jsonDaemonGet{1, doc.Name(), list[0], line, value})
	} else if ok {
		_, err = fmt.Fprintf(e.out, "%s\n", value)
	} else {
		e.note("%s: there is no %s", doc.Name(), list[0])
	}
	if err == nil && !ok {
		return findings
	}
	return err
}

func runDaemonSet(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 2, 2)
	if err != nil {
		return err
	}
	path, err := daemoncfg.ParsePointer(list[0])
	if err != nil {
		return err
	}
	if !json.Valid([]byte(list[1])) {
		quoted, err := json.Marshal(list[1])
		return errors.Join(fmt.Errorf("%s is no JSON; a string needs quotes of its own: '%s'", list[1], quoted), err)
	}
	_, err = e.change(ctx, cmd, func() (usernskit.Plan, error) {
		return daemoncfg.PlanSet(e.host, json.RawMessage(list[1]), path...)
	})
	return err
}

func runDaemonUnset(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 1, 1)
	if err != nil {
		return err
	}
	path, err := daemoncfg.ParsePointer(list[0])
	if err != nil {
		return err
	}
	_, err = e.change(ctx, cmd, func() (usernskit.Plan, error) {
		return daemoncfg.PlanDelete(e.host, path...)
	})
	return err
}
