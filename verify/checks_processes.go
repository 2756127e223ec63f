package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

var c01 = check{
	Check: Check{
		ID: "C01", Name: "process-host-ids", Severity: Critical,
		Title:  "Every process of every container has only host IDs of the daemon's ranges",
		Why:    "This is what remapping is for. Being in a user namespace proves nothing: its map may lead to the host's root.",
		Reads:  "/proc/PID/status of every process in a container's cgroup, mount or PID namespace, managed plugins among them, and none whose namespaces are all the host's: four user IDs, four group IDs, all groups; getent for whose they are, which is a finding of its own where it cannot tell.",
		Remedy: "See which of the other checks fails for the container; recreate it.",
		Refs:   refDaemon(),
	},
	needs:  facts.NeedNames,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		var open error
		for _, b := range j.Containers {
			if b.Other != "" || b.OtherErr != nil {
				j.judgeForeign(b)
				continue
			}
			open = cmp.Or(open, j.hostIDs(b))
		}
		if open != nil {
			j.unknown("accounts", "whether one of these IDs is also an account's is not known: %v", open)
		}
		for _, g := range j.Foreign {
			if g.Nobodys && g.HostRoot > 0 {
				j.fail("containers of "+g.Owner, "%d of %d are not remapped, and whose they are is not known", g.HostRoot, g.Containers).
					sawGroup(g.First, "").sawIDs(g.First, "", "")
			}
		}
		j.passingHosts()
		j.unseenProcesses()
		if len(j.Containers) == 0 {
			j.conclude(0, noneRuns, "", "")
		}
	},
}

// passingHosts adds failures for containers with --userns=host that started or
// ended in each look. Their processes were not judged, but are root of the host.
func (j *judge) passingHosts() {
	if j.NoEngine != nil {
		return
	}
	for _, c := range j.Engine.Containers {
		if c.Userns == "host" && (c.Restarting || c.Running && j.IsPassing(c.ID)) {
			j.fail(subjectOf(&c), "it runs with --userns=host, by the daemon's word: it ended or began while it was looked at").saw("State.Pid", strconv.Itoa(c.PID), "")
		}
	}
}

// judgeForeign judges the processes of a container of another daemon. That
// daemon's ranges are not known, but root of the host is wrong in any case.
func (j *judge) judgeForeign(b facts.Container) {
	for _, p := range b.Processes {
		_, root := p.Mapping.UID.ToContainer(0)
		if root || j.Scan.InHostNS(p) {
			j.fail(subjectOf(b), "this daemon does not list it, and process %d (%s) is not remapped", p.PID, p.Command).
				sawIDs(p, "", "").sawMap(p, "no host ID 0", "")
			return
		}
	}
	j.isOther(b)
}

// isOther reports whether a container is, or may be, another daemon's. It adds
// a skip if it is, and unknown if it may be.
func (j *judge) isOther(b facts.Container) bool {
	switch {
	case b.Other != "":
		j.skip(subjectOf(b), "it belongs to another daemon, see C03")
	case b.OtherErr != nil:
		j.unknown(subjectOf(b), "this daemon does not list it, and whether another one does is not known: %v", b.OtherErr)
	}
	return b.Other != "" || b.OtherErr != nil
}

// hostIDs judges the processes of one container by the kernel's data. It
// returns why it is not known whether an account has one of their IDs.
func (j *judge) hostIDs(b facts.Container) (open error) {
	users, groups := "within "+j.wantText(true), "within "+j.wantText(false)
	var bad *Finding
	count := 0
	for _, p := range b.Processes {
		why, err := j.exposed(b, p)
		open = cmp.Or(open, err)
		if why == "" {
			continue
		}
		if count++; bad == nil {
			bad = j.fail(subjectOf(b), "process %d (%s) %s", p.PID, p.Command, why)
		}
		if count <= shown {
			bad.sawIDs(p, users, groups)
		}
	}
	switch {
	case count > 1:
		bad.Text += fmt.Sprintf(", and %s", text.Count(count-1, "more process", "more processes"))
	case bad == nil && !j.noProcess(b):
		p, _ := b.First()
		j.pass(subjectOf(b), "%s host IDs of their ranges only", text.Count(len(b.Processes), "process has", "processes have")).sawIDs(p, users, groups)
	}
	return open
}

