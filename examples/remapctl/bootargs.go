package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/bootargs"
)

func bootargsCommand(e *env) *cobra.Command {
	return group(&cobra.Command{
		Use: "bootargs", Short: "read and edit the kernel arguments wherever this host keeps them",
		Long: "ARG is spelled as for the kernel, in quotes for the shell where it has blanks:\n" +
			"'dyndbg=\"file a.c +p\"'. In names, - and _ are the same.",
	}, &cobra.Command{
		Use: "show [ARG]...", Short: "print the command lines of this host, or where each ARG is set",
		Long: "With ARGs it exits 0 where they are in force, now and at every boot to come, 1\n" +
			"where they are not, and 3 where that cannot be told.",
		Example: "remapctl bootargs show user_namespace.enable=1",
		RunE:    e.action(e.bootargsShow),
	}, bootargsSetCommand(e), bootargsRemoveCommand(e), bootargsEditCommand(e), bootargsCheckCommand(e))
}

type jsonPlace struct {
	Where string `json:"where"`
	Line  string `json:"line"`
	State string `json:"state"`
}

type jsonStore struct {
	Path string `json:"path"`
	What string `json:"what"`
	For  string `json:"for"`
}

type jsonBootargs struct {
	Schema int      `json:"schema"`
	Args   []string `json:"args"`
	State  string   `json:"state"` // "" where no argument was asked for
	Loader string   `json:"loader"`
	Distro string   `json:"distro"`
	Why    string   `json:"why"`
	// Evidence is what was found for the loader, Others what was found for
	// other ones.
	Evidence []string    `json:"evidence"`
	Others   []string    `json:"others"`
	Command  []string    `json:"command"` // what to run where the arguments are another program's
	Stores   []jsonStore `json:"stores"`
	Running  jsonPlace   `json:"running"`
	Default  jsonPlace   `json:"default"`
	Entries  []jsonPlace `json:"entries"`
	Future   jsonPlace   `json:"future"`
}

func (e *env) bootargsShow(ctx context.Context, want []string) error {
	r, err := bootargs.Status(ctx, e.host, want...)
	if err != nil {
		return err
	}
	if e.json {
		err = e.printJSON(bootargsJSON(r, want))
	} else {
		e.showBootargs(r, want)
	}
	switch {
	case err != nil || len(want) == 0 || r.State == bootargs.StateActive:
		return err
	case r.State == bootargs.StateCannotTell:
		return incomplete
	}
	return findings
}

func (e *env) showBootargs(r bootargs.Report, want []string) {
	fmt.Fprintf(e.out, "%-9s %v (%s)\n", "loader", r.Loader.Kind, r.Loader.Why)
	if len(r.Loader.Evidence) > 0 {
		fmt.Fprintf(e.out, "%-9s %s\n", "found", strings.Join(r.Loader.Evidence, ", "))
	}
	for _, other := range r.Loader.Others {
		fmt.Fprintf(e.out, "%-9s %s\n", "weaker", other)
	}
	if len(r.Loader.Command) > 0 {
		fmt.Fprintf(e.out, "%-9s %s\n", "edit by", strings.Join(r.Loader.Command, " "))
	}
	show := func(what string, p bootargs.Place) {
		if p.Where() == "" {
			return
		}
		state := ""
		if len(want) > 0 {
			state = fmt.Sprintf("%-12v ", p.State)
		}
		fmt.Fprintf(e.out, "%-9s %s%s: %s\n", what, state, p.Where(), p.Line)
	}
	show("running", r.Running)
	show("default", r.Default)
	for _, p := range r.Entries {
		show("entry", p)
	}
	show("future", r.Future)
	if len(want) > 0 {
		fmt.Fprintf(e.out, "%-9s %v\n", "state", r.State)
	}
}

func bootargsJSON(r bootargs.Report, want []string) jsonBootargs {
	place := func(p bootargs.Place) jsonPlace {
		if len(want) == 0 || p.Where() == "" {
			return jsonPlace{Where: p.Where(), Line: p.Line}
		}
		return jsonPlace{p.Where(), p.Line, p.State.String()}
	}
	out := jsonBootargs{
		Schema: 1, Args: append([]string{}, want...), Loader: r.Loader.Kind.String(), Distro: r.Loader.Distro, Why: r.Loader.Why,
		Command: append([]string{}, r.Loader.Command...), Evidence: append([]string{}, r.Loader.Evidence...), Others: append([]string{}, r.Loader.Others...),
		Stores: []jsonStore{}, Entries: []jsonPlace{},
		Running: place(r.Running), Default: place(r.Default), Future: place(r.Future),
	}
	if len(want) > 0 {
		out.State = r.State.String()
	}
	for _, s := range r.Loader.Stores {
		out.Stores = append(out.Stores, jsonStore{s.Path, s.What, s.For})
	}
	for _, p := range r.Entries {
		out.Entries = append(out.Entries, place(p))
	}
	return out
}

func bootargsCheckCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "show whether update-grub will read /etc/default/grub, and which file wins",
		Long: "update-grub (grub-mkconfig) reads /etc/default/grub, and on Debian and Ubuntu\n" +
			"/etc/default/grub.d, under sh -e: it ends at a line that runs a command which\n" +
			"does not exist. Exits 0 where it reads all of them, 1 where it stops, and 3\n" +
			"where it stops if a command fails.",
		Example: "remapctl bootargs check --root /mnt/image",
		Args:    args(0, 0),
		RunE:    e.action(e.bootargsCheck),
	}
}

type jsonSources struct {
	Schema   int                 `json:"schema"`
	Shell    string              `json:"shell"` // "" where it is not known
	Files    []string            `json:"files"` // in the order in which they are read
	Problems []jsonSourceProblem `json:"problems"`
	Values   []jsonValue         `json:"values"`
}

type jsonSourceProblem struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

type jsonValue struct {
	Variable string `json:"variable"`
	File     string `json:"file"` // with the last word, "" where none sets it
	Line     string `json:"line"`
	Known    bool   `json:"known"`
}

func (e *env) bootargsCheck(ctx context.Context, _ []string) error {
	s, err := bootargs.Check(ctx, e.host)
	if err != nil {
		return err
	}
	out := jsonSources{Schema: 1, Shell: s.Shell, Files: s.Files, Problems: []jsonSourceProblem{}, Values: []jsonValue{}}
	for _, name := range s.Files {
		e.text("reads     %s", name)
	}
	for _, w := range s.Problems {
		out.Problems = append(out.Problems, jsonSourceProblem{w.ID, w.Pos.File, w.Pos.Line, w.Pos.Col, w.Text})
		e.text("%-9s %s", w.ID, w)
	}
	for _, v := range s.Values {
		known := v.State != bootargs.StateCannotTell
		out.Values = append(out.Values, jsonValue{v.What, v.Path, v.Line, known})
		switch {
		case v.Path == "":
			e.text("value     %s is not set", v.What)
		case !known:
			e.text("value     %s: not known by reading, %s has the last word", v.What, v.Path)
		default:
			e.text("value     %s=%s (%s)", v.What, v.Line, v.Path)
		}
	}
	if e.json {
		if err := e.printJSON(out); err != nil {
			return err
		}
	}
	switch {
	case s.Stops():
		e.text("update-grub stops, and no menu is made")
		return findings
	case len(s.Problems) > 0:
		e.text("update-grub stops if one of these commands fails")
		return incomplete
	}
	e.text("update-grub reads all of them")
	return nil
}
