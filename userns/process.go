package userns

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Process is what the kernel says about one process that is in a container or
// in a user namespace. All of it was read from one process, even if its PID was
// reused in between.
//
// User and group IDs are those of the namespace of the process that reads
// /proc. In the host's own namespace, the initial one, they are the IDs that
// decide about access on the host; see [View].
type Process struct {
	PID     int
	Command string // comm, at most 15 bytes, unescaped
	State   byte   // as in ps(1): 'R', 'S', 'D', 'Z' a zombie, ...

	// UserNS is the inode of its user namespace, as in "user:[4026531837]", and
	// 0 where the kernel does not show it.
	UserNS uint64

	// Mapping is that of its namespace. It is the zero Mapping in a namespace
	// whose maps are not written yet: the process is then not remapped.
	Mapping Mapping

	// UID and GID hold the real, effective, saved and file system ID.
	UID, GID [4]uint32
	// Groups are the supplementary groups.
	Groups []uint32
	// NSPID is the PID in each PID namespace from the reader's to its own.
	NSPID []int

	// Cgroup is empty if its control group names no container, but it is in the
	// mount or PID namespace of one, as after nsenter(1).
	Container

	// Threads are those whose IDs differ from the first thread's. Only set with
	// [Options.Deep].
	Threads []Thread
}

// IsInit reports whether p is the first process of a PID namespace below the
// reader's, pid_namespaces(7), as the first process of a container is.
func (p Process) IsInit() bool { return len(p.NSPID) > 1 && p.NSPID[len(p.NSPID)-1] == 1 }

// InHostUserNS reports whether p is in the host's own user namespace, the
// initial one of the machine, where root is root of the host. The error says
// why it is unknown: the kernel shows neither the namespace nor a map that only
// another one can have.
func (p Process) InHostUserNS() (bool, error) {
	if p.UserNS != 0 {
		return p.UserNS == InitialUserNS, nil
	}
	if !p.Mapping.IsZero() && !p.Mapping.Equal(initial()) {
		return false, nil
	}
	return false, fmt.Errorf("the user namespace of process %d is not shown to this user", p.PID)
}

// initial returns the mapping of the initial user namespace.
func initial() Mapping {
	all := Map{first: Extent{Count: math.MaxUint32}}
	return Mapping{UID: all, GID: all}
}

// A Thread holds the IDs of one thread; they are per thread in Linux, see
// credentials(7).
type Thread struct {
	TID      int
	UID, GID [4]uint32
	Groups   []uint32
}

// Outside returns the host IDs of p, and with [Options.Deep] of its threads,
// that are not among the host IDs of m. If there are none, m remaps p. Being in
// a user namespace proves nothing: it may have no map, or map its root to the
// host's.
func (p Process) Outside(m Mapping) (uids, gids []uint32) {
	threads := append([]Thread{{UID: p.UID, GID: p.GID, Groups: p.Groups}}, p.Threads...)
	for _, t := range threads {
		uids = m.UID.missing(uids, t.UID[:])
		gids = m.GID.missing(m.GID.missing(gids, t.GID[:]), t.Groups)
	}
	return uids, gids
}

// missing appends those hosts that are not among the host IDs of m, each once.
func (m Map) missing(to, hosts []uint32) []uint32 {
	for _, id := range hosts {
		if _, ok := m.ToContainer(id); !ok && !slices.Contains(to, id) {
			to = append(to, id)
		}
	}
	return to
}

// Options configure [FS.Processes]. The zero Options find every process in
// another user namespace than the reader's, and every process of a container. A
// container's process in the host's user, mount and PID namespaces (--pid=host
// and nsenter -t 1 -m) is only found with All, which reads all control groups.
type Options struct {
	// All also yields the processes of the host itself.
	All bool

	// NamespacedOnly leaves out containers in the reader's own user namespace,
	// which are the ones whose root is the host's root. It saves one readlink
	// for each process of the host.
	NamespacedOnly bool

	// Deep reads the IDs of every thread.
	Deep bool

	// Coverage, if not nil, is set when the loop ends, also early.
	Coverage *Coverage
}

// Coverage is how much of the system a scan has seen.
type Coverage struct {
	View

	Seen     int // processes found in /proc
	Host     int // of these, belonging to the host itself
	Yielded  int // of these, yielded without an error
	Vanished int // of these, ended before they were read
	Denied   int // of these, not readable for us
	Foreign  int // of these, in a namespace whose IDs have no number in ours
	Failed   int // of these, yielded with an error

	// NoLink counts processes whose namespace links are not shown to us. Their
	// maps and control groups were read, but they may have entered a
	// container's namespaces. The host's own init, PID 1, is left out: some
	// sandboxes hide it from root.
	NoLink int

	// Cut: the loop ended before the last process.
	Cut bool
}