// noProcess adds that only the shim of a container was found.
func (j *judge) noProcess(b facts.Container) bool {
	if len(b.Processes) == 0 {
		j.unknown(subjectOf(b), "its shim runs (PID %d), but no process of it was found", b.Shim.PID).
			know("Look again; where it stays so, the container has ended and its shim has not: restart or remove the container.")
	}
	return len(b.Processes) == 0
}

// exposed returns who a process of a container is on the host ("is root of the
// host"), "" for nobody, or why that is unknown.
func (j *judge) exposed(b facts.Container, p userns.Process) (why string, open error) {
	force := j.inForce(p)
	if j.byRuntime(b, p) {
		force = p.Mapping // C02 reports it
	}
	creds := []userns.Thread{{TID: p.PID, UID: p.UID, GID: p.GID, Groups: p.Groups}}
	for _, t := range append(creds, p.Threads...) {
		user, err1 := judgeIDs("user", t.UID[:], j.IDs.Users.At, j.IDs.UID.IDs, force.UID)
		group, err2 := judgeIDs("group", append(t.GID[:], t.Groups...), j.IDs.Groups.At, j.IDs.GID.IDs, force.GID)
		if why := cmp.Or(user, group); why != "" {
			return why, nil
		}
		open = cmp.Or(open, err1, err2)
	}
	if j.Scan.InHostNS(p) { // its IDs are nobody's, but it may still mount and trace
		return "is in the host's user namespace", nil
	}
	return "", open
}

// judgeIDs returns what is wrong with the first wrong ID, "" if none is, or why
// the owner of an ID is not known.
func judgeIDs(kind string, ids []uint32, owner func(uint32) (string, error), want, force userns.Map) (why string, open error) {
	for _, id := range ids {
		name, err := owner(id)
		_, wanted := want.ToContainer(id)
		_, running := force.ToContainer(id)
		switch {
		case id == 0:
			return "is root of the host (" + kind + " 0)", nil
		case name != "":
			return fmt.Sprintf("is the %s %s of the host (%d)", kind, name, id), nil
		case id <= facts.MaxSystemID:
			return fmt.Sprintf("has the system's %s ID %d", kind, id), nil
		case !wanted && !running:
			return fmt.Sprintf("has %s ID %d, which is none of the daemon's", kind, id), nil
		}
		open = cmp.Or(open, err)
	}
	return "", open
}

// byRuntime reports whether a container got its map from its runtime, such as
// sysbox, and the map does not include users of the host.
func (j *judge) byRuntime(b facts.Container, p userns.Process) bool {
	if b.Docker == nil || p.Mapping.IsZero() || j.Scan.InHostNS(p) || givesSystem(p.Mapping) || slices.Contains([]string{"", "runc", "crun", "nvidia", "io.containerd.runc.v2"}, b.Docker.Runtime) {
		return false
	}
	name, _, err := j.IDs.AccountIn(p.Mapping)
	return name == "" && err == nil && j.inForce(p).IsZero() // the daemon's running map is not the runtime's
}

// inForce returns the map of a process if it is the daemon's running map. After
// an edit of the files that is not the configured map, which D06 and D07 report.
func (j *judge) inForce(p userns.Process) userns.Mapping {
	if j.Engine == nil || j.NoEngine != nil {
		return userns.Mapping{}
	}
	uid, gid, ok := store.ParseName(j.Engine.RootDir)
	u, ok1 := p.Mapping.UID.ToHost(0)
	g, ok2 := p.Mapping.GID.ToHost(0)
	if !ok || !ok1 || !ok2 || u != uid || g != gid || u <= facts.MaxSystemID || g <= facts.MaxSystemID {
		return userns.Mapping{}
	}
	return p.Mapping
}

