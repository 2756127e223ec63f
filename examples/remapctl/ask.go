package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// open lists the risks of a plan that were not accepted.
func (e *env) open(p usernskit.Plan) (ids []string) {
	for _, w := range p.Warnings {
		if w.Risk && !slices.Contains(e.accepted, w.ID) && !slices.Contains(ids, w.ID) {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// refused is the error for a plan with risks that were not accepted.
func (e *env) refused(p usernskit.Plan) error {
	ids := e.open(p)
	if ids == nil {
		return nil
	}
	return fmt.Errorf("nothing was changed: read the warnings above; to go on despite them: --accept-risk %s", strings.Join(ids, " --accept-risk "))
}

// agreed returns nil once the risks are accepted and the person agrees.
func (e *env) agreed(ctx context.Context, p usernskit.Plan) error {
	if err := e.refused(p); err != nil {
		return err
	}
	if e.yes {
		return nil
	}
	if !e.prompt {
		return errors.New("nothing was changed: not at a terminal, so give --yes to go on, or --dry-run to look")
	}
	if e.out.err != nil {
		return fmt.Errorf("nothing was changed: the plan could not be shown: %w", e.out.err)
	}
	if e.aside != nil {
		e.aside()
	}
	if text := e.decision(ctx, p); text != "" {
		e.note("%s", e.fold(text, 0))
	}
	fmt.Fprint(e.err, "go on? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(e.in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
	case <-ctx.Done(): // Ctrl-C is a no
		fmt.Fprintln(e.err)
	}
	return errors.New("nothing was changed")
}

// decision says what a yes is to, in words.
func (e *env) decision(ctx context.Context, p usernskit.Plan) string {
	var files, programs, said []string
	off, restart := false, e.restarts
	for _, c := range p.Changes {
		files = append(files, c.Path)
		setting := []byte("userns-remap")
		off = off || bytes.Contains(c.Before, setting) && !bytes.Contains(c.After, setting)
	}
	for _, a := range p.Actions {
		if restart = restart || a.Kind == usernskit.ActionRestartDocker; e.restarts && a.Kind == usernskit.ActionRun && isNow(a) {
			programs = append(programs, quoted(a.Argv))
		}
	}
	add := func(format string, a ...any) { said = append(said, fmt.Sprintf(format, a...)) }
	switch {
	case e.about != "":
		add("%s", e.about)
	case files != nil:
		add("This writes %s.", strings.Join(files, ", "))
	}
	if programs != nil {
		add("It runs %s.", strings.Join(programs, "; "))
	}
	var daemon *engine.Engine
	unknown := error(usernskit.ErrNotLive)
	if e.host.Live() && (e.restarts || off) {
		daemon, unknown = docker.Read(ctx, "")
	}
	switch {
	case e.restarts && unknown != nil:
		add("Docker is restarted; which containers stop is not known, since it does not answer.")
	case e.restarts:
		var list []string
		for _, c := range daemon.Containers {
			if c.Running {
				list = append(list, text.Visible(c.Name))
			}
		}
		add("Docker is restarted; %s: %s.", text.Count(len(list), "running container stops", "running containers stop"), cmp.Or(strings.Join(list, ", "), "none"))
	case restart:
		add("Docker is not restarted by this: it runs on as it is.")
	}
	if off && unknown == nil && daemon.Remaps() {
		add("What is in %s is not seen once remapping is off: %s, %s, %s.", daemon.RootDir, text.Count(len(daemon.Images), "image", "images"),
			text.Count(len(daemon.Containers), "container", "containers"), text.Count(len(daemon.Volumes), "volume", "volumes"))
	}
	if e.about == "" && files != nil {
		add("The way back: %s", e.self("undo"))
	}
	return strings.Join(said, " ")
}

// isNow reports whether --restart runs the action.
func isNow(a usernskit.Action) bool {
	return a.When != usernskit.WhenLater && a.Where == usernskit.WhereHost
}
