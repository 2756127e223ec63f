package verify

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/userns"
)

// shown is how many processes stand in the evidence of one finding.
const shown = 5

// noProcesses is why the checks of processes have nothing to look at. It adds
// the findings itself and reports whether there is nothing to judge.
func (f *facts) noProcesses(v *verdicts) bool {
	switch {
	case !f.proc:
		v.skip("host", offline)
		return true
	case f.rootless():
		v.skip("docker", rootlessText)
		return true
	}
	for _, gap := range f.scan.gaps() {
		v.unknown("host", "%s", gap)
	}
	return false
}

const rootlessText = "the daemon is rootless: RootlessKit maps its containers, not userns-remap"

func (f *facts) rootless() bool { return f.engine != nil && f.engine.Rootless() }

// none adds the finding for no container at all. Whether there is none is known
// only where everything was seen.
func (f *facts) none(v *verdicts) {
	if len(f.boxes) > 0 || v.troubled() {
		return
	}
	v.skip("host", "no container is running")
}

// c01: host IDs of every process.
func (f *facts) c01(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	for _, b := range f.boxes {
		if b.other != "" {
			f.anothers(v, b)
			continue
		}
		f.hostIDs(v, b)
	}
	f.unseenProcesses(v)
	f.none(v)
}

// anothers judges the processes of another daemon's container. Their ranges are
// not known here; root of the host is none of any range.
func (f *facts) anothers(v *verdicts, b box) {
	for _, p := range b.processes {
		_, root := p.Mapping.UID.ToContainer(0)
		if root || f.scan.inHostNS(p) {
			v.fail(b.subject(), "it belongs to another daemon, and process %d (%s) is not remapped", p.PID, p.Command).
				saw(fmt.Sprintf("/proc/%d/status Uid", p.PID), ids4(p.UID), "").
				saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), "no host ID 0")
			return
		}
	}
	b.isOther(v)
}

// isOther skips a container of another daemon.
func (b box) isOther(v *verdicts) bool {
	if b.other != "" {
		v.skip(b.subject(), "it belongs to another daemon, see C03")
	}
	return b.other != ""
}

// hostIDs judges the processes of one container.
func (f *facts) hostIDs(v *verdicts, b box) {
	var bad *Finding
	count := 0
	for _, p := range b.processes {
		why := f.exposed(p)
		if why == "" {
			continue
		}
		if count++; bad == nil {
			bad = v.fail(b.subject(), "process %d (%s) %s", p.PID, p.Command, why)
		}
		if count <= shown {
			status := fmt.Sprintf("/proc/%d/status", p.PID)
			bad.saw(status+" Uid", ids4(p.UID), "within "+f.wantText(true))
			bad.saw(status+" Gid", ids4(p.GID), "within "+f.wantText(false))
		}
	}
	switch {
	case count > 1:
		bad.Text += fmt.Sprintf(", and %d more processes", count-1)
	case bad == nil && len(b.processes) == 0:
		v.unknown(b.subject(), "its shim runs (PID %d), but no process of it was found", b.shim.PID)
	case bad == nil:
		p, _ := b.first()
		v.pass(b.subject(), "%d processes have host IDs of the daemon's ranges only", len(b.processes)).
			saw(fmt.Sprintf("/proc/%d/status Uid", p.PID), ids4(p.UID), "within "+f.wantText(true)).
			saw(fmt.Sprintf("/proc/%d/status Gid", p.PID), ids4(p.GID), "within "+f.wantText(false))
	}
}

// wantText prints the host IDs that containers are to have.
func (f *facts) wantText(users bool) string {
	s := &f.ids.gid
	if users {
		s = &f.ids.uid
	}
	if !s.ok() {
		return "a range of " + s.path
	}
	var list []string
	for _, e := range s.m.Extents() {
		list = append(list, fmt.Sprintf("%d-%d", e.HostID, e.HostID+e.Count-1))
	}
	return strings.Join(list, ", ")
}

