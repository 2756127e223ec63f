package verify

import (
	"errors"
	"strconv"

	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/userns"
)

// k01: the kernel has user namespaces.
func (f *facts) k01(v *verdicts) {
	k := f.kernel
	switch {
	case !f.proc && len(k.configs) == 0:
		v.skip("host", "%s, and it has no /boot/config-*", offline)
	case !f.proc:
		for _, c := range k.configs {
			switch {
			case c.err != nil:
				v.unknown(c.file, "cannot be told: %v", c.err)
			case c.userns:
				v.pass(c.file, "this kernel has user namespaces").saw(c.file, "CONFIG_USER_NS=y", "CONFIG_USER_NS=y")
			default:
				v.fail(c.file, "this kernel is built without user namespaces").saw(c.file, "CONFIG_USER_NS is not set", "CONFIG_USER_NS=y")
			}
		}
	case k.nsUser.err == nil:
		v.pass("host", "the kernel has user namespaces").saw(k.procPath("self/ns/user"), k.nsUser.value, "")
	case k.nsUser.missing() && k.procSeen:
		v.fail("host", "the kernel has no user namespaces").saw(k.procPath("self/ns/user"), "no such file", "user:[...]")
	default:
		v.unknown("host", "cannot be read: %v", k.nsUser.err)
	}
}

// k02: user namespaces may be made.
func (f *facts) k02(v *verdicts) {
	if !f.proc {
		v.skip("host", offline)
		return
	}
	m := f.kernel.maxUserns
	source := f.kernel.procPath("sys/user/max_user_namespaces")
	if m.err != nil {
		v.unknown("host", "cannot be read: %v", m.err)
		return
	}
	limit, err := strconv.ParseInt(m.value, 10, 64)
	if err != nil {
		v.unknown("host", "%s is no number: %q", source, m.value)
		return
	}
	used := int64(len(f.scan.namespaces))
	const raise = "sysctl -w user.max_user_namespaces=15000"
	switch {
	case limit <= 0:
		v.fail("host", "the kernel lets nobody make a user namespace: containers fail with ENOSPC").saw(source, m.value, "more than 0").run(raise)
	case limit <= used:
		v.fail("host", "all %d user namespaces that may be made are in use", limit).saw(source, m.value, "more than "+strconv.FormatInt(used, 10)).run(raise)
	case limit-used < 16:
		v.warn("host", "only %d more user namespaces may be made", limit-used).as(Medium).saw(source, m.value, "").run(raise)
	default:
		v.pass("host", "%d user namespaces may be made, %d are in use", limit, used).saw(source, m.value, "more than 0")
	}
}

// gate returns the gate of that name; where there is none it does not matter to
// this kernel.
func (f *facts) gate(name string) (gates.Gate, bool) {
	for _, g := range f.kernel.gates.value.List {
		if g.Name == name {
			return g, true
		}
	}
	return gates.Gate{}, false
}

// k03: no file takes that away at the next boot.
func (f *facts) k03(v *verdicts) {
	if err := f.kernel.gates.err; err != nil {
		v.unknown("host", "%v", err)
		return
	}
	const repair = "echo user.max_user_namespaces=15000 >/etc/sysctl.d/zz-usernskit.conf"
	g, ok := f.gate("user.max_user_namespaces")
	switch {
	case !ok:
		v.skip("host", "this kernel has no such limit")
	case g.AtBoot == "" && g.State == gates.StateShut && f.kernel.maxUserns.value == g.Now && g.Now != "":
		v.skip("host", "no file sets it, see K02 for what it is now")
	case g.AtBoot == "" && g.State == gates.StateShut:
		v.fail("host", "user.max_user_namespaces is %s", g.Text).run(repair)
	case g.AtBoot == "":
		v.pass("host", "no file sets user.max_user_namespaces")
	default:
		n, err := strconv.ParseInt(g.AtBoot, 0, 64)
		if err != nil || n <= 0 {
			v.fail(g.Where, "user.max_user_namespaces is set to %s at every boot", g.AtBoot).saw(g.Where, g.AtBoot, "more than 0, or no line").run(repair)
			return
		}
		v.pass(g.Where, "user.max_user_namespaces is set to %s at boot", g.AtBoot).saw(g.Where, g.AtBoot, "more than 0")
	}
}