// unseenProcesses adds what is unknown of containers: those that run according
// to the daemon but whose processes, or whose first process, were not found.
// Containers that have ended do not count.
func (j *judge) unseenProcesses() {
	found := map[string]facts.Container{}
	for _, b := range j.Containers {
		found[b.ID] = b
	}
	if j.NoEngine == nil {
		for _, c := range j.Engine.Containers {
			b := found[c.ID]
			switch {
			case !c.Running || j.IsPassing(c.ID):
			case len(b.Processes) == 0 && b.Shim == nil:
				j.unknown(subjectOf(&c), "the daemon says it runs, but no process of it was found").saw("State.Pid", strconv.Itoa(c.PID), "")
			case len(b.Processes) > 0 && j.FirstIsElsewhere(c.ID):
				j.unknown(subjectOf(&c), "process %d, which the daemon started it with, is not in its control group", c.PID).saw("State.Pid", strconv.Itoa(c.PID), "").
					know("Look again; where it stays so, restart the container.")
			}
		}
		for _, p := range j.Engine.Plugins {
			if _, seen := found[p.ID]; !seen && p.ID != "" {
				j.unknown("plugin/"+p.Name, "the daemon says it is enabled, but no process of it was found")
			}
		}
	}
	for pid, err := range j.Scan.Failed {
		if pid != 0 {
			j.unknown(fmt.Sprintf("process/%d", pid), "%v", err)
		}
	}
}

// sawIDs adds the IDs of a process, as /proc/PID/status shows them.
func (f *Finding) sawIDs(p userns.Process, users, groups string) *Finding {
	ids4 := func(ids [4]uint32) string { return fmt.Sprintf("%d %d %d %d", ids[0], ids[1], ids[2], ids[3]) }
	return f.saw(fmt.Sprintf("/proc/%d/status Uid", p.PID), ids4(p.UID), users).
		saw(fmt.Sprintf("/proc/%d/status Gid", p.PID), ids4(p.GID), groups)
}

// sawMap adds the map of a process.
func (f *Finding) sawMap(p userns.Process, users, groups string) *Finding {
	return f.saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), users).
		saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), groups)
}

// sawGroup adds the control group of a process.
func (f *Finding) sawGroup(p userns.Process, want string) *Finding {
	return f.saw(fmt.Sprintf("/proc/%d/cgroup", p.PID), p.Cgroup, want)
}

var c02 = check{
	Check: Check{
		ID: "C02", Name: "process-map", Severity: Critical,
		Title:  "Every container is in a user namespace of its own with the daemon's map",
		Why:    "A process can have an innocent ID now and still be able to become root where its namespace is the host's.",
		Reads:  "/proc/PID/ns/user, uid_map and gid_map.",
		Remedy: "Recreate the container under the remapping daemon.",
		Refs:   refDaemon(),
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		for _, b := range j.Containers {
			switch {
			case j.isOther(b):
			case b.Plugin != nil:
				j.skip(subjectOf(b), "a managed plugin, see C01")
			case b.Docker != nil && b.Docker.Userns == "host":
				j.skip(subjectOf(b), "runs with --userns=host, see C04")
			case !j.noProcess(b):
				j.containerMap(b)
			}
		}
		j.unseenProcesses()
		if len(j.Containers) == 0 {
			j.conclude(0, noneRuns, "", "")
		}
	},
}

