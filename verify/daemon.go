package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify/engine"
)

// d01: the configuration can be read and sets userns-remap.
func (f *facts) d01(v *verdicts) {
	c := f.conf
	for _, why := range c.startup.Unsure {
		v.unknown("dockerd", "%s", why)
	}
	if c.startupErr != nil {
		v.unknown("dockerd", "%v", c.unread())
	}
	switch {
	case c.docErr != nil && errors.Is(c.docErr, daemoncfg.ErrInvalid):
		v.fail(c.file, "%v", c.docErr)
		return
	case c.docErr != nil:
		v.unknown(c.file, "%v", c.docErr)
		return
	}
	bad := false
	if c.doc != nil {
		for _, l := range c.doc.Lint() {
			place := fmt.Sprintf("%s:%d", c.file, l.Line)
			switch {
			case l.ID == "fail-open" || l.ID == "bad-remap":
				// I06 and what follows say it
			case l.Fatal:
				bad = true
				v.fail(place, "%s", l.Text)
			default:
				v.warn(place, "%s", l.Text).as(Low)
			}
		}
	}
	switch {
	case c.startupErr != nil && c.value == "":
		// a flag may set it, or name another file
	case f.rootless() && c.value == "":
		v.skip("docker", rootlessText)
	case c.value == "" && c.missing:
		v.fail(c.file, "there is no such file, and no flag sets userns-remap").saw(c.file, "no such file", `"userns-remap": "default"`).fix(FixEnable, "")
	case c.value == "" && c.err == nil:
		v.fail(c.file, "userns-remap is not set").saw(c.file, "no userns-remap", `"userns-remap": "default"`).fix(FixEnable, "")
	case c.value != "" && errors.Is(c.err, daemoncfg.ErrFailOpen):
		v.skip(orFile(c.place, c.file), "userns-remap is %q, see I06", c.value)
	case !c.on && !errors.Is(c.err, daemoncfg.ErrFailOpen):
		v.fail(orFile(c.place, c.file), "%v", c.err).saw(orFile(c.place, c.file), c.value, "a user")
	case !c.on && c.value == "":
		v.fail(orFile(c.place, c.file), "%v", c.err).saw(orFile(c.place, c.file), `""`, "a user")
	case !bad:
		v.pass(orFile(c.place, c.file), "userns-remap is %q", c.value).saw(orFile(c.place, c.file), c.value, "")
	}
}

// d02: it is set in one place.
func (f *facts) d02(v *verdicts) {
	c := f.conf
	if c.startupErr != nil {
		v.unknown("dockerd", "%v", c.unread())
		return
	}
	flag, given := c.startup.Flag("userns-remap")
	switch {
	case !given && len(c.startup.Unsure) > 0:
		v.unknown("dockerd", "%s", c.startup.Unsure[0])
	case !given:
		v.pass("dockerd", "no flag sets userns-remap")
	case f.noConfig(v):
	case c.inFile("userns-remap"):
		v.fail(c.file, "userns-remap is set here and by a flag: dockerd does not start").
			saw(c.file, c.raw("userns-remap"), "one of the two").saw(flag.Place(), "--userns-remap="+flag.Value, "one of the two")
	default:
		v.pass("dockerd", "only a flag sets userns-remap").saw(flag.Place(), "--userns-remap="+flag.Value, "")
	}
}

// d03: nothing that excludes remapping.
func (f *facts) d03(v *verdicts) {
	c := f.conf
	if f.noConfig(v) {
		return
	}
	if c.on && (f.rootless() || c.startup.Rootless) {
		v.fail("docker", "a rootless daemon cannot remap: containers fail to start").saw("docker info SecurityOptions", "name=rootless", "no userns-remap")
	}
	if c.is("features", "containerd-snapshotter") {
		before29, known := f.engine.Before(52)
		before26, _ := f.engine.Before(45)
		switch {
		case !c.on && c.err == nil:
			v.skip(c.file, "userns-remap is not configured")
			return
		case !known || !before29:
			v.fail(c.file, "features.containerd-snapshotter is true: dockerd 29 and later does not start with userns-remap").
				saw(c.file, `"containerd-snapshotter": true`, "false")
		case !before26:
			v.warn(c.file, "features.containerd-snapshotter is true: builds fail with userns-remap, and from 29 on dockerd does not start").as(High).
				saw(c.file, `"containerd-snapshotter": true`, "false")
		default:
			v.warn(c.file, "features.containerd-snapshotter is true: from 29 on dockerd does not start with userns-remap").as(Medium).
				saw(c.file, `"containerd-snapshotter": true`, "false")
		}
	}
	if len(v.list) == 0 {
		v.pass(c.file, "nothing is set that excludes remapping")
	}
}

