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
	}, bootargsSetCommand(e), bootargsRemoveCommand(e), bootargsEditCommand(e))
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
	Schema  int         `json:"schema"`
	Args    []string    `json:"args"`
	State   string      `json:"state"` // "" where no argument was asked for
	Loader  string      `json:"loader"`
	Distro  string      `json:"distro"`
	Why     string      `json:"why"`
	Command []string    `json:"command"` // what to run where the arguments are another program's
	Stores  []jsonStore `json:"stores"`
	Running jsonPlace   `json:"running"`
	Default jsonPlace   `json:"default"`
	Entries []jsonPlace `json:"entries"`
	Future  jsonPlace   `json:"future"`
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
	case err != nil || len(want) == 0 || r.State == bootargs.Active:
		return err
	case r.State == bootargs.CannotTell:
		return incomplete
	}
	return findings
}

func (e *env) showBootargs(r bootargs.Report, want []string) {
	fmt.Fprintf(e.out, "%-9s %v (%s)\n", "loader", r.Loader.Kind, r.Loader.Why)
	if len(r.Loader.Command) > 0 {
		fmt.Fprintf(e.out, "%-9s %s\n", "edit by", strings.Join(r.Loader.Command, " "))
	}
	show := func(what string, p bootargs.Place) {
		if p.Where == "" {
			return
		}
		state := ""
		if len(want) > 0 {
			state = fmt.Sprintf("%-12v ", p.State)
		}
		fmt.Fprintf(e.out, "%-9s %s%s: %s\n", what, state, p.Where, p.Line)
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
		if len(want) == 0 || p.Where == "" {
			return jsonPlace{Where: p.Where, Line: p.Line}
		}
		return jsonPlace{p.Where, p.Line, p.State.String()}
	}
	out := jsonBootargs{
		Schema: 1, Args: append([]string{}, want...), Loader: r.Loader.Kind.String(), Distro: r.Loader.Distro, Why: r.Loader.Why,
		Command: append([]string{}, r.Loader.Command...), Stores: []jsonStore{}, Entries: []jsonPlace{},
		Running: place(r.Running), Default: place(r.Default), Future: place(r.Future),
	}
	if len(want) > 0 {
		out.State = r.State.String()
	}
	for _, s := range r.Loader.Stores {
		out.Stores = append(out.Stores, jsonStore(s))
	}
	for _, p := range r.Entries {
		out.Entries = append(out.Entries, place(p))
	}
	return out
}