func (j *judge) containerMap(b facts.Container) {
	want := j.IDs.Want()
	runtime := false // the runtime remaps, and dockerd does not
	var open error   // why it is not known whether a map has an account's ID
	for _, p := range b.Processes {
		why := ""
		switch {
		case j.Scan.InHostNS(p):
			why = "is in the host's user namespace"
		case givesSystem(p.Mapping):
			why = "has a map with IDs of the host's own system: it can become them"
		case !want.IsZero() && mapWithin(p.Mapping, want):
		case !j.inForce(p).IsZero():
			name, id, err := j.IDs.AccountIn(p.Mapping)
			if name != "" {
				why = fmt.Sprintf("has a map with %s of the host (%d): it can become them", name, id)
			}
			open = cmp.Or(open, err)
		case j.byRuntime(b, p):
			runtime = true
		default:
			why = "has a map that is not the daemon's"
		}
		if why != "" {
			fi := j.fail(subjectOf(b), "process %d (%s) %s", p.PID, p.Command, why)
			if j.Scan.InHostNS(p) {
				fi.saw(fmt.Sprintf("/proc/%d/ns/user", p.PID), nsText(p.UserNS), "another than the host's")
			}
			fi.sawMap(p, want.UID.String(), want.GID.String())
			return
		}
	}
	switch p, _ := b.First(); {
	case open != nil:
		j.unknown(subjectOf(b), "its map is another than the files say, and whether an account has an ID of it is not known: %v", open)
	case p.Mapping.IsZero():
		j.unknown(subjectOf(b), "process %d is in a user namespace whose map is not written yet", p.PID).know("Look again: it is being started.")
	case runtime:
		j.warn(subjectOf(b), "it is remapped by its runtime, %s, and not by dockerd", b.Docker.Runtime).as(Low).know("").
			saw("docker inspect HostConfig.Runtime", b.Docker.Runtime, "").sawMap(p, "", "")
	default:
		j.pass(subjectOf(b), "its map is the daemon's").sawMap(p, want.UID.String(), want.GID.String())
	}
}

// givesSystem reports whether a map includes IDs of root or system accounts.
func givesSystem(m userns.Mapping) bool {
	return slices.ContainsFunc(append(m.UID.Extents(), m.GID.Extents()...), func(e userns.Extent) bool { return e.HostID <= facts.MaxSystemID })
}

func nsText(inode uint64) string {
	if inode == 0 {
		return "not shown to this user"
	}
	return fmt.Sprintf("user:[%d]", inode)
}

// mapWithin reports whether outer has all host IDs of m, as the daemon's map has
// those of a container's namespace and of namespaces made inside it.
func mapWithin(m, outer userns.Mapping) bool {
	return hostsWithin(m.UID, outer.UID) && hostsWithin(m.GID, outer.GID)
}

func hostsWithin(m, outer userns.Map) bool {
	return !slices.ContainsFunc(m.Extents(), func(e userns.Extent) bool { return shared(e, outer) < uint64(e.Count) })
}

// shared counts the host IDs of e that m has too.
func shared(e userns.Extent, m userns.Map) (n uint64) {
	for _, o := range m.Extents() {
		if first, last := max(e.HostID, o.HostID), min(e.HostID+e.Count-1, o.HostID+o.Count-1); first <= last {
			n += uint64(last-first) + 1
		}
	}
	return n
}