// d04: the daemon answers.
func (f *facts) d04(v *verdicts) {
	switch {
	case f.noEngine == nil:
		v.pass("docker", "%s answers: version %s, API %s", f.engine.Source, f.engine.Version, f.engine.API)
		for part, why := range f.engine.Unread {
			if part != "BuildCache" {
				v.unknown("docker", "%s: %s", part, why)
			}
		}
	case !f.live && errors.Is(f.noEngine, errNotAsked):
		v.skip("docker", offline)
	case errors.Is(f.noEngine, engine.ErrDown):
		v.fail("docker", "%v", f.noEngine).run("journalctl -u docker")
	default:
		v.unknown("docker", "%v", f.noEngine)
	}
}

// noDaemon is why the checks of the running daemon have nothing to look at.
func (f *facts) noDaemon(v *verdicts) bool {
	switch {
	case f.noEngine == nil:
		return false
	case !f.live && errors.Is(f.noEngine, errNotAsked):
		v.skip("docker", offline)
	default:
		v.unknown("docker", "%v", f.noEngine)
	}
	return true
}

// d05: the witnesses agree.
func (f *facts) d05(v *verdicts) {
	if f.noDaemon(v) {
		return
	}
	if f.rootless() {
		v.skip("docker", rootlessText)
		return
	}
	e := f.engine
	_, uid, gid, suffixed := parseStore(e.RootDir)
	want, why := "", f.noWant()
	if why == "" {
		want = f.ids.root()
	}
	says := strings.Join(e.SecurityOptions, " ")
	var fi *Finding
	switch {
	case !e.Remaps():
		fi = v.fail("docker", "the daemon does not remap")
	case !suffixed:
		fi = v.fail("docker", "the daemon says userns, but its data-root is that of no remapped store")
	case e.Namespace != "" && strings.HasPrefix(e.Namespace, "moby") && e.Namespace != "moby-"+storeOf(uid, gid):
		fi = v.fail("docker", "data-root and containerd namespace name different maps")
	case want != "" && storeOf(uid, gid) != want:
		fi = v.fail("docker", "the daemon remaps to %s, the files say %s", storeOf(uid, gid), want)
	case want == "" && f.wantUnread():
		fi = v.unknown("docker", "the daemon remaps to %s, and whether that is what is configured is not known: %s", storeOf(uid, gid), why)
	case want == "":
		fi = v.fail("docker", "the daemon remaps to %s, which is not what is configured: %s", storeOf(uid, gid), why)
	default:
		fi = v.pass("docker", "the daemon remaps to %s, and all witnesses agree", want)
	}
	fi.saw("docker info SecurityOptions", says, "name=userns")
	suffix := "/UID.GID"
	namespace := "moby-UID.GID"
	if want != "" {
		suffix, namespace = "/"+want, "moby-"+want
	}
	fi.saw("docker info DockerRootDir", e.RootDir, "..."+suffix)
	if e.Namespace != "" {
		fi.saw("docker info Containerd.Namespaces.Containers", e.Namespace, namespace)
	}
	if want != "" {
		fi.saw(subid.UIDFile+" and "+subid.GIDFile, want, "")
	}
}

// wantUnread reports whether noWant is because something could not be read.
func (f *facts) wantUnread() bool {
	c, i := f.conf, f.ids
	return c.unread() != nil || c.on && (i.uid.file == nil || i.gid.file == nil || i.account == "" && !errors.Is(i.ownerErr, daemoncfg.ErrAccount))
}

// noWant is why it is not known which map containers are to have, or "".
func (f *facts) noWant() string {
	switch {
	case f.ids.mapped():
		return ""
	case f.conf.docErr != nil:
		return f.conf.docErr.Error()
	case f.conf.err != nil:
		return f.conf.err.Error()
	case !f.conf.on:
		return "userns-remap is not set"
	case f.ids.account == "":
		return fmt.Sprint(f.ids.ownerErr)
	}
	for _, s := range f.ids.sides() {
		switch {
		case s.file == nil:
			return s.err.Error()
		case s.refused != nil:
			return s.refused.Error()
		case s.mapErr != nil:
			return s.mapErr.Error()
		case len(s.readings) == 0:
			return s.path + " has no range for " + f.ids.account
		}
	}
	return "no map is configured"
}

