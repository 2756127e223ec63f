package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// Preflight says what happens to the containers and the store of a host when
// remapping goes on: what will not start, what will misbehave, what disappears,
// and what is left running without a daemon. It changes nothing.
//
// It works from [Options.Docker], and with the daemon down from the files below
// the data-root, which need root to be read. The map it reckons with is the one
// that is configured, or else the one that subid.Plan would grant to dockremap.
//
// What could not be looked at is in Forecast.Unknown. An error is returned only
// for an [Options.Remap] that dockerd would not remap to, for a context that has
// ended, and where there is neither daemon nor store.
func Preflight(ctx context.Context, opts Options) (Forecast, error) {
	if opts.Remap != "" {
		remap, err := daemoncfg.ParseRemap(opts.Remap)
		if err == nil {
			err = remap.Check(ctx, opts.Host)
		}
		if err != nil {
			return Forecast{}, err
		}
	}
	checks, _ := choose([]string{"C09"}) // no check is run; nothing is probed
	f := gather(ctx, opts, checks)
	if err := ctx.Err(); err != nil {
		return Forecast{}, err
	}
	p := preflight{facts: f, want: f.ids.want(), out: Forecast{ // lists to those who read them, never null
		WillNotStart: []Trouble{}, Misbehave: []Trouble{}, Disappear: []Loss{}, Orphans: []Trouble{}, Unknown: []string{},
	}}
	p.configured()
	if f.engine == nil {
		p.store()
	}
	if f.storeErr != nil {
		p.out.Unknown = append(p.out.Unknown, f.storeErr.Error())
	}
	if f.engine == nil {
		switch {
		case !f.live && errors.Is(f.noEngine, errNotAsked):
			return p.out, nil // a tree without a store has nothing to lose
		case f.storeErr != nil:
			p.out.Unknown = append(p.out.Unknown, f.noEngine.Error())
			return p.out, nil
		}
		return Forecast{}, fmt.Errorf("%w, and there is no store below %s", f.noEngine, f.conf.dataRoot)
	}
	p.plannedMap(ctx)
	p.out.Source, p.out.Down, p.out.Map = f.engine.Source, f.engine.Down, p.want.UID.String()
	_, uid, gid, suffixed := parseStore(f.engine.RootDir)
	p.out.InForce = suffixed && uid > 0 && gid > 0 && (f.noEngine != nil || f.engine.Remaps())
	for _, part := range slices.Sorted(maps.Keys(f.engine.Unread)) {
		if part != "Authz" {
			p.out.Unknown = append(p.out.Unknown, part+": "+f.engine.Unread[part])
		}
	}
	p.daemon()
	for i := range f.engine.Containers {
		c := &f.engine.Containers[i]
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
	return p.out, nil
}

// A preflight is a forecast that is being made.
type preflight struct {
	*facts
	want userns.Mapping
	out  Forecast
}

// configured adds why it is not known what is configured: the map to reckon
// with, and maybe the data-root. A value that dockerd takes for no remapping is
// as good as none.
func (p *preflight) configured() {
	for _, err := range []error{p.conf.unread(), p.conf.docErr, p.conf.err, p.ids.ownerErr} {
		if err != nil && !errors.Is(err, daemoncfg.ErrFailOpen) {
			p.out.Unknown = append(p.out.Unknown, err.Error())
			return // the others follow from it
		}
	}
}

// store reads the store from before remapping: with remapping configured and
// the daemon down, that is what holds the data still.
func (p *preflight) store() {
	e, err := readStore(p.host, p.conf.dataRoot)
	switch {
	case err == nil:
		e.Down = p.noEngine.Error()
		p.engine = e
	case p.storeErr == nil && !isNotExist(err):
		p.storeErr = err
	}
}

// plannedMap finds the map where none is configured yet.
func (p *preflight) plannedMap(ctx context.Context) {
	if !p.want.IsZero() {
		return
	}
	owner := "dockremap"
	if p.ids.account != "" {
		owner = p.ids.account
	}
	grant, _, err := subid.Plan(ctx, p.host, subid.Request{Owner: owner})
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
	if p.conf.is("features", "containerd-snapshotter") {
		if before, known := p.engine.Before(52); !known || !before {
			p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
				Option: "features.containerd-snapshotter",
				Text:   "containerd-snapshotter is explicitly enabled, but is not compatible with userns remapping. Please disable userns remapping or containerd-snapshotter",
				Fix:    "set features.containerd-snapshotter to false in " + p.conf.file,
			})
		}
	}
	if p.rootless() || p.conf.startup.Rootless {
		p.out.WillNotStart = append(p.out.WillNotStart, Trouble{
			Option: "rootless", Text: "a rootless daemon cannot remap: containers fail with \"mkdir ...: permission denied\"",
			Fix: "leave userns-remap off: RootlessKit maps its containers already",
		})
	}
}

// orphans adds the containers that live-restore would leave behind.
func (p *preflight) orphans() {
	on := p.engine.LiveRestore
	if p.noEngine != nil { // the files of the store do not say
		var err error
		if on, _, err = p.conf.liveRestore(); err != nil {
			p.out.Unknown = append(p.out.Unknown, err.Error())
		}
	}
	if !on {
		return
	}
	for i := range p.engine.Containers {
		if c := &p.engine.Containers[i]; c.Running {
			p.out.Orphans = append(p.out.Orphans, Trouble{
				Container: c.String(), Option: "live-restore",
				Text: "keeps running as it is when dockerd restarts, and docker ps does not list it any more",
				Fix:  "docker stop " + c.String() + ", or set live-restore to false and reload dockerd first",
			})
		}
	}
}