// exposed says why a process of a container is somebody on the host, or "".
func (f *facts) exposed(p userns.Process) string {
	force := f.inForce(p)
	creds := []userns.Thread{{TID: p.PID, UID: p.UID, GID: p.GID, Groups: p.Groups}}
	for _, t := range append(creds, p.Threads...) {
		for _, id := range t.UID {
			if why := judgeID(id, "user", f.ids.userAt, f.ids.uid.m, force.UID); why != "" {
				return why
			}
		}
		for _, id := range append(slices.Clone(t.GID[:]), t.Groups...) {
			if why := judgeID(id, "group", f.ids.groupAt, f.ids.gid.m, force.GID); why != "" {
				return why
			}
		}
	}
	if f.scan.inHostNS(p) { // with such IDs it is nobody there, and may still mount and trace what others may not
		return "is in the host's user namespace"
	}
	return ""
}

func judgeID(id uint32, kind string, who func(uint32) (string, bool), want, force userns.Map) string {
	if id == 0 {
		return "is root of the host (" + kind + " 0)"
	}
	if name, _ := who(id); name != "" {
		return fmt.Sprintf("is the %s %s of the host (%d)", kind, name, id)
	}
	if id <= maxSystemID {
		return fmt.Sprintf("has the system's %s ID %d", kind, id)
	}
	if _, ok := want.ToContainer(id); ok {
		return ""
	}
	if _, ok := force.ToContainer(id); ok {
		return ""
	}
	return fmt.Sprintf("has %s ID %d, which is none of the daemon's", kind, id)
}

// inForce returns the map of a process where it is the one that the daemon runs
// with, which after an edit of the files is not the one that they say: D06 and
// D07 speak of that.
func (f *facts) inForce(p userns.Process) userns.Mapping {
	if f.engine == nil || f.noEngine != nil {
		return userns.Mapping{}
	}
	_, uid, gid, ok := parseStore(f.engine.RootDir)
	u, ok1 := p.Mapping.UID.ToHost(0)
	g, ok2 := p.Mapping.GID.ToHost(0)
	if !ok || !ok1 || !ok2 || u != uid || g != gid || u <= maxSystemID || g <= maxSystemID {
		return userns.Mapping{}
	}
	return p.Mapping
}

// unseenProcesses adds what is not known of containers: those that the daemon
// says run and that no process was found of, or not the one that they were
// started with. One that has ended since is no loss.
func (f *facts) unseenProcesses(v *verdicts) {
	boxes := map[string]box{}
	for _, b := range f.boxes {
		boxes[b.id] = b
	}
	if f.engine != nil && f.noEngine == nil {
		for _, c := range f.engine.Containers {
			b := boxes[c.ID]
			switch {
			case !c.Running:
			case len(b.processes) == 0 && b.shim == nil:
				v.unknown(subjectOf(&c), "the daemon says it runs, but no process of it was found").saw("State.Pid", strconv.Itoa(c.PID), "")
			case len(b.processes) > 0 && !b.holds(c.PID) && exists(path.Join(root(f.opts.Proc), strconv.Itoa(c.PID))):
				v.unknown(subjectOf(&c), "process %d, which the daemon started it with, is not in its control group", c.PID).saw("State.Pid", strconv.Itoa(c.PID), "")
			}
		}
	}
	for pid, err := range f.scan.failed {
		if pid != 0 {
			v.unknown(fmt.Sprintf("process/%d", pid), "%v", err)
		}
	}
}

// c02: the map of every container.
func (f *facts) c02(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	for _, b := range f.boxes {
		if b.isOther(v) {
			continue
		}
		if b.container != nil && b.container.Userns == "host" {
			v.skip(b.subject(), "runs with --userns=host, see C04")
			continue
		}
		f.boxMap(v, b)
	}
	f.unseenProcesses(v)
	f.none(v)
}

