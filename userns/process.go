package userns

import (
	"fmt"
	"math"
	"slices"
)

// A Process is what the kernel says about one process that is in a container or
// in a user namespace. All of it was read from one process, also where its PID
// was given to another one meanwhile.
//
// User and group IDs are those of the namespace of whoever reads /proc. In the
// host's own namespace, the initial one, they are the IDs that decide who may
// do what on the host, however deep the process is nested; see [View].
type Process struct {
	PID, PPID int
	Command   string // comm, at most 15 bytes, unescaped
	State     byte   // as in ps(1): 'R', 'S', 'D', 'Z' a zombie, ...

	// UserNS is the inode of its user namespace, as in "user:[4026531837]", and
	// 0 where the kernel does not show it to us.
	UserNS uint64

	// Mapping is that of its namespace. It is the zero Mapping in a namespace
	// whose maps are not written yet: the process is then not remapped, whatever
	// it is in.
	Mapping Mapping

	// UID and GID hold the real, effective, saved and file system ID.
	UID, GID [4]uint32
	// Groups are the supplementary groups.
	Groups []uint32
	// NSPID is the PID in each PID namespace from the reader's to its own.
	NSPID []int

	Container

	// Threads are those whose IDs differ from the ones above, which are the
	// first thread's. Filled in with [Options.Deep] only.
	Threads []Thread
}

// IsInit reports whether p is the first process of a PID namespace below the
// reader's, pid_namespaces(7), as is the one that a container was started with.
func (p Process) IsInit() bool { return len(p.NSPID) > 1 && p.NSPID[len(p.NSPID)-1] == 1 }

// InHostUserNS reports whether p is in the host's own user namespace, the
// initial one of the machine: what is root there is root of the host. The error
// says why it cannot be told, where the kernel shows us neither the namespace
// nor a map that only another one can have.
func (p Process) InHostUserNS() (bool, error) {
	if p.UserNS != 0 {
		return p.UserNS == InitialUserNS, nil
	}
	all := mapOf(Extent{Count: math.MaxUint32}, nil)
	if !p.Mapping.IsZero() && !p.Mapping.Equal(Mapping{UID: all, GID: all}) {
		return false, nil
	}
	return false, fmt.Errorf("the user namespace of process %d is not shown to this user", p.PID)
}

// A Thread holds the IDs of one thread; they are per thread in Linux, see
// credentials(7).
type Thread struct {
	TID      int
	UID, GID [4]uint32
	Groups   []uint32
}

// Outside returns the host IDs that p, or with [Options.Deep] a thread of it,
// runs as although m gives them to no ID of the container. A process is
// remapped by m if there are none. It proves nothing to be in a user namespace:
// one can be made that has no map, or that maps its root to the host's.
func (p Process) Outside(m Mapping) (uids, gids []uint32) {
	threads := append([]Thread{{UID: p.UID, GID: p.GID, Groups: p.Groups}}, p.Threads...)
	for _, t := range threads {
		uids = m.UID.missing(uids, t.UID[:])
		gids = m.GID.missing(m.GID.missing(gids, t.GID[:]), t.Groups)
	}
	return uids, gids
}

// missing appends those of the host IDs that m does not give out, each once.
func (m Map) missing(to, hosts []uint32) []uint32 {
	for _, id := range hosts {
		if _, ok := m.ToContainer(id); !ok && !slices.Contains(to, id) {
			to = append(to, id)
		}
	}
	return to
}

// Options say what [FS.Processes] is to look at. The zero Options find every
// process in another user namespace than the reader's, and in the reader's own
// every process of a container. Only a process that its container let go back
// to the host's mount namespace (nsenter -t 1 -m) takes All to be found, since
// the control groups of all processes have to be read for it.
type Options struct {
	// All also yields the processes of the host itself.
	All bool

	// NamespacedOnly leaves out containers in the reader's own user namespace,
	// which are the ones whose root is the host's root. It saves one of the two
	// readlinks that a process of the host costs.
	NamespacedOnly bool

	// Deep reads the IDs of every thread.
	Deep bool

	// Coverage, if not nil, is set when the loop ends, also early.
	Coverage *Coverage
}

// Coverage says how much of the system a scan has seen.
type Coverage struct {
	View

	Seen     int // processes found in /proc
	Host     int // of these, belonging to the host itself
	Yielded  int // of these, yielded without an error
	Vanished int // of these, ended before they were read
	Denied   int // of these, not readable for us
	Foreign  int // of these, in a namespace whose IDs have no number in ours
	Failed   int // of these, yielded with an error

	// NoLink counts processes whose namespace links are not shown to us. They
	// were told apart by their maps and control group, which are open to all.
	NoLink int

	// Cut: the loop ended before the last process.
	Cut bool
}

// Gaps says in plain sentences what the scan cannot have seen. Where there are
// any, no conclusion about "every process" may be drawn from it.
func (c Coverage) Gaps() []string {
	gaps := c.View.Gaps()
	add := func(n int, what string) {
		if n > 0 {
			gaps = append(gaps, fmt.Sprintf("%d of %d processes %s", n, c.Seen, what))
		}
	}
	add(c.Denied, "may not be read by this user; run it as root")
	add(c.Foreign, "use IDs that have no number in this user namespace")
	add(c.Failed, "have a file in /proc that could not be understood")
	if c.Cut {
		gaps = append(gaps, "the scan was ended early")
	}
	return gaps
}

// Complete reports whether there are no [Coverage.Gaps].
func (c Coverage) Complete() bool { return len(c.Gaps()) == 0 }
