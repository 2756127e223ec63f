package userns

import "fmt"

// The inodes of the first user and PID namespace, the same on every Linux
// (include/linux/proc_ns.h, PROC_USER_INIT_INO and PROC_PID_INIT_INO).
const (
	InitialUserNS uint64 = 0xEFFFFFFD
	InitialPIDNS  uint64 = 0xEFFFFFFC
)

// A View says from where a /proc is read. Only from the initial user namespace
// are the IDs in it those of the host, and only from the initial PID namespace
// does it hold every process.
type View struct {
	UserNS uint64 // inode of the reader's user namespace; 0: not known
	PIDNS  uint64 // inode of the PID namespace that /proc shows; 0: not known

	// HidePID is the value of the mount option hidepid, as in proc(5), where it
	// hides processes from this reader: "noaccess", "invisible", "ptraceable" or
	// a number. It is empty where it does not.
	HidePID string
}

// Gaps says in plain sentences what cannot be seen from there.
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
