package daemoncfg

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/members"
)

// Plan plans to switch remapping on, in the daemon.json that dockerd reads.
// dockerd does not start if --userns-remap is among its flags too, so the flag is
// removed from its environment file. If that is not possible and the flag has
// the same value, there is nothing to do; with another value the error matches
// [ErrConflict]. Users and groups are checked as by [Remap.Check].
//
// The plan is empty if the host has r already.
func (r Remap) Plan(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	if _, err := ParseRemap(r.String()); err != nil {
		return usernskit.Plan{}, err
	}
	doc, err := Read(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	return doc.PlanRemap(ctx, h, r)
}

// PlanRemap is [Remap.Plan] for a document that [Open] has read.
func (d *Document) PlanRemap(ctx context.Context, h usernskit.Host, r Remap) (usernskit.Plan, error) {
	if _, err := ParseRemap(r.String()); err != nil {
		return usernskit.Plan{}, err
	}
	p, err := d.planner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	if err := r.Check(ctx, h); err != nil {
		return usernskit.Plan{}, err
	}
	if p := snapshotter(p.startup, d); p.Err != nil {
		return usernskit.Plan{}, p.Err
	}
	title := "switch userns-remap on for " + r.String()
	flag, isFlag := p.startup.Flag(remapKey)
	if isFlag {
		if err := p.dropFlag(); err != nil {
			if _, inFile := d.Get(remapKey); inFile || flag.Value != r.String() {
				return usernskit.Plan{}, err
			}
			plan, err := p.finish(ctx, title)
			plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: WarnByFlag, Pos: flag.Pos(),
				Text: fmt.Sprintf("userns-remap is on by the flag %s here, and daemon.json must not have it too: nothing to do", flag.Spelled)})
			return plan, err
		}
	}
	if err := d.Set([]string{remapKey}, json.RawMessage(members.Quote(r.String()))); err != nil {
		return usernskit.Plan{}, err
	}
	if list := conflicts(p.startup, d); len(list) > 0 {
		return usernskit.Plan{}, list[0].Err // dockerd would not start
	}
	return p.finish(ctx, title)
}

// PlanClear plans to switch remapping off: it removes the key from daemon.json,
// and the flag as [Remap.Plan] does. The file stays, with {} if nothing is left.
// A flag that cannot be edited is an error that matches [ErrFlag].
func (d *Document) PlanClear(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	p, err := d.planner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	if flag, ok := p.startup.Flag(remapKey); ok {
		if err := p.dropFlag(); err != nil {
			return usernskit.Plan{}, fmt.Errorf("%s: %w, %s, and is not edited here: %s", flag.Place(), ErrFlag, flag.Spelled, p.startup.DropFlag(flag))
		}
	}
	if err := d.Delete(remapKey); err != nil {
		return usernskit.Plan{}, err
	}
	return p.finish(ctx, "switch userns-remap off")
}

