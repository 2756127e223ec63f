package preflight

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

const optOut = `--userns=host (compose: userns_mode: "host")`

// willNotStart adds the options of a container that dockerd or the runtime
// refuses under remapping. The texts are their messages.
func (p *preflight) willNotStart(c *engine.Container) {
	add := func(option, text, fix string) {
		if c.Labels["com.docker.swarm.service.name"] != "" {
			fix = strings.ReplaceAll(fix, ", or "+optOut, "") + "; a swarm service cannot opt out"
		}
		p.out.WillNotStart = append(p.out.WillNotStart, Trouble{c.String(), option, text, fix})
	}
	for _, o := range c.Joins() {
		if t := p.Engine.Container(o.Target()); t != nil && t.Userns == "host" && c.Userns != "host" {
			add(o.Name+"=container:"+t.String(), "joining a container of the host's user namespace: \"can't get final child's PID from pipe: EOF\", or \"namespace path and non-matching mapping specified\"",
				"join a container that is remapped, or "+optOut)
		}
	}
	if c.Userns == "host" {
		return
	}
	for _, o := range c.WithHost() {
		add(o.String(), refusals[o.Name][0], refusals[o.Name][1]+", or "+optOut)
	}
	for _, d := range c.Devices {
		if d.Host != d.Container && d.Container != "" {
			add("--device "+d.Host+":"+d.Container, "the runtime looks for the device under its new name on the host: no such file or directory",
				"--device "+d.Host+", without a new name")
		}
	}
	for _, u := range facts.Unmapped(c, p.want) {
		add(u.Option, "cannot set "+u.Kind+" to unmapped user in user namespace", fmt.Sprintf("a range of more than %d IDs, or a smaller %s", u.ID, u.Kind))
	}
}

// refusals are the message for each option by which a container shares something
// with the host, and what to use instead.
var refusals = map[string][2]string{
	"--privileged": {"privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode", "--cap-add what it needs"},
	"--network":    {"cannot share the host's network namespace when user namespaces are enabled", "--publish its ports"},
	"--pid":        {"cannot share the host PID namespace when user namespaces are enabled", "--pid=container:NAME"},
	"--ipc":        {`error mounting "mqueue" to rootfs at "/dev/mqueue": operation not permitted`, "--ipc=shareable and --ipc=container:NAME (compose: ipc: shareable)"},
}
