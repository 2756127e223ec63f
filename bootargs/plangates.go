package bootargs

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/usernskit/usernskit"
)

// The file of our own below /etc/sysctl.d. Its name comes after 99-sysctl.conf,
// the link that distributions have for /etc/sysctl.conf.
const (
	sysctlPath  = "/etc/sysctl.d/99-usernskit.conf"
	sysctlStart = "# Made by usernskit: a remapped container needs a user namespace of root's.\n"
)

// PlanGates plans what a host needs for its gates to be open: nothing on hosts
// of today, the kernel arguments of EL 7.2 to 7.5, and a file in /etc/sysctl.d
// where a limit is too low, now or from the next boot on. Where a later file
// has the last word over ours, a warning names it.
//
// A host whose kernel arguments are not ours to edit gets a warning that says
// what to do, not an error.
func PlanGates(h usernskit.Host) (usernskit.Plan, error) {
	s := newSite(h)
	gates := readGates(s)
	if s.err != nil {
		return usernskit.Plan{}, s.err
	}
	p := &planner{site: s}
	var args []string
	for _, gate := range gates.Shut() {
		switch {
		case gate.Arg:
			args = append(args, gate.Name+"="+gate.Want)
		case gate.Want == "":
			p.warn("no-user-namespaces", "%s: %s", gate.Name, gate.Text)
		}
	}
	if len(args) > 0 {
		p.edit = Edit{Set: args}
		err := p.run()
		switch {
		case errors.Is(err, ErrOwned), errors.Is(err, ErrNoLoader):
			p.plan = usernskit.Plan{}
			p.warn("boot-arguments", "this kernel (%s) needs %v and a reboot, which must be done by hand: %v", gates.Kernel, args, err)
		case err != nil:
			return usernskit.Plan{}, err
		default:
			p.warn("boot-arguments", "%s, kernel %s: remapped containers start only after a reboot with %v", gates.Distro, gates.Kernel, args)
		}
	}
	p.limits(gates)
	if len(p.plan.Changes)+len(p.plan.Actions) > 0 {
		p.plan.Title = "user namespaces"
	}
	return p.plan, nil
}

// limits plans the sysctls that are too low.
func (p *planner) limits(gates Gates) {
	before := p.read(sysctlPath)
	after := before
	for _, gate := range gates.Shut() {
		if gate.Arg || gate.Want == "" {
			continue
		}
		value := strconv.Itoa(MaxUserNamespaces)
		if gate.AtBoot == "" || gate.Where != "" && !enoughAtBoot(gate) {
			if after == nil {
				after = []byte(sysctlStart)
			}
			after = setSysctl(after, gate.Name, value)
			continue
		}
		p.act(usernskit.WhenNow, gate.Name+" is lower now than "+gate.Where+" has it", "sysctl", "-w", gate.Name+"="+value)
	}
	if after == nil || string(after) == string(before) {
		p.lastWord(gates, before)
		return
	}
	p.change(sysctlPath, after)
	p.act(usernskit.WhenNow, "the kernel reads the limits when it is told to", "sysctl", "-p", sysctlPath)
	p.lastWord(gates, after)
}

func enoughAtBoot(gate Gate) bool {
	have, err := strconv.ParseInt(gate.AtBoot, 0, 64)
	want, _ := strconv.ParseInt(gate.Want, 10, 64)
	return err == nil && have >= want
}

// lastWord warns where our file does not decide.
func (p *planner) lastWord(gates Gates, ours []byte) {
	files := sysctlFiles(p.site)
	if ours != nil {
		files = with(files, sysctlFile{sysctlPath, ours})
	}
	for _, gate := range gates.Shut() {
		if gate.Arg || gate.Want == "" {
			continue
		}
		set, ok := lookup(files, gate.Name)
		gate.AtBoot = set.value
		if ok && !enoughAtBoot(gate) {
			p.warn("sysctl-overridden", "%s sets %s to %s after ours: change it there, or remapped containers stop starting at the next boot",
				fmt.Sprintf("%s:%d", set.file, set.line), gate.Name, set.value)
		}
	}
	if src := p.read("/etc/sysctl.conf"); src != nil && !p.exists("/etc/sysctl.d/99-sysctl.conf") {
		for _, gate := range gates.List {
			set, ok := lookup([]sysctlFile{{"/etc/sysctl.conf", src}}, gate.Name)
			gate.AtBoot = set.value
			if ok && gate.Want != "" && !gate.Arg && !enoughAtBoot(gate) {
				p.warn("sysctl-conf", "/etc/sysctl.conf:%d sets %s to %s: `sysctl --system` applies that last, systemd does not", set.line, gate.Name, set.value)
			}
		}
	}
}