// PlanSet plans [Document.Set] on the daemon.json of the host, or [Remap.Plan] if
// path is userns-remap. A nil value removes path, as [Document.Delete] does, and
// leaves a flag of the same key alone.
func PlanSet(ctx context.Context, h usernskit.Host, path []string, value json.RawMessage) (usernskit.Plan, error) {
	doc, err := Read(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	what := cmp.Or(members.Pointer(path), "the document")
	switch {
	case value == nil:
		if err := doc.Delete(path...); err != nil {
			return usernskit.Plan{}, err
		}
		return doc.plan(ctx, h, "remove "+what+" from "+doc.name)
	case len(path) == 1 && path[0] == remapKey:
		text, err := unquoteValue(members.Trim(string(value)))
		if err != nil {
			return usernskit.Plan{}, badRemap(string(value), "it has to be a string of JSON")
		}
		r, err := ParseRemap(text)
		if err != nil {
			return usernskit.Plan{}, err
		}
		return doc.PlanRemap(ctx, h, r)
	}
	if err := doc.Set(path, value); err != nil {
		return usernskit.Plan{}, err
	}
	return doc.plan(ctx, h, "set "+what+" in "+doc.name)
}

// PlanMerge plans [Document.Merge] on the daemon.json of the host.
func PlanMerge(ctx context.Context, h usernskit.Host, patch json.RawMessage) (usernskit.Plan, error) {
	doc, err := Read(ctx, h)
	if err == nil {
		err = doc.Merge(patch)
	}
	if err != nil {
		return usernskit.Plan{}, err
	}
	return doc.plan(ctx, h, "merge into "+doc.name)
}

// Plan plans all edits of a document from [Read] or [Open]. What was wrong
// before them is a warning; what they make wrong is an error.
func (d *Document) Plan(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	return d.plan(ctx, h, "edit "+d.name)
}

func (d *Document) plan(ctx context.Context, h usernskit.Host, title string) (usernskit.Plan, error) {
	p, err := d.planner(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	return p.finish(ctx, title)
}

// A planner makes a plan of a document.
type planner struct {
	host    usernskit.Host
	startup dockerd.Startup
	doc     *Document
	was     *Document // as it was read
	wasFrom dockerd.Startup
	moved   []usernskit.Change
}

func (d *Document) planner(ctx context.Context, h usernskit.Host) (*planner, error) {
	if d.startup == nil { // a document of Parse
		s, err := dockerd.Read(ctx, h)
		if err != nil {
			return nil, err
		}
		d.startup = &s
	}
	was, err := Parse(d.name, d.before)
	if err != nil {
		return nil, err
	}
	return &planner{host: h, startup: *d.startup, wasFrom: *d.startup, doc: d, was: was}, nil
}

// dropFlag plans to remove --userns-remap from its file, and removes it from
// the planner's startup.
func (p *planner) dropFlag() error {
	for {
		f, ok := p.startup.Flag(remapKey)
		if !ok {
			return nil
		}
		stays := func(fix string) error { return conflict(f, remapKey, "daemon.json", fix).Err }
		switch {
		case len(p.moved) > 0:
			return stays("it is in more than one place; take it out by hand, and run this again")
		case strings.HasPrefix(f.File, "/proc/"):
			return stays(p.startup.DropFlag(f))
		}
		data, err := p.host.ReadFile(f.File)
		if err != nil {
			return err
		}
		after, err := f.CutFrom(string(data))
		switch {
		case err != nil && f.Var != "" && !strings.Contains(f.File, "/systemd/"):
			return stays(err.Error())
		case err != nil:
			return stays(p.startup.DropFlag(f))
		}
		p.moved = append(p.moved, usernskit.Change{Path: f.File, Before: data, After: []byte(after), Mode: 0o644})
		p.startup.Flags = slices.DeleteFunc(slices.Clone(p.startup.Flags), func(other dockerd.Flag) bool {
			running := p.startup.PID != 0 && other.File == fmt.Sprintf("/proc/%d/cmdline", p.startup.PID)
			return other.Name == f.Name && (other.Pos() == f.Pos() || running)
		})
	}
}

// finish makes the plan. daemon.json comes first: if the machine dies between
// the two files, dockerd finds a conflict and does not start, instead of
// starting without remapping.
func (p *planner) finish(ctx context.Context, title string) (usernskit.Plan, error) {
	plan := usernskit.Plan{Title: title}
	after := p.doc.Bytes()
	edited := !bytes.Equal(after, p.doc.before)
	if edited {
		if owner := generatedBy(p.host, p.doc.name); owner != "" {
			return usernskit.Plan{}, fmt.Errorf("%s: %w: %s", p.doc.name, ErrGenerated, owner)
		}
		plan.Changes = append(plan.Changes, usernskit.Change{Path: p.doc.name, Before: p.doc.before, After: after, Mode: 0o644})
	}
	plan.Changes = append(plan.Changes, p.moved...)
	if err := p.problems(ctx, &plan); err != nil {
		return usernskit.Plan{}, err
	}
	if plan.Empty() {
		p.aboutStartup(&plan)
		return plan, nil
	}
	was, now := current(p.wasFrom, p.was), current(p.startup, p.doc)
	if was.On != now.On || was.Remap != now.Remap {
		risks, err := risks(p.host, p.startup, p.doc, was.On, now.On)
		if err != nil {
			return usernskit.Plan{}, err
		}
		plan.Warnings = slices.Concat(risks, plan.Warnings)
	}
	plan.Actions = []usernskit.Action{p.action()}
	p.aboutStartup(&plan)
	if edited {
		if w, ok := managedBy(p.host, p.doc); ok {
			plan.Warnings = append(plan.Warnings, w)
		}
	}
	return plan, nil
}

// problems compares what Check finds before and after the edit. A new problem is
// an error, except notes other than ProblemFailOpen. A key that another dockerd
// may have, and a rootless dockerd, are only risks.
func (p *planner) problems(ctx context.Context, plan *usernskit.Plan) error {
	before := Check(ctx, p.host, p.wasFrom, p.was, nil)
	for _, q := range Check(ctx, p.host, p.startup, p.doc, nil) {
		isNew := !slices.ContainsFunc(before, q.same)
		risk := isNew && q.Level == LevelFatal && slices.Contains([]ProblemID{ProblemUnknownKey, ProblemRemovedKey, RiskRootless}, q.ID)
		if isNew && !risk && (q.Level != LevelNote || q.ID == ProblemFailOpen) && !plan.Empty() {
			if q.Err != nil {
				return q.Err
			}
			return &usernskit.FileError{File: q.Pos.File, Line: q.Pos.Line, Col: q.Pos.Col, Err: refuse(q.Text, ErrInvalid)}
		}
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: string(q.ID), Pos: q.Pos, Text: q.Text, Risk: risk})
	}
	return nil
}

