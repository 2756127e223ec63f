package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/verify/engine"
)

// noContainers is why the checks of options have nothing to look at.
func (f *facts) noContainers(v *verdicts) bool {
	if f.noStore(v) {
		return true
	}
	if why := f.engine.Unread["Containers"]; why != "" {
		v.unknown("docker", "%s", why)
		return true
	}
	for i := range f.engine.Containers {
		if c := &f.engine.Containers[i]; c.Unread {
			v.unknown(subjectOf(c), "its options are not known: %s", f.engine.WhyUnread(c))
		}
	}
	return false
}

// noStore is why the checks of what Docker keeps have nothing to look at.
func (f *facts) noStore(v *verdicts) bool {
	switch {
	case f.engine != nil:
		return false
	case f.storeErr != nil:
		v.unknown("docker", "%v", f.storeErr)
	case !f.live && errors.Is(f.noEngine, errNotAsked):
		v.skip("docker", "this tree holds no store of Docker's")
	default:
		v.unknown("docker", "%v", f.noEngine)
	}
	return true
}

// source names where the options of a container stand.
func (f *facts) source(c *engine.Container, field string) string {
	if f.noEngine == nil {
		return "docker inspect HostConfig." + field
	}
	return f.engine.Source + "/containers/" + c.ID + "/hostconfig.json " + field
}

// c04: nobody opts out.
func (f *facts) c04(v *verdicts) {
	if f.noContainers(v) {
		return
	}
	for i := range f.engine.Containers {
		c := &f.engine.Containers[i]
		if c.Userns == "host" {
			fi := v.fail(subjectOf(c), "runs with --userns=host: its root is the host's, its cgroup is writable, its setuid programs are broken").
				saw(f.source(c, "UsernsMode"), "host", `""`)
			if !c.Running {
				fi.Text = strings.Replace(fi.Text, "runs with", "is not running, and would run with", 1)
				fi.as(Medium)
			}
		}
	}
	if !v.troubled() {
		v.pass("docker", "none of %d containers has --userns=host", len(f.engine.Containers))
	}
}

// c05: joined namespaces end in a remapped container.
func (f *facts) c05(v *verdicts) {
	if f.noContainers(v) {
		return
	}
	for i := range f.engine.Containers {
		c := &f.engine.Containers[i]
		for _, m := range c.Joins() {
			f.joined(v, c, m)
		}
	}
	if !v.troubled() {
		v.pass("docker", "no container joins the namespaces of one that is not remapped")
	}
}

// joined follows a chain of joins to its end.
func (f *facts) joined(v *verdicts, c *engine.Container, first engine.Join) {
	source := f.source(c, first.Field)
	seen := map[string]bool{c.ID: true}
	for next := []string{first.Target}; len(next) > 0; next = next[1:] {
		t := f.engine.Container(next[0])
		switch {
		case t == nil:
			v.warn(subjectOf(c), "joins %s, which does not exist: it does not start", engine.ShortID(next[0])).as(Medium).saw(source, "container:"+next[0], "")
			continue
		case seen[t.ID]:
			continue
		case t.Userns == "host" && c.Userns != "host":
			v.fail(subjectOf(c), "%s joins %s, which is in the host's user namespace: it does not start, or is the host's root", first.Option, t.Name).
				saw(source, "container:"+first.Target, "a remapped container").saw(f.source(t, "UsernsMode"), "host", `""`)
			return
		}
		seen[t.ID] = true
		for _, j := range t.Joins() {
			next = append(next, j.Target)
		}
	}
}

// c06: nothing of the host's is shared.
func (f *facts) c06(v *verdicts) {
	if f.noContainers(v) {
		return
	}
	for i := range f.engine.Containers {
		c := &f.engine.Containers[i]
		var bad []string
		for _, o := range []struct {
			set  bool
			name string
		}{
			{c.Privileged, "--privileged"}, {c.Network == "host", "--network=host"},
			{c.PIDMode == "host", "--pid=host"}, {c.IPCMode == "host", "--ipc=host"},
		} {
			if o.set {
				bad = append(bad, o.name)
			}
		}
		if len(bad) == 0 {
			continue
		}
		fi := v.fail(subjectOf(c), "has %s", strings.Join(bad, " "))
		if c.Privileged {
			fi.saw(f.source(c, "Privileged"), "true", "false")
		}
		for _, m := range []struct{ field, mode string }{{"NetworkMode", c.Network}, {"PidMode", c.PIDMode}, {"IpcMode", c.IPCMode}} {
			if m.mode == "host" {
				fi.saw(f.source(c, m.field), "host", "another")
			}
		}
		if !c.Running {
			fi.as(Medium)
		}
	}
	if !v.troubled() {
		v.pass("docker", "none of %d containers is privileged or shares the host's namespaces", len(f.engine.Containers))
	}
}

// c12: managed plugins.
func (f *facts) c12(v *verdicts) {
	switch {
	case f.noStore(v):
	case f.engine.Unread["Plugins"] != "":
		v.unknown("docker", "%s", f.engine.Unread["Plugins"])
	case len(f.engine.Plugins) == 0:
		v.pass("docker", "no managed plugin is enabled")
	default:
		for _, p := range f.engine.Plugins {
			v.warn("plugin/"+p, "a managed plugin, which is never remapped").saw(f.engine.Source, p, "no enabled plugin").run("docker plugin disable " + quoted(p))
		}
	}
}

// c13: for information.
func (f *facts) c13(v *verdicts) {
	if !f.proc {
		v.skip("host", offline)
		return
	}
	if gaps := f.scan.gaps(); len(gaps) > 0 {
		v.unknown("host", "%s", gaps[0])
		return
	}
	fi := v.pass("host", "dockerd, containerd and %d shims are root of the host, as they have to be", len(f.scan.shims))
	if f.conf.startup.PID > 0 {
		fi.saw("dockerd", fmt.Sprintf("process %d", f.conf.startup.PID), "")
	}
	for _, s := range f.scan.shims[:min(len(f.scan.shims), shown)] {
		fi.saw(s.Program, fmt.Sprintf("process %d of %s in %s", s.PID, engine.ShortID(s.ContainerID), orNone(s.Namespace)), "")
	}
}

// c14: for information.
func (f *facts) c14(v *verdicts) {
	if !f.proc {
		v.skip("host", offline)
		return
	}
	sharing := 0
	for _, b := range f.boxes {
		if p, ok := b.first(); ok && !f.scan.inHostNS(p) && p.Mapping.Equal(f.ids.want()) {
			sharing++
		}
	}
	if sharing < 2 {
		v.skip("host", "%d containers have the daemon's map", sharing)
		return
	}
	v.pass("host", "%d containers share one map, their limits and what one may do to the other's files", sharing)
}
