package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

func daemonCommand(e *env) *cobra.Command {
	set := &cobra.Command{
		Use: "set POINTER JSON", Short: "put a value in, and keep every other byte of the file",
		Long:    "A string needs the quotes of JSON besides those of the shell.",
		Example: "remapctl daemon set /log-opts/max-size '\"10m\"'",
		RunE:    e.action(e.daemonChange),
	}
	unset := &cobra.Command{
		Use: "unset POINTER", Short: "take a value out, and keep every other byte of the file",
		Example: "remapctl daemon unset /log-opts/max-size",
		RunE:    e.action(e.daemonChange),
	}
	e.writeFlags(set)
	e.writeFlags(unset)
	return group(&cobra.Command{
		Use: "daemon COMMAND", Short: "read and edit the daemon.json that dockerd reads here",
		Long: "POINTER is a JSON Pointer (RFC 6901): /log-opts/max-size. A slash in a key is\n" +
			"written ~1, a tilde ~0, and the place behind the last element of a list \"-\".",
	}, &cobra.Command{
		Use: "get POINTER", Short: "print a value as the file spells it",
		Long: "Exits 1 where there is none.", Example: "remapctl daemon get /userns-remap",
		RunE: e.action(e.daemonGet),
	}, set, unset)
}

type jsonDaemonGet struct {
	File    string          `json:"file"`
	Pointer string          `json:"pointer"`
	Line    int             `json:"line"`  // 0 where there is no value
	Value   json.RawMessage `json:"value"` // null too
}

func (e *env) daemonGet(ctx context.Context, list []string) error {
	path, err := daemoncfg.ParsePointer(list[0])
	if err != nil {
		return err
	}
	doc, err := daemoncfg.Read(ctx, e.host)
	if err != nil {
		return err
	}
	value, ok := doc.Get(path...)
	line, _ := doc.Position(path...)
	var code error
	if ok {
		e.text("%s", value)
	} else {
		e.note("%s: there is no %s", doc.Name(), list[0])
		code = findings
	}
	return e.printed(jsonDaemonGet{doc.Name(), list[0], line, value}, code)
}

// daemonChange is daemon set, and without a value daemon unset.
func (e *env) daemonChange(ctx context.Context, list []string) error {
	path, err := daemoncfg.ParsePointer(list[0])
	if err != nil {
		return err
	}
	var value json.RawMessage
	if len(list) == 2 {
		if value = json.RawMessage(list[1]); !json.Valid(value) {
			quoted, err := json.Marshal(list[1])
			return errors.Join(fmt.Errorf("%s is not JSON; a string needs quotes of its own: '%s'", list[1], quoted), err)
		}
	}
	_, err = e.change(ctx, func() (usernskit.Plan, error) { return daemoncfg.PlanSet(ctx, e.host, path, value) })
	return err
}