// k04: for information.
func (f *facts) k04(v *verdicts) {
	if !f.proc {
		v.skip("host", offline)
		return
	}
	var fi *Finding
	for _, g := range f.kernel.gates.value.List {
		if g.State != gates.StateHarmless {
			continue
		}
		if fi == nil {
			fi = v.pass("host", "unprivileged user namespaces are restricted, which a daemon that runs as root does not feel")
		}
		fi.saw(g.Name, g.Now, "")
	}
	if fi == nil {
		v.skip("host", "this kernel has no such restriction")
	}
}

// bootGates are the arguments that this kernel needs.
func (f *facts) bootGates(v *verdicts) []gates.Gate {
	if err := f.kernel.gates.err; err != nil {
		v.unknown("host", "%v", err)
		return nil
	}
	var list []gates.Gate
	for _, g := range f.kernel.gates.value.List {
		if g.Arg {
			list = append(list, g)
		}
	}
	if len(list) == 0 {
		v.skip("host", "this kernel needs no argument")
	}
	return list
}

// k05: the running kernel has its arguments.
func (f *facts) k05(v *verdicts) {
	for _, g := range f.bootGates(v) {
		arg := g.Name + "=" + g.Want
		switch {
		case !f.proc:
			v.skip(g.Name, offline)
		case g.Now == g.Want:
			v.pass(g.Name, "the running kernel was booted with %s", arg).saw("/proc/cmdline", g.Name+"="+g.Now, arg)
		default:
			v.fail(g.Name, "the running kernel was not booted with %s: %s", arg, g.Text).saw("/proc/cmdline", orNone(g.Now), arg).fix(FixBootArg, arg)
		}
	}
}

// k06: configuration and running kernel agree.
func (f *facts) k06(v *verdicts) {
	for _, g := range f.bootGates(v) {
		arg := g.Name + "=" + g.Want
		source := "boot configuration"
		if g.Where != "" {
			source = g.Where
		}
		switch {
		case g.State == gates.StateUnknown:
			v.unknown(g.Name, "%s", g.Text)
		case !f.proc && g.AtBoot == g.Want:
			v.pass(g.Name, "%s is configured", arg).saw(source, g.AtBoot, g.Want)
		case g.AtBoot == g.Want && g.Now == g.Want:
			v.pass(g.Name, "%s is configured and running", arg).saw(source, g.AtBoot, g.Want)
		case g.AtBoot == g.Want:
			v.fail(g.Name, "%s is configured and takes a reboot", arg).saw(source, g.AtBoot, g.Want).saw("/proc/cmdline", orNone(g.Now), g.Want).run("reboot")
		default:
			v.fail(g.Name, "%s is not configured for the next boot", arg).saw(source, orNone(g.AtBoot), g.Want).fix(FixBootArg, arg)
		}
	}
}

// k07: the kernel takes the map.
func (f *facts) k07(v *verdicts) {
	k := f.kernel
	want := f.ids.want()
	switch {
	case k.notProbed != "" && f.mapError() != nil:
		v.fail("host", "the kernel takes no such map: %v", f.mapError())
	case k.notProbed == offline:
		v.skip("host", offline)
	case f.unmapped(v):
	case k.probe == nil:
		v.pass("host", "a process was started in this map and read back").saw("/proc/PID/uid_map", want.UID.String(), want.UID.String()).
			saw("/proc/PID/gid_map", want.GID.String(), want.GID.String())
	case refused(k.probe):
		fi := v.fail("host", "%v", k.probe).saw("kernel", k.probe.Error(), want.String())
		if p := (*userns.ProbeError)(nil); errors.As(k.probe, &p) && p.Remedy != "" {
			fi.Remedy.Text = p.Remedy
		}
	default:
		v.unknown("host", "%v", k.probe)
	}
}

// mapError is why the ranges make no map, where they do not.
func (f *facts) mapError() error { return errors.Join(f.ids.uid.mapErr, f.ids.gid.mapErr) }

// k08: whether --ipc=host works.
func (f *facts) k08(v *verdicts) {
	k := f.kernel
	var p *userns.ProbeError
	switch {
	case k.notProbedIPC != "":
		v.skip("host", "%s", k.notProbedIPC)
	case k.probeIPC == nil:
		v.pass("host", "a remapped container may share the host's IPC namespace")
	case errors.As(k.probeIPC, &p):
		v.pass("host", "--ipc=host does not work in a remapped container on this kernel").saw("kernel", k.probeIPC.Error(), "")
	default:
		v.skip("host", "could not be tried: %v", k.probeIPC)
	}
}
