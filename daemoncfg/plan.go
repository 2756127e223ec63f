package daemoncfg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// PlanRemap plans to switch remapping on, in the daemon.json that dockerd
// really reads. A --userns-remap among the flags of dockerd would keep it from
// starting: it is planned out of the environment file that it stands in, and
// where that cannot be done safely, or another flag is in the way, the error is
// a [*ConflictError]. Users and groups are checked as [Remap.Check] does.
//
// The plan's warnings are those of [Risks], what [Document.Lint] finds, and
// "startup-unsure". A host that has r already gets a plan without changes,
// actions or warnings.
func PlanRemap(ctx context.Context, h usernskit.Host, r Remap) (usernskit.Plan, error) {
	if _, err := ParseRemap(r.String()); err != nil {
		return usernskit.Plan{}, err
	}
	p, err := readPlanner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	if err := checkSnapshotter(p.startup, p.doc); err != nil {
		return usernskit.Plan{}, err
	}
	if err := r.Check(ctx, h); err != nil {
		return usernskit.Plan{}, err
	}
	moved, err := p.dropFlag()
	if err != nil {
		return usernskit.Plan{}, err
	}
	old := conflicts(p.startup, p.doc)
	if err := newConflict(nil, old); err != nil {
		return usernskit.Plan{}, err
	}
	if err := p.doc.Set(json.RawMessage(quote(r.String())), remapKey); err != nil {
		return usernskit.Plan{}, err
	}
	return p.finish("switch userns-remap on for "+r.String(), moved)
}

// PlanClear plans to switch remapping off: out of daemon.json, and out of the
// flags as [PlanRemap] does. The file stays, with {} where nothing is left.
func PlanClear(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	p, err := readPlanner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	moved, err := p.dropFlag()
	if err != nil {
		return usernskit.Plan{}, err
	}
	if err := p.doc.Delete(remapKey); err != nil {
		return usernskit.Plan{}, err
	}
	return p.finish("switch userns-remap off", moved)
}

// PlanSet plans [Document.Set] on the daemon.json of the host. It refuses a key
// that is a flag of dockerd too, and for userns-remap it is [PlanRemap].
func PlanSet(ctx context.Context, h usernskit.Host, path []string, value json.RawMessage) (usernskit.Plan, error) {
	if len(path) == 1 && path[0] == remapKey {
		text, err := unquoteValue(trim(string(value)))
		if err != nil {
			return usernskit.Plan{}, &remapError{string(value), "it has to be a string of JSON", false}
		}
		r, err := ParseRemap(text)
		if err != nil {
			return usernskit.Plan{}, err
		}
		return PlanRemap(ctx, h, r)
	}
	p, err := readPlanner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	old := conflicts(p.startup, p.doc)
	if err := p.doc.Set(value, path...); err != nil {
		return usernskit.Plan{}, err
	}
	if err := newConflict(old, conflicts(p.startup, p.doc)); err != nil {
		return usernskit.Plan{}, err
	}
	set := current(p.startup, p.doc)
	if set.On {
		if err := checkSnapshotter(p.startup, p.doc); err != nil {
			return usernskit.Plan{}, err
		}
	} else if set.Err != nil && len(path) == 0 {
		return usernskit.Plan{}, set.Err
	}
	return p.finish("set "+pointer(path)+" in "+p.doc.name, nil)
}

// PlanDelete plans [Document.Delete] on the daemon.json of the host. For
// userns-remap it is [PlanClear].
func PlanDelete(ctx context.Context, h usernskit.Host, path []string) (usernskit.Plan, error) {
	if len(path) == 1 && path[0] == remapKey {
		return PlanClear(ctx, h)
	}
	p, err := readPlanner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	if err := p.doc.Delete(path...); err != nil {
		return usernskit.Plan{}, err
	}
	return p.finish("remove "+pointer(path)+" from "+p.doc.name, nil)
}

// A planner is what the plans are made from, read once.
type planner struct {
	host    usernskit.Host
	startup dockerd.Startup
	doc     *Document
	before  []byte
	was     Setting
}

func readPlanner(ctx context.Context, h usernskit.Host) (*planner, error) {
	s, err := dockerd.Read(ctx, h)
	if err != nil {
		return nil, err
	}
	doc, before, err := readConfig(h, s.ConfigFile)
	if err != nil {
		return nil, err
	}
	return &planner{host: h, startup: s, doc: doc, before: before, was: current(s, doc)}, nil
}

// dropFlag plans --userns-remap out of the file that has it. In the startup of
// the planner the flag is gone then.
func (p *planner) dropFlag() ([]usernskit.Change, error) {
	var changes []usernskit.Change
	for {
		f, ok := p.startup.Flag(remapKey)
		if !ok {
			return changes, nil
		}
		if len(changes) > 0 {
			return nil, &ConflictError{Key: remapKey, Flag: f, Fix: "it stands in more than one place; remove the flag by hand, and run this again"}
		}
		data, err := p.host.ReadFile(f.File)
		if err != nil {
			return nil, err
		}
		after, err := f.CutFrom(string(data))
		if err != nil {
			return nil, &ConflictError{Key: remapKey, Flag: f, Fix: err.Error()}
		}
		changes = append(changes, usernskit.Change{Path: f.File, Before: data, After: []byte(after), Mode: 0o644})
		kept := p.startup.Flags[:0:0]
		for _, other := range p.startup.Flags {
			running := p.startup.PID != 0 && other.File == fmt.Sprintf("/proc/%d/cmdline", p.startup.PID)
			same := other.File == f.File && other.Line == f.Line
			if other.Name != f.Name || !same && !running {
				kept = append(kept, other)
			}
		}
		p.startup.Flags = kept
	}
}

// finish makes the plan of what the document has become. daemon.json goes
// first: should the machine die between the two, dockerd finds a conflict and
// does not start, where it would else start without remapping.
func (p *planner) finish(title string, moved []usernskit.Change) (usernskit.Plan, error) {
	plan := usernskit.Plan{Title: title}
	if after := p.doc.Bytes(); !bytes.Equal(after, p.before) {
		plan.Changes = append(plan.Changes, usernskit.Change{Path: p.startup.ConfigFile, Before: p.before, After: after, Mode: 0o644})
	}
	plan.Changes = append(plan.Changes, moved...)
	if plan.Empty() {
		return plan, nil
	}
	plan.Actions = []usernskit.Action{p.startup.Restart()}
	now := current(p.startup, p.doc)
	if p.was.On != now.On || p.was.Remap != now.Remap {
		risks, err := risks(p.host, p.startup, p.doc, p.was.On, now.On)
		if err != nil {
			return usernskit.Plan{}, err
		}
		plan.Warnings = risks
	}
	for _, f := range p.doc.Lint() {
		place := (&usernskit.FileError{File: p.doc.name, Line: f.Line, Col: f.Col, Err: errors.New(f.Text)}).Error()
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: f.ID, Text: place, Risk: f.Fatal})
	}
	for _, text := range p.startup.Unsure {
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: "startup-unsure", Risk: true,
			Text: text + "; dockerd may be started with a flag that is not seen here"})
	}
	return plan, nil
}