// Gaps describes what the scan could not see. If there are any, the scan proves
// nothing about "every process".
func (c Coverage) Gaps() []string {
	gaps := c.View.Gaps()
	add := func(n int, what string) {
		if n > 0 {
			gaps = append(gaps, fmt.Sprintf("%d of %d processes %s", n, c.Seen, what))
		}
	}
	add(c.Denied, "may not be read by this user; run it as root")
	add(c.NoLink, "do not show their namespaces to this user, and may have entered a container's; run it as root")
	add(c.Foreign, "use IDs that have no number in this user namespace")
	add(c.Failed, "have a file in /proc that could not be understood")
	if c.Cut {
		gaps = append(gaps, "the scan was ended early")
	}
	return gaps
}

// A View is the point from which a /proc is read. Its IDs are the host's only in
// the initial user namespace, and it has every process only in the initial PID
// namespace.
type View struct {
	UserNS uint64 // inode of the reader's user namespace; 0: not known
	PIDNS  uint64 // inode of the PID namespace that /proc shows; 0: not known

	// HidePID is the value of the mount option hidepid, as in proc(5), where it
	// hides processes from this reader: "noaccess", "invisible", "ptraceable" or
	// a number. It is empty if nothing is hidden.
	HidePID string
}

// Gaps describes what cannot be seen from this view.
func (v View) Gaps() []string {
	var gaps []string
	switch v.UserNS {
	case InitialUserNS:
	case 0:
		gaps = append(gaps, "the reader's own user namespace is not known, so IDs may not be the host's")
	default:
		gaps = append(gaps, fmt.Sprintf("read from inside user namespace %d: IDs are not the host's", v.UserNS))
	}
	switch v.PIDNS {
	case InitialPIDNS:
	case 0:
		gaps = append(gaps, "the reader's PID namespace is not known, so processes may be missing")
	default:
		gaps = append(gaps, fmt.Sprintf("read from inside PID namespace %d: processes outside it are missing", v.PIDNS))
	}
	if v.HidePID != "" {
		gaps = append(gaps, fmt.Sprintf("/proc is mounted with hidepid=%s: processes of other users are missing; run it as root", v.HidePID))
	}
	return gaps
}

// unescape undoes what the kernel does to a name in status (fs/proc/array.c,
// proc_task_name), so that one with a newline in it cannot forge a line.
var unescape = strings.NewReplacer(`\n`, "\n", `\\`, `\`)

// parseStatus reads the text of /proc/PID/status, or of a thread's, proc(5),
// into p: name, state and IDs.
func parseStatus(data []byte, p *Process) error {
	const all = 1<<2 - 1
	found := 0
	for line := range bytes.Lines(data) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		var err error
		switch string(key) {
		case "Name":
			p.Command = unescape.Replace(string(bytes.TrimSuffix(bytes.TrimPrefix(value, []byte("\t")), []byte("\n"))))
		case "State":
			if value = bytes.TrimSpace(value); len(value) > 0 {
				p.State = value[0]
			}
		case "Uid":
			err = numbers(value, p.UID[:])
			found |= 1
		case "Gid":
			err = numbers(value, p.GID[:])
			found |= 2
		case "Groups":
			p.Groups, err = list(value)
		case "NSpid":
			var pids []uint32
			pids, err = list(value)
			p.NSPID = nil
			for _, n := range pids {
				p.NSPID = append(p.NSPID, int(n))
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if found != all {
		return errors.New("no Uid or no Gid")
	}
	return nil
}

// list reads IDs with blanks between them.
func list(value []byte) (ids []uint32, err error) {
	for field := range bytes.FieldsSeq(value) {
		n, err := strconv.ParseUint(string(field), 10, 32) // does not accept a sign
		if err != nil {
			return nil, fmt.Errorf("%q is not an ID", field)
		}
		ids = append(ids, uint32(n))
	}
	return ids, nil
}

// numbers reads exactly len(to) IDs.
func numbers(value []byte, to []uint32) error {
	ids, err := list(value)
	if err == nil && len(ids) != len(to) {
		err = fmt.Errorf("%d numbers instead of %d", len(ids), len(to))
	}
	copy(to, ids)
	return err
}
