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

func (e *env) daemonSetCommand(c *cobra.Command) action {
	e.writeFlags(c)
	return e.daemonChange
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
	return e.printed(code, members{"file": doc.Name(), "pointer": list[0], "line": line, "value": value})
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