// aboutStartup warns of what is not known about the start of dockerd, as a risk
// if the plan writes.
func (p *planner) aboutStartup(plan *usernskit.Plan) {
	s := p.startup
	warn := func(id string, risk bool, pos usernskit.Pos, format string, args ...any) {
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: id, Risk: risk, Pos: pos, Text: fmt.Sprintf(format, args...)})
	}
	for _, why := range s.Unsure {
		warn(WarnStartupUnsure, !plan.Empty(), usernskit.Pos{}, "%s; dockerd may be started with a flag that is not seen here", why)
	}
	if plan.Empty() {
		return
	}
	if s.State() == dockerd.StateAbsent {
		warn(WarnStartupAbsent, false, usernskit.Pos{}, "nothing on this host starts a dockerd; %s is what one will read that is installed later", s.ConfigFile)
	}
	if len(s.Others) > 0 && len(s.Unsure) == 0 {
		warn(WarnOtherDaemons, false, usernskit.Pos{}, "this is for %s; besides, there is %s", s.Unit, strings.Join(s.Others, ", "))
	}
	for _, f := range s.Ignored {
		if f.Name == remapKey {
			warn(WarnIgnoredFlags, false, f.Pos(), "%s is in a file that the start of dockerd does not read: it does nothing", f.Spelled)
		}
	}
}

// action makes dockerd take over the edit: a reload if it can reload each
// changed key, else a restart.
func (p *planner) action() usernskit.Action {
	var restart, reload []string
	for _, key := range p.changedKeys() {
		if o, ok := dockerd.KeyOption(key); ok && o.Reload {
			reload = append(reload, key)
		} else {
			restart = append(restart, key)
		}
	}
	if len(p.moved) > 0 && !slices.Contains(restart, remapKey) {
		restart = append(restart, remapKey)
	}
	if len(restart) == 0 && len(reload) > 0 {
		a := p.startup.Reload()
		a.Why = fmt.Sprintf("dockerd takes over %s while it runs", strings.Join(reload, ", "))
		return a
	}
	a := p.startup.Restart()
	a.Why = fmt.Sprintf("dockerd reads %s only when it starts", cmp.Or(strings.Join(restart, ", "), path.Base(p.doc.name)))
	if !isOn(p.startup, p.doc, "live-restore") {
		a.Why += "; the containers that it runs are stopped"
	}
	return a
}

// changedKeys returns the keys at the top, as dockerd sees them, whose values the
// edit changed.
func (p *planner) changedKeys() []string {
	var keys []string
	for _, path := range slices.Concat(effective(p.was), effective(p.doc)) {
		key := path[len(path)-1]
		a, inA := p.was.Get(path...)
		b, inB := p.doc.Get(path...)
		if (inA != inB || !members.Same(string(a), string(b))) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// generatedBy names the generator of a file and where its content is declared,
// or "".
func generatedBy(h usernskit.Host, file string) string {
	paths := []string{file}
	if target, err := resolve(h, file); err == nil {
		paths = append(paths, target)
	}
	for _, path := range paths {
		switch {
		case strings.HasPrefix(path, "/nix/store/"):
			return "it is built by NixOS; declare the setting in virtualisation.docker.daemon.settings, and rebuild"
		case strings.HasPrefix(path, "/gnu/store/"):
			return "it is built by Guix; declare the setting in docker-configuration, and reconfigure"
		}
	}
	return ""
}

var managers = regexp.MustCompile(`(?i)\b(managed by|generated by|maintained by|written by|created by|controlled by)\b[^\n"]{0,40}?\b(ansible|puppet|chef|salt(stack)?|cfengine|terraform|cloud-init|kubespray|juju|rancher)\b|\b(ansible|puppet|chef|salt)[ _-]?managed\b`)

// leadingComments are the comments and empty lines at the start of a file.
var leadingComments = regexp.MustCompile(`^(\s*(#|;|//).*)*`)

// managedBy warns if a member of daemon.json, or a comment of a file beside it,
// says that a program manages it.
func managedBy(h usernskit.Host, doc *Document) (usernskit.Warning, bool) {
	dir := doc.name[:strings.LastIndexByte(doc.name, '/')+1]
	files := []string{doc.name}
	if entries, err := h.ReadDir(dir); err == nil && len(entries) <= 64 {
		for _, e := range entries {
			if !e.IsDir() && dir+e.Name() != doc.name {
				files = append(files, dir+e.Name())
			}
		}
	}
	if doc.startup != nil {
		files = append(files, doc.startup.Files...)
	}
	for _, file := range files {
		data, err := h.ReadFile(file)
		if err != nil || len(data) > maxSize {
			continue
		}
		if file != doc.name {
			data = leadingComments.Find(data)
		}
		if at := managers.FindIndex(data); at != nil {
			line, _ := position(string(data), at[0])
			return usernskit.Warning{ID: WarnManaged, Pos: usernskit.Pos{File: file, Line: line},
				Text: "it says " + strings.TrimSpace(string(data[at[0]:at[1]])) + ": what is changed here may be changed back; make the change there too"}, true
		}
	}
	return usernskit.Warning{}, false
}
