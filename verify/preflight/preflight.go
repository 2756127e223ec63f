// Package preflight predicts what happens to a Docker host when remapping is
// turned on, container by container: what will not start, what will misbehave,
// what disappears, and what is left running without a daemon.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// Options configure [Run]. The zero Options read the running host without
// asking Docker.
type Options struct {
	Host usernskit.Host

	// Proc is the /proc to look at. If its Root is empty, it is the host's own.
	Proc userns.FS

	// Docker asks the daemon, as verify/docker.Read does. If nil, the files
	// below the data-root are read.
	Docker func(context.Context) (*engine.Engine, error)

	// Remap is the future value of userns-remap. If empty, it is the configured
	// one, else "default".
	Remap string

	// Daemon selects one of several dockerds.
	Daemon dockerd.Choice
}

// Run predicts what happens to the containers and the store of a host when
// remapping is turned on: what will not start, what will misbehave, what
// disappears, and what is left running without a daemon. It changes nothing.
//
// It works from [Options.Docker], and with the daemon down from the files below
// the data-root, which need root to be read. The map is the configured one, or
// else the one that subid.Plan would grant to dockremap.
//
// What could not be checked is in Forecast.Unknown. Errors are only an invalid
// [Options.Remap], an ended context, and neither a daemon nor a store.
func Run(ctx context.Context, opts Options) (Forecast, error) {
	if opts.Remap != "" {
		remap, err := daemoncfg.ParseRemap(opts.Remap)
		if err == nil {
			err = remap.Check(ctx, opts.Host)
		}
		if err != nil {
			return Forecast{}, err
		}
	}
	f := facts.Read(ctx, facts.Options{Host: opts.Host, Proc: opts.Proc, Docker: opts.Docker, Remap: opts.Remap, Daemon: opts.Daemon}, facts.NeedHostMounts|facts.NeedKernel|facts.NeedProblems)
	if err := ctx.Err(); err != nil {
		return Forecast{}, err
	}
	p := preflight{Facts: f, want: f.IDs.Want(), override: opts.Remap != "", out: Forecast{ // lists are never null
		WillNotStart: []Trouble{}, Misbehave: []Trouble{}, Disappear: []Loss{}, Orphans: []Trouble{}, Moves: []Move{}, Unknown: []string{},
	}}
	p.configured()
	p.daemon()
	if f.Engine == nil {
		p.store()
	}
	if f.StoreErr != nil {
		p.out.Unknown = append(p.out.Unknown, f.StoreErr.Error())
	}
	if f.Engine == nil {
		switch {
		case !f.Live && errors.Is(f.NoEngine, facts.ErrNotAsked) && f.StoreErr == nil:
			p.out.Unknown = append(p.out.Unknown, "there is no store at "+f.Config.DataRoot+": whether anything breaks or disappears is not known")
			return p.out, nil
		case f.StoreErr != nil:
			p.out.Unknown = append(p.out.Unknown, f.NoEngine.Error())
			return p.out, nil
		}
		return Forecast{}, fmt.Errorf("%w, and there is no store below %s", f.NoEngine, f.Config.DataRoot)
	}
	p.plannedMap(ctx)
	p.out.Source, p.out.Down, p.out.Map = f.Engine.Source, f.Engine.Down, p.want.UID.String()
	_, uid, gid, suffixed := facts.ParseStore(f.Engine.RootDir)
	p.out.InForce = suffixed && uid > 0 && gid > 0 && (f.NoEngine != nil || f.Engine.Remaps())
	for _, part := range slices.Sorted(maps.Keys(f.Engine.Unread)) {
		if part != "Authz" {
			p.out.Unknown = append(p.out.Unknown, part+": "+f.Engine.Unread[part])
		}
	}
	for i := range f.Engine.Containers {
		c := &f.Engine.Containers[i]
		if c.Unread {
			continue // it is in Unknown
		}
		p.willNotStart(c)
		p.misbehaves(c)
	}
	if !p.out.InForce {
		p.disappears()
		p.orphans()
	}
	p.moves(ctx)
	return p.out, ctx.Err()
}

type preflight struct {
	*facts.Facts
	want     userns.Mapping
	override bool // the map is that of another account
	out      Forecast
}

// configured adds why the configured map, and maybe the data-root, is not
// known. A value with which dockerd does not remap counts as none.
func (p *preflight) configured() {
	for _, err := range []error{p.Config.Unread(), p.Config.DocErr, p.Config.Err, p.IDs.OwnerErr} {
		if err != nil && !errors.Is(err, daemoncfg.ErrFailOpen) {
			p.out.Unknown = append(p.out.Unknown, err.Error())
			return // the others follow from it
		}
	}
}

