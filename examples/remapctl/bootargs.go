package main

import (
	"context"
	"strings"

	"github.com/usernskit/usernskit/bootargs"
)

func (e *env) bootargsShow(ctx context.Context, want []string) error {
	r, err := bootargs.Status(ctx, e.host, want...)
	if err != nil {
		return unseen(err)
	}
	line := func(what, format string, a ...any) { e.text("%-9s "+format, append([]any{what}, a...)...) }
	show := func(what string, places ...bootargs.Place) {
		for _, p := range places {
			switch {
			case p.Where() == "":
			case len(want) > 0:
				line(what, "%-12v %s: %s", p.State, p.Where(), p.Line)
			default:
				line(what, "%s: %s", p.Where(), p.Line)
			}
		}
	}
	line("loader", "%v (%s)", r.Kind, r.Why)
	if len(r.Evidence) > 0 {
		line("found", "%s", strings.Join(r.Evidence, ", "))
	}
	for _, other := range r.Others {
		line("weaker", "%s", other)
	}
	if len(r.Command) > 0 {
		line("edit by", "%s", quoted(r.Command))
	}
	show("running", r.Running)
	show("default", r.Default)
	show("entry", r.Entries...)
	show("future", r.Future)
	var code error
	if len(want) > 0 {
		line("state", "%v", r.State)
		switch r.State {
		case bootargs.StateActive:
		case bootargs.StateCannotTell:
			code = incomplete
		default:
			code = findings
		}
	}
	return e.printed(r, code)
}

func (e *env) bootargsCheck(ctx context.Context, _ []string) error {
	s, err := bootargs.Check(ctx, e.host)
	if err != nil {
		return unseen(err)
	}
	for _, name := range s.Files {
		e.text("reads     %s", name)
	}
	for _, w := range s.Problems {
		e.text("%-9s %s", w.ID, w)
	}
	for _, v := range s.Values {
		switch {
		case v.Path == "":
			e.text("value     %s is not set", v.What)
		case v.State == bootargs.StateCannotTell:
			e.text("value     %s: not known by reading, %s has the last word", v.What, v.Path)
		default:
			e.text("value     %s=%s (%s)", v.What, v.Line, v.Path)
		}
	}
	verdict, code := "update-grub reads all of them", error(nil)
	switch {
	case s.Stops():
		verdict, code = "update-grub stops, and no menu is made", findings
	case len(s.Problems) > 0:
		verdict, code = "update-grub stops if one of these commands fails", incomplete
	}
	e.text("%s", verdict)
	return e.printed(s, code)
}
