package verify

import (
	"strings"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// containerChecks are the checks of containers: their processes (C01 to C03 in
// checks_processes.go), their options here, their mounts in checks_mounts.go.
var containerChecks = []check{c01, c02, c03, c04, c05, c06, c07, c08, c09, c10, c11, c12, c13, c14}

var c04 = check{
	Check: Check{
		ID: "C04", Name: "userns-host", Severity: High,
		Title:  "No container opts out with --userns=host, except those allowed",
		Why:    "It is weaker than no remapping at all: its root is the host's, its cgroup is mounted writable, and its setuid programs belong to the wrong user.",
		Reads:  "HostConfig.UsernsMode.",
		Remedy: "Run it without --userns=host, or allow it by name with a reason.",
		Refs:   refContainer(),
	},
	needs:  facts.NeedEngine,
	unless: (*judge).noContainers,
	judge: func(j *judge) {
		for i := range j.Engine.Containers {
			c := &j.Engine.Containers[i]
			if c.Userns == "host" {
				fi := j.fail(subjectOf(c), "runs with --userns=host: its root is the host's, its cgroup is writable, its setuid programs are broken").
					saw(j.source(c, "UsernsMode"), "host", `""`)
				if !c.Running {
					fi.Text = strings.Replace(fi.Text, "runs with", "is not running, and would run with", 1)
					fi.as(Medium)
				}
			}
		}
		j.passUntroubled("docker", "none of %s has --userns=host", text.Count(len(j.Engine.Containers), "container", "containers"))
	},
}

// noContainers adds why the options of containers cannot be checked, and
// reports whether none can.
func (j *judge) noContainers() bool {
	if j.noStore() {
		return true
	}
	if why := j.Engine.Unread["Containers"]; why != "" {
		j.unknown("docker", "%s", why)
		return true
	}
	for i := range j.Engine.Containers {
		if c := &j.Engine.Containers[i]; c.Unread {
			j.unreadOptions(c)
		}
	}
	return false
}

func (j *judge) unreadOptions(c *engine.Container) {
	j.unknown(subjectOf(c), "its options are not known: %s", j.Engine.WhyUnread(c))
}

var c05 = check{
	Check: Check{
		ID: "C05", Name: "joined-ns", Severity: High,
		Title:  "Containers that join another's namespaces join a remapped one",
		Why:    "Joining also joins the user namespace; with a container of the host's it fails to start, or runs as the host's root.",
		Reads:  "NetworkMode, PidMode and IpcMode of the form container:ID, followed to the end.",
		Remedy: "Join a container that is remapped, or give both --userns=host and allow them.",
	},
	needs:  facts.NeedEngine,
	unless: (*judge).noContainers,
	judge: func(j *judge) {
		for i := range j.Engine.Containers {
			c := &j.Engine.Containers[i]
			for _, o := range c.Joins() {
				j.joined(c, o)
			}
		}
		j.passUntroubled("docker", "no container joins the namespaces of one that is not remapped")
	},
}

// joined follows a chain of joins to its end.
func (j *judge) joined(c *engine.Container, first engine.Option) {
	source := j.source(c, first.Field)
	seen := map[string]bool{c.ID: true}
	for next := []string{first.Target()}; len(next) > 0; next = next[1:] {
		t := j.Engine.Container(next[0])
		switch {
		case t == nil:
			j.warn(subjectOf(c), "joins %s, which does not exist: it does not start", engine.ShortID(next[0])).as(Medium).
				saw(source, "container:"+next[0], "")
			continue
		case seen[t.ID]:
			continue
		case t.Userns == "host" && c.Userns != "host":
			j.fail(subjectOf(c), "%s joins %s, which is in the host's user namespace: it does not start, or is the host's root", first.Name, t.Name).
				saw(source, first.Value, "a remapped container").saw(j.source(t, "UsernsMode"), "host", `""`)
			return
		}
		seen[t.ID] = true
		for _, o := range t.Joins() {
			next = append(next, o.Target())
		}
	}
}

var c06 = check{
	Check: Check{
		ID: "C06", Name: "host-namespaces", Severity: High,
		Title:  "No container is privileged or shares the host's network, PID or IPC namespace",
		Why:    "The first three need --userns=host; the last does not start under remapping.",
		Reads:  "HostConfig.",
		Remedy: "Publish ports, use --ipc=shareable, add single capabilities.",
		Refs:   []string{"CIS Docker 1.6.0: 5.5, 5.10, 5.16, 5.17"},
	},
	needs:  facts.NeedEngine,
	unless: (*judge).noContainers,
	judge: func(j *judge) {
		for i := range j.Engine.Containers {
			c := &j.Engine.Containers[i]
			bad := c.WithHost()
			if len(bad) == 0 {
				continue
			}
			fi := j.fail(subjectOf(c), "has")
			for _, o := range bad {
				fi.Text += " " + o.String()
				fi.saw(j.source(c, o.Field), o.Value, "not "+o.Value)
			}
			if !c.Running {
				fi.as(Medium)
			}
		}
		j.passUntroubled("docker", "none of %s is privileged or shares the host's namespaces", text.Count(len(j.Engine.Containers), "container", "containers"))
	},
}

var c12 = check{
	Check: Check{
		ID: "C12", Name: "plugins-root", Severity: Medium,
		Title:  "No managed plugin runs as the host's root",
		Why:    "Managed plugins are containers that are never remapped.",
		Reads:  "the daemon's list of plugins.",
		Remedy: "docker plugin disable what is not needed.",
	},
	needs: facts.NeedEngine,
	judge: func(j *judge) {
		switch {
		case j.noStore():
		case j.Engine.Unread["Plugins"] != "":
			j.unknown("docker", "%s", j.Engine.Unread["Plugins"])
		case len(j.Engine.Plugins) == 0:
			j.pass("docker", "no managed plugin is enabled")
		default:
			for _, p := range j.Engine.Plugins {
				j.warn("plugin/"+p.Name, "a managed plugin, which is never remapped").saw(j.Engine.Source, p.Name, "no enabled plugin").run("docker plugin disable " + quoted(p.Name))
			}
		}
	},
}

// source names the place of a container's options.
func (j *judge) source(c *engine.Container, field string) string {
	if j.NoEngine == nil {
		return "docker inspect HostConfig." + field
	}
	return j.Engine.Source + "/containers/" + c.ID + "/hostconfig.json " + field
}