// store reads the store from before remapping, which still holds the data if
// remapping is configured and the daemon is down.
func (p *preflight) store() {
	e, err := facts.ReadStore(p.Host, p.Config.DataRoot)
	switch {
	case err == nil:
		e.Down = p.NoEngine.Error()
		p.Engine = e
	case p.StoreErr == nil && !facts.IsNotExist(err):
		p.StoreErr = err
	}
}

// plannedMap finds the map where none is configured yet.
func (p *preflight) plannedMap(ctx context.Context) {
	if !p.want.IsZero() {
		return
	}
	owner := daemoncfg.DockremapUser
	if p.IDs.Account != "" {
		owner = p.IDs.Account
	}
	grant, _, err := subid.Plan(ctx, p.Host, subid.Request{Owner: owner})
	if err != nil {
		p.out.Unknown = append(p.out.Unknown, fmt.Sprintf("no map to reckon with: %v", err))
		return
	}
	uid, err1 := userns.NewMap(userns.Extent{HostID: grant.UID.Start, Count: grant.UID.Count})
	gid, err2 := userns.NewMap(userns.Extent{HostID: grant.GID.Start, Count: grant.GID.Count})
	if err := errors.Join(err1, err2); err != nil {
		p.out.Unknown = append(p.out.Unknown, err.Error())
		return
	}
	p.want = userns.Mapping{UID: uid, GID: gid}
}

// daemon adds what keeps dockerd itself from starting.
func (p *preflight) daemon() {
	if p.Config.Is("features", "containerd-snapshotter") {
		if before, known := p.Engine.Before(52); !known || !before {
			p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
				Option: "features.containerd-snapshotter",
				Text:   "containerd-snapshotter is explicitly enabled, but is not compatible with userns remapping. Please disable userns remapping or containerd-snapshotter",
				Fix:    "set features.containerd-snapshotter to false in " + p.Config.File,
			})
		}
	}
	if limit := p.Kernel.MaxUserns; p.HasProc && limit.Err == nil {
		if n, err := strconv.ParseInt(limit.Value, 10, 64); err == nil && n <= 0 {
			p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
				Option: "user.max_user_namespaces", Text: "is " + limit.Value + ": no container starts, no space left on device (ENOSPC)",
				Fix: "sysctl -w user.max_user_namespaces=15000, and a file in /etc/sysctl.d that says the same",
			})
		}
	}
	p.problems()
	p.ranges()
	if p.Engine.Rootless() || p.Config.Startup.Rootless {
		p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
			Option: "rootless", Text: "a rootless daemon cannot remap: containers fail with \"mkdir ...: permission denied\"",
			Fix: "leave userns-remap off: RootlessKit maps its containers already",
		})
	}
}

// problems adds what keeps dockerd from starting with its configuration.
func (p *preflight) problems() {
	for _, problem := range p.Config.Problems {
		switch {
		case problem.ID == daemoncfg.ProblemSnapshotter: // said above, whether remapping is on yet or not
		case problem.Level == daemoncfg.LevelUnknown:
			p.out.Unknown = append(p.out.Unknown, problem.String())
		case problem.Level == daemoncfg.LevelFatal && !p.override:
			option := string(problem.ID)
			if len(problem.Path) > 0 {
				option = strings.Join(problem.Path, ".")
			}
			p.out.WillNotStart = append(p.out.WillNotStart, Trouble{Option: option, Text: problem.String()})
		}
	}
}

// ranges adds why the configured map is not possible: dockerd or the containers
// do not start.
func (p *preflight) ranges() {
	if !p.Config.On || p.override || p.IDs.Mapped() || p.WantUnread() || p.Made() || p.IDs.Account == "" {
		return
	}
	p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
		Option: "userns-remap", Text: p.NoWant() + ": dockerd does not start, or no container does",
		Fix: "give the account a range of 65536 IDs in both files",
	})
}

// orphans adds the containers that live-restore would leave behind.
func (p *preflight) orphans() {
	on := p.Engine.LiveRestore
	if p.NoEngine != nil { // not known from the files of the store
		var err error
		if on, _, err = p.Config.LiveRestore(); err != nil {
			p.out.Unknown = append(p.out.Unknown, err.Error())
		}
	}
	if !on {
		return
	}
	for i := range p.Engine.Containers {
		if c := &p.Engine.Containers[i]; c.Running {
			p.out.Orphans = append(p.out.Orphans, Trouble{
				Container: c.String(), Option: "live-restore",
				Text: "keeps running as it is when dockerd restarts, and docker ps does not list it any more",
				Fix:  "docker stop " + c.String() + ", or set live-restore to false and reload dockerd first",
			})
		}
	}
}
