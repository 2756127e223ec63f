package remap

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/verify/engine"
)

// A Decision is what a person who agrees to a plan agrees to.
type Decision struct {
	Files    []string // that are written
	Programs []string // command lines that a [Restart] runs besides the restart
	// Restart: docker is restarted. RestartLeft: it should be, and is not.
	Restart, RestartLeft bool
	// Off: the plan turns remapping off.
	Off bool
	// Daemon is what docker reports, or nil with the reason in Unknown. It is asked
	// only where docker is restarted or remapping is turned off.
	Daemon  *engine.Engine
	Unknown error
}

// Decide tells what applying a plan means for the containers, with [Restart.Run]
// after it or without. The daemon of a tree of files is not asked.
func (r Restart) Decide(ctx context.Context, p usernskit.Plan, restart bool) Decision {
	d := Decision{Restart: restart, Unknown: usernskit.ErrNotLive}
	var was, is bool
	for _, c := range p.Changes {
		d.Files = append(d.Files, c.Path)
		was = was || remaps(c.Path, c.Before)
		is = is || remaps(c.Path, c.After)
	}
	d.Off = was && !is
	for _, a := range p.Actions {
		d.RestartLeft = d.RestartLeft || a.Kind == usernskit.ActionRestartDocker && !restart
		if restart && atOnce(a) && a.Kind == usernskit.ActionRun {
			d.Programs = append(d.Programs, strings.Join(a.Argv, " "))
		}
	}
	if r.Ask != nil && r.Host.Live() && (restart || d.Off) {
		d.Daemon, d.Unknown = r.Ask(ctx)
	}
	return d
}

// remaps reports whether a file turns remapping on: a daemon.json, or a file with
// flags of dockerd.
func remaps(name string, data []byte) bool {
	doc, err := daemoncfg.Parse(name, data)
	if err != nil {
		return bytes.Contains(data, []byte("--"+dockerd.RemapKey))
	}
	return doc.Setting().On
}

// String describes the decision in sentences.
func (d Decision) String() string {
	var said, running []string
	if d.Files != nil {
		said = append(said, fmt.Sprintf("This writes %s.", strings.Join(d.Files, ", ")))
	}
	if d.Programs != nil {
		said = append(said, fmt.Sprintf("It runs %s.", strings.Join(d.Programs, "; ")))
	}
	switch {
	case d.Restart && d.Daemon == nil:
		said = append(said, "Docker is restarted; which containers stop is not known, since it does not answer.")
	case d.Restart:
		for _, c := range d.Daemon.Containers {
			if c.Running {
				running = append(running, text.Visible(c.Name))
			}
		}
		said = append(said, fmt.Sprintf("Docker is restarted; %s: %s.", text.Count(len(running), "running container stops", "running containers stop"), cmp.Or(strings.Join(running, ", "), "none")))
	case d.RestartLeft:
		said = append(said, "Docker is not restarted by this: it runs on as it is.")
	}
	if d.Off && d.Daemon != nil && d.Daemon.Remaps() {
		said = append(said, fmt.Sprintf("What is in %s is not seen once remapping is off: %s, %s, %s.", d.Daemon.RootDir, text.Count(len(d.Daemon.Images), "image", "images"),
			text.Count(len(d.Daemon.Containers), "container", "containers"), text.Count(len(d.Daemon.Volumes), "volume", "volumes")))
	}
	return strings.Join(said, " ")
}