// d06: the daemon runs with what is configured.
func (f *facts) d06(v *verdicts) {
	if f.noDaemon(v) {
		return
	}
	if f.rootless() {
		v.skip("docker", rootlessText)
		return
	}
	e, c := f.engine, f.conf
	if err := c.unread(); err != nil {
		v.unknown(c.file, "what is configured is not known: %v", err)
		return
	}
	if !f.ids.mapped() && f.wantUnread() {
		v.unknown("host", "what is configured is not known: %s", f.noWant())
		return
	}
	force := "no remapping"
	if _, uid, gid, ok := parseStore(e.RootDir); ok && (uid != 0 || gid != 0) {
		force = storeOf(uid, gid)
	}
	want := "no remapping"
	switch {
	case f.ids.mapped() && f.ids.root() != "0.0":
		want = f.ids.root()
	case c.docErr != nil, c.on && !f.ids.mapped(), c.err != nil && !errors.Is(c.err, daemoncfg.ErrFailOpen):
		want = f.noWant() // the next start fails
	}
	if force != want {
		v.fail("docker", "in force: %s; configured: %s", force, want).
			saw("docker info DockerRootDir", e.RootDir, want).saw(orFile(c.place, c.file), orNone(c.value), "").
			run(strings.Join(c.startup.Restart().Argv, " "))
		return
	}
	v.pass("docker", "in force and configured: %s", force).saw("docker info DockerRootDir", e.RootDir, want)
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

// d07: running containers have the configured map.
func (f *facts) d07(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	if f.unmapped(v) {
		return
	}
	want := f.ids.want()
	drift := 0
	for _, b := range f.boxes {
		p, ok := b.first()
		if !ok || b.other != "" || f.scan.inHostNS(p) || p.Mapping.IsZero() {
			continue // C02 and C03 speak of these
		}
		if p.Mapping.Equal(want) {
			continue
		}
		drift++
		v.fail(b.subject(), "it runs with another map than the files say now").
			saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), want.UID.String()).
			saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), want.GID.String())
	}
	if drift == 0 && !v.troubled() {
		if len(f.boxes) == 0 {
			v.skip("host", "no container is running")
			return
		}
		v.pass("host", "no running container has another map")
	}
}

// d10: the next restart leaves no orphans.
func (f *facts) d10(v *verdicts) {
	c := f.conf
	on, source, err := c.liveRestore()
	if f.engine != nil && f.noEngine == nil {
		on, source = f.engine.LiveRestore, "docker info LiveRestoreEnabled"
	} else if f.noConfig(v) {
		return
	} else if err != nil {
		v.unknown(source, "dockerd does not start with this: %v", err)
		return
	}
	switch {
	case !on:
		v.pass("docker", "live-restore is off").saw(source, "false", "")
	case f.noEngine != nil:
		v.warn("docker", "live-restore is on: containers that run while remapping is switched survive unmanaged").as(Low).saw(source, "true", "")
	case f.atRestart() == Unknown:
		v.unknown("docker", "live-restore is on, and whether the next restart switches the map is not known, see D06").saw(source, "true", "")
	case f.atRestart() == Fail:
		v.fail("docker", "live-restore is on and the next restart switches the map: running containers survive it unmanaged").saw(source, "true", "false")
	default:
		v.pass("docker", "live-restore is on, and the next restart does not switch the map").saw(source, "true", "")
	}
}

// atRestart is Fail where the next start of the daemon changes the map, and
// Unknown where that is not known.
func (f *facts) atRestart() Verdict {
	var v verdicts
	f.d06(&v)
	return v.list[0].Verdict
}

// d11: who may opt out.
func (f *facts) d11(v *verdicts) {
	if f.noDaemon(v) {
		return
	}
	if len(f.engine.Authz) == 0 {
		v.warn("docker", "anyone who may use the socket may run --userns=host").saw("docker info Plugins.Authorization", "none", "")
		return
	}
	v.pass("docker", "authorization plugins: %s", strings.Join(f.engine.Authz, ", ")).saw("docker info Plugins.Authorization", strings.Join(f.engine.Authz, ", "), "")
}
