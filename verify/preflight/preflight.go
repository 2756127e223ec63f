// Package preflight predicts what happens to a Docker host when remapping is
// turned on, container by container: what will not start, what will misbehave,
// what disappears, and what is left running without a daemon.
package preflight

import (
	"cmp"
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
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
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
// What could not be checked is in Forecast.Unknown. Run fails only if
// [Options.Remap] is invalid, the context ends, or there is neither a daemon nor
// a store.
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
		p.note(f.StoreErr)
	}
	if f.Engine == nil {
		switch {
		case f.StoreErr != nil:
			p.note(f.NoEngine)
		case !f.Live && errors.Is(f.NoEngine, facts.ErrNotAsked):
			p.note(fmt.Errorf("there is no store at %s: whether anything breaks or disappears is not known", f.Config.DataRoot))
		default:
			return Forecast{}, fmt.Errorf("%w, and there is no store below %s", f.NoEngine, f.Config.DataRoot)
		}
		return p.out, nil
	}
	p.plannedMap(ctx)
	if _, mapped := p.want.GID.ToHost(ttyGroup); !mapped && !p.want.IsZero() {
		p.refuse("userns-remap", "its range does not reach group 5 (tty), which runc gives /dev/pts: no container starts", "give the account a range of 65536 IDs in both files")
	}
	p.out.Source, p.out.Down, p.out.Map = f.Engine.Source, f.Engine.Down, p.want.UID.String()
	uid, gid, suffixed := store.ParseName(f.Engine.RootDir)
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

// ttyGroup is the group of /dev/pts in every container, in Docker's default
// mounts.
const ttyGroup = 5

type preflight struct {
	*facts.Facts
	want     userns.Mapping
	override bool // Options.Remap replaces the configured value
	out      Forecast
}

// note adds what could not be checked.
func (p *preflight) note(err error) { p.out.Unknown = append(p.out.Unknown, err.Error()) }

// configured adds why the configured map, and maybe the data-root, is not
// known. A value with which dockerd does not remap counts as none.
func (p *preflight) configured() {
	for _, err := range []error{p.Config.Unread(), p.Config.DocErr, p.Config.Err, p.IDs.OwnerErr} {
		if err != nil && !errors.Is(err, daemoncfg.ErrFailOpen) {
			p.note(err)
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
	grant, _, err := subid.Plan(ctx, p.Host, subid.Request{Owner: cmp.Or(p.IDs.Account, daemoncfg.DockremapUser)})
	if err != nil {
		p.note(fmt.Errorf("which IDs containers would get is not known: %w", err))
		return
	}
	uid, err1 := userns.NewMap(userns.Extent{HostID: grant.UID.Start, Count: grant.UID.Count})
	gid, err2 := userns.NewMap(userns.Extent{HostID: grant.GID.Start, Count: grant.GID.Count})
	if err := errors.Join(err1, err2); err != nil {
		p.note(err)
		return
	}
	p.want = userns.Mapping{UID: uid, GID: gid}
}

// refuse adds why dockerd itself, or every container, does not start.
func (p *preflight) refuse(option, text, fix string) {
	p.out.WillNotStart = append(p.out.WillNotStart, Trouble{Option: option, Text: text, Fix: fix})
}

// daemon adds what keeps dockerd itself from starting.
func (p *preflight) daemon() {
	c := p.Config
	if place := c.Snapshotter(); place != "" { // also where remapping is not on yet
		if before, known := p.Engine.Before(52); !known || !before {
			p.refuse("features.containerd-snapshotter",
				"containerd-snapshotter is explicitly enabled, but is not compatible with userns remapping. Please disable userns remapping or containerd-snapshotter",
				"set features.containerd-snapshotter to false in "+place)
		}
	}
	if limit := p.Kernel.MaxUserns; p.HasProc && limit.Err == nil {
		if n, err := strconv.ParseInt(limit.Value, 10, 64); err == nil && n <= 0 {
			p.refuse("user.max_user_namespaces", "is "+limit.Value+": no container starts, no space left on device (ENOSPC)",
				"sysctl -w user.max_user_namespaces=15000, and a file in /etc/sysctl.d that says the same")
		}
	}
	for _, problem := range c.Problems {
		switch {
		case problem.ID == daemoncfg.ProblemSnapshotter, problem.ID == daemoncfg.RiskRootless: // reported separately
		case problem.Level == daemoncfg.LevelUnknown:
			p.out.Unknown = append(p.out.Unknown, problem.String())
		case problem.Level == daemoncfg.LevelFatal && !p.override:
			p.refuse(cmp.Or(strings.Join(problem.Path, "."), string(problem.ID)), problem.String(), "")
		}
	}
	if c.On && !p.override && !p.IDs.Mapped() && !p.WantUnread() && !p.Made() && p.IDs.Account != "" {
		p.refuse("userns-remap", p.NoWant()+": dockerd does not start, or no container does", "give the account a range of 65536 IDs in both files")
	}
	if p.Engine.Rootless() || c.Startup.Rootless {
		p.refuse("rootless", "a rootless daemon cannot remap: containers fail with \"mkdir ...: permission denied\"",
			"leave userns-remap off: RootlessKit maps its containers already")
	}
}

// orphans adds the containers that live-restore would leave behind.
func (p *preflight) orphans() {
	on := p.Engine.LiveRestore
	if p.NoEngine != nil { // not known from the files of the store
		var err error
		if on, _, err = p.Config.LiveRestore(); err != nil {
			p.note(err)
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