var c03 = check{
	Check: Check{
		ID: "C03", Name: "orphans", Severity: Critical,
		Title:  "Every container that runs is one that the daemon knows",
		Why:    "Containers from before the switch survive under live-restore, as the host's root and out of docker ps.",
		Reads:  "cgroups and containerd shims in /proc, against the daemon's list, and the stores of other dockerds that run. Unknown without the daemon.",
		Remedy: "Stop it: its processes are in the evidence. Its data is in the other store.",
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		if j.NoEngine != nil {
			j.unknown("docker", "the daemon's containers are not known: %v", j.NoEngine)
			return
		}
		if j.Scan.ShimsErr != nil {
			j.unknown("host", "what a shim holds could not be read: %v", j.Scan.ShimsErr)
		}
		if why := j.Engine.Unread["Containers"]; why != "" {
			j.unknown("docker", "the daemon's containers are not known: %s", why)
			return
		}
		orphans := j.Orphans()
		for _, b := range orphans {
			fi := j.fail(subjectOf(b), "it runs, and the daemon does not list it")
			for _, p := range b.Processes[:min(len(b.Processes), shown)] {
				fi.sawGroup(p, "a container of docker ps -a")
			}
			if b.Shim != nil {
				fi.saw(fmt.Sprintf("/proc/%d/cmdline", b.Shim.PID), fmt.Sprintf("%s -namespace %s", b.Shim.Program, b.Shim.Namespace), "")
				fi.run(fmt.Sprintf("kill -TERM %d  # ends the container and its shim", firstPID(b)))
			}
		}
		for _, b := range j.Containers {
			if b.Other == "" {
				j.isOther(b)
				continue
			}
			fi := j.warn(subjectOf(b), "it runs, and another daemon has it: %s", b.Other).as(Medium)
			if b.Shim != nil {
				fi.saw(fmt.Sprintf("/proc/%d/cmdline", b.Shim.PID), "-namespace "+b.Shim.Namespace+" -address "+b.Shim.Address, "")
			}
			fi.know("Run the same with DOCKER_HOST=" + cmp.Or(b.OtherAt, "the address of that daemon") + ".")
		}
		if why := j.Engine.Unread["Plugins"]; why != "" {
			for _, b := range orphans {
				if b.Shim != nil && strings.HasPrefix(b.Shim.Namespace, "plugins.") {
					j.unknown(subjectOf(b), "the daemon's plugins are not known: %s", why)
				}
			}
		}
		for _, g := range j.Foreign {
			if g.HostRoot > 0 {
				j.warn("containers of "+g.Owner, "%d of %d are not remapped, and this daemon has no part in it", g.HostRoot, g.Containers).as(Medium).
					sawGroup(g.First, "").sawIDs(g.First, "", "").know("Remap them by their own program, or stop them.")
			}
		}
		j.passUntroubled("docker", "every container that runs is listed")
	},
}

func firstPID(b facts.Container) int {
	if p, ok := b.First(); ok {
		return p.PID
	}
	return b.Shim.PID
}

var c13 = check{
	Check: Check{
		ID: "C13", Name: "trusted-base", Severity: Info,
		Title: "What has to run as root for containers to be remapped",
		Why:   "For information: dockerd, containerd and the shims are root of the host. Remapping protects against containers, not against these.",
		Reads: "/proc.",
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).offline,
	judge: func(j *judge) {
		if gaps := j.Scan.Gaps(); len(gaps) > 0 {
			j.unknown("host", "%s", gaps[0])
			return
		}
		fi := j.pass("host", "dockerd, containerd and %d shims are root of the host, as they have to be", len(j.Scan.Shims))
		if j.Config.Startup.PID > 0 {
			fi.saw("dockerd", fmt.Sprintf("process %d", j.Config.Startup.PID), "")
		}
		for _, s := range j.Scan.Shims[:min(len(j.Scan.Shims), shown)] {
			fi.saw(s.Program, fmt.Sprintf("process %d of %s in %s", s.PID, engine.ShortID(s.ContainerID), cmp.Or(s.Namespace, "not set")), "")
		}
	},
}

var c14 = check{
	Check: Check{
		ID: "C14", Name: "shared-map", Severity: Info,
		Title: "All containers share one map",
		Why:   "For information: a process that escapes from one container may signal and read those of the others, and they share limits such as nproc.",
		Reads: "the containers that run.",
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).offline,
	judge: func(j *judge) {
		sharing := 0
		for _, b := range j.Containers {
			if p, ok := b.First(); ok && !j.Scan.InHostNS(p) && p.Mapping.Equal(j.IDs.Want()) {
				sharing++
			}
		}
		if sharing < 2 {
			j.skip("host", "%s the daemon's map", text.Count(sharing, "container has", "containers have"))
			return
		}
		j.pass("host", "%d containers share one map, their limits and what one may do to the other's files", sharing)
	},
}
