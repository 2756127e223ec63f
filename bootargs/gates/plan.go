package gates

import (
	"context"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

// Our own file in /etc/sysctl.d. Its name sorts after 99-sysctl.conf, the link
// that distributions have for /etc/sysctl.conf.
const (
	sysctlPath  = "/etc/sysctl.d/99-usernskit.conf"
	sysctlStart = "# Made by usernskit: each remapped container needs a user namespace on root's account.\n"
)

// IDs of the warnings that a plan can have.
const (
	WarnNoUserNamespaces = "no-user-namespaces" // only another kernel helps
	WarnBootArguments    = "boot-arguments"     // needed; they take a reboot, or are set by hand
	WarnOverridden       = "sysctl-overridden"  // a later file has the last word
	WarnSysctlConf       = "sysctl-conf"        // programs disagree about /etc/sysctl.conf
)

// Plan plans what a host needs for its gates to be open: nothing on current
// distributions, kernel arguments on EL 7.2 to 7.5, and a file in /etc/sysctl.d
// where a limit is too low now or from the next boot on. A warning names a
// later file that overrides ours.
//
// Where another program owns the kernel arguments, the plan has a warning with
// what to do.
func Plan(ctx context.Context, h usernskit.Host) (usernskit.Plan, error) {
	p := &planner{reader: newReader(h)}
	report := p.report(ctx)
	if p.Err != nil {
		return usernskit.Plan{}, p.Err
	}
	if err := p.arguments(ctx, report); err != nil {
		return usernskit.Plan{}, err
	}
	p.limits(report)
	if p.Err != nil {
		return usernskit.Plan{}, p.Err
	}
	if len(p.plan.Changes)+len(p.plan.Actions) > 0 {
		p.plan.Title = "user namespaces"
	}
	return p.plan, ctx.Err()
}

// A planner collects the plan.
type planner struct {
	reader
	plan usernskit.Plan
}

func (p *planner) warn(w usernskit.Warning) { p.plan.Warnings = append(p.plan.Warnings, w) }

func (p *planner) run(why string, argv ...string) {
	a := usernskit.Action{Why: why, Argv: argv}
	if !p.h.Live() { // the kernel that runs is not the tree's
		a.Where = usernskit.WhereBoot
	}
	p.plan.Actions = append(p.plan.Actions, a)
}

// arguments plans the kernel arguments. An unknown gate is planned too: then the
// error that makes it unknown stops the plan.
func (p *planner) arguments(ctx context.Context, report Report) error {
	var args []string
	for _, gate := range report.List {
		switch {
		case gate.Arg && gate.State != StateOpen:
			args = append(args, gate.Name+"="+gate.Want)
		case gate.State == StateShut && gate.Want == "":
			p.warn(usernskit.Warning{ID: WarnNoUserNamespaces, Text: gate.Name + ": " + gate.Text})
		}
	}
	if len(args) == 0 {
		return nil
	}
	plan, err := bootargs.PlanEdit(ctx, p.h, bootargs.Edit{Set: args})
	needs := " " + strings.Join(args, " ")
	switch {
	case notOurs(err):
		p.warn(usernskit.Warning{ID: WarnBootArguments, Text: "kernel " + report.Kernel + " needs" + needs + " and a reboot; set it by hand: " + err.Error()})
		return nil
	case err != nil:
		return err
	}
	plan.Warnings = append(p.plan.Warnings, plan.Warnings...)
	p.plan = plan
	p.warn(usernskit.Warning{ID: WarnBootArguments,
		Text: report.Distro + ", kernel " + report.Kernel + ": remapped containers start only after a reboot with" + needs})
	return nil
}

// limits plans the sysctls that are too low, and warns where a later file
// overrides ours.
func (p *planner) limits(report Report) {
	before := p.Read(sysctlPath)
	after := before
	value := strconv.Itoa(maxUserNamespaces)
	for _, gate := range report.Shut() {
		switch {
		case !gate.limit():
		case gate.AtBoot == "" || !atLeast(gate.AtBoot, gate.Want):
			if after == nil {
				after = []byte(sysctlStart)
			}
			after = setSysctl(after, gate.Name, value)
		default:
			p.run(gate.Name+" is lower now than "+gate.Where+" sets it", "sysctl", "-w", gate.Name+"="+value)
		}
	}
	if string(after) != string(before) {
		p.plan.Changes = append(p.plan.Changes, usernskit.Change{Path: sysctlPath, Before: before, After: after, Mode: 0o644})
		p.run("the kernel takes the limits when sysctl(8) sets them", "sysctl", "-p", sysctlPath)
	}
	for _, gate := range report.Shut() {
		if set, low := gate.low(p.sysctlFiles(after)); low {
			p.warn(usernskit.Warning{ID: WarnOverridden, Pos: usernskit.Pos{File: set.file, Line: set.line},
				Text: "sets " + gate.Name + " to " + set.value + " after our file: change it there, or remapped containers stop starting at the next boot"})
		}
	}
	const old = "/etc/sysctl.conf"
	if p.Read(old) == nil || p.Exists("/etc/sysctl.d/99-sysctl.conf") {
		return
	}
	for _, gate := range report.List {
		if set, low := gate.low([]sysctlFile{{old, p.Read(old)}}); low {
			p.warn(usernskit.Warning{ID: WarnSysctlConf, Pos: usernskit.Pos{File: old, Line: set.line},
				Text: "sets " + gate.Name + " to " + set.value + ": `sysctl --system` applies that last, systemd does not"})
		}
	}
}

// limit reports whether the gate is a sysctl with a least value.
func (g Gate) limit() bool { return !g.Arg && g.Want != "" }

// low reports whether files set the limit too low.
func (g Gate) low(files []sysctlFile) (setting, bool) {
	set, ok := lookup(files, g.Name)
	return set, ok && g.limit() && !atLeast(set.value, g.Want)
}
