package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

func (e *env) daemonGet(ctx context.Context, args []string) error {
	path, err := daemoncfg.ParsePointer(args[0])
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
		e.note("%s: there is no %s", doc.Name(), cmp.Or(args[0], "value"))
		code = findings
	}
	return e.printed(code, members{"file": doc.Name(), "pointer": args[0], "line": line, "value": value})
}

// daemonSet is daemon set, and without a value daemon unset.
func (e *env) daemonSet(c *cobra.Command) action {
	e.writeFlags(c)
	return func(ctx context.Context, args []string) error {
		path, err := daemoncfg.ParsePointer(args[0])
		if err != nil {
			return err
		}
		var value json.RawMessage
		if len(args) > 1 {
			value = json.RawMessage(args[1])
		}
		if value != nil && !json.Valid(value) {
			quoted, _ := json.Marshal(args[1]) // a string always has a JSON form
			return fmt.Errorf("%s is not JSON; a string needs quotes of its own: '%s'", args[1], quoted)
		}
		_, err = e.change(ctx, func() (usernskit.Plan, error) { return daemoncfg.PlanSet(ctx, e.host, path, value) })
		return err
	}
}