func (f *facts) boxMap(v *verdicts, b box) {
	if len(b.processes) == 0 {
		v.unknown(b.subject(), "its shim runs, but no process of it was found")
		return
	}
	want := f.ids.want()
	for _, p := range b.processes {
		source := fmt.Sprintf("/proc/%d/uid_map", p.PID)
		switch {
		case f.scan.inHostNS(p):
			v.fail(b.subject(), "process %d (%s) is in the host's user namespace", p.PID, p.Command).
				saw(fmt.Sprintf("/proc/%d/ns/user", p.PID), nsText(p.UserNS), "another than the host's").
				saw(source, p.Mapping.UID.String(), want.UID.String())
			return
		case givesSystem(p.Mapping):
			v.fail(b.subject(), "process %d (%s) has a map with IDs of the host's own system: it can become them", p.PID, p.Command).
				saw(source, p.Mapping.UID.String(), "host IDs above 999").
				saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), "host IDs above 999")
			return
		case !want.IsZero() && mapWithin(p.Mapping, want):
		case !f.inForce(p).IsZero():
			if name, id, ok := f.ids.accountIn(p.Mapping); ok {
				v.fail(b.subject(), "process %d (%s) has a map with %s of the host (%d): it can become them", p.PID, p.Command, name, id).
					saw(source, p.Mapping.UID.String(), want.UID.String()).
					saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), want.GID.String())
				return
			}
		default:
			v.fail(b.subject(), "process %d (%s) has a map that is not the daemon's", p.PID, p.Command).
				saw(source, p.Mapping.UID.String(), want.UID.String()).
				saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), want.GID.String())
			return
		}
	}
	p, _ := b.first()
	if p.Mapping.IsZero() {
		v.unknown(b.subject(), "process %d is in a user namespace whose map is not written yet", p.PID)
		return
	}
	v.pass(b.subject(), "its map is the daemon's").
		saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), want.UID.String()).
		saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), want.GID.String())
}

// givesSystem reports whether a map leads to IDs of root or system accounts.
func givesSystem(m userns.Mapping) bool {
	for _, e := range append(m.UID.Extents(), m.GID.Extents()...) {
		if e.HostID <= maxSystemID {
			return true
		}
	}
	return false
}

func nsText(inode uint64) string {
	if inode == 0 {
		return "not shown to this user"
	}
	return fmt.Sprintf("user:[%d]", inode)
}

// mapWithin reports whether the host IDs of a map are all among those of another.
// That is so of a container's own namespace, and of those made inside it, which
// from the host are seen composed.
func mapWithin(m, outer userns.Mapping) bool {
	return hostsWithin(m.UID, outer.UID) && hostsWithin(m.GID, outer.GID)
}

func hostsWithin(m, outer userns.Map) bool {
	for _, e := range m.Extents() {
		left := uint64(e.Count)
		for _, o := range outer.Extents() {
			first, last := max(e.HostID, o.HostID), min(e.HostID+e.Count-1, o.HostID+o.Count-1)
			if first <= last {
				left -= uint64(last-first) + 1
			}
		}
		if left != 0 {
			return false
		}
	}
	return true
}

// c03: no container that the daemon does not know.
func (f *facts) c03(v *verdicts) {
	if f.noProcesses(v) {
		return
	}
	if f.noEngine != nil {
		v.unknown("docker", "the daemon's containers are not known: %v", f.noEngine)
		return
	}
	if f.scan.shimsErr != nil {
		v.unknown("host", "a shim could not be read: %v", f.scan.shimsErr)
	}
	if why := f.engine.Unread["Containers"]; why != "" {
		v.unknown("docker", "the daemon's containers are not known: %s", why)
		return
	}
	orphans := f.orphans()
	for _, b := range orphans {
		fi := v.fail(b.subject(), "it runs, and the daemon does not list it")
		for _, p := range b.processes[:min(len(b.processes), shown)] {
			fi.saw(fmt.Sprintf("/proc/%d/cgroup", p.PID), p.Cgroup, "a container of docker ps -a")
		}
		if b.shim != nil {
			fi.saw(fmt.Sprintf("/proc/%d/cmdline", b.shim.PID), fmt.Sprintf("%s -namespace %s", b.shim.Program, b.shim.Namespace), "")
			fi.run(fmt.Sprintf("kill -TERM %d  # ends the container and its shim", firstPID(b)))
		}
	}
	for _, b := range f.boxes {
		if b.other != "" {
			v.warn(b.subject(), "it runs, and another daemon has it").as(Medium).
				saw(fmt.Sprintf("/proc/%d/cmdline", b.shim.PID), "-address "+b.other, "").Remedy = Remedy{Text: "Run the same with DOCKER_HOST set to that daemon."}
		}
	}
	if !v.troubled() {
		v.pass("docker", "every container that runs is listed")
	}
}

func firstPID(b box) int {
	if p, ok := b.first(); ok {
		return p.PID
	}
	return b.shim.PID
}
