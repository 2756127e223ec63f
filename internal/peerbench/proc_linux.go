package peerbench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/containers/psgo"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/userns"
)

// found is an answer to "which processes are in another user namespace than
// mine, and as whom": host user ID by process ID.
type found map[int]uint64

// ScanRow asks that of a /proc with so many processes, by libraries.
func ScanRow(s *Sleepers, processes int) Row {
	return Row{
		Work: "scan /proc for remapped processes", Size: size(processes, "processes"), Units: processes, Target: 8,
		Sides: []Side{
			side("usernskit", scanOurs, s.wrong),
			side("prometheus/procfs", scanProcfs, s.wrong),
			side("prometheus/procfs, each read whole", scanProcfsWhole, s.wrong),
			side("containers/psgo", scanPsgo, s.wrong),
			{Name: "the system calls", Floor: true, Run: scanBare},
		},
	}
}

// ScanProgramsRow asks it by processes. The first program is remapctl.
func ScanProgramsRow(sleepers *Sleepers, remapctl string, processes int) Row {
	program := func(name string, pid int, argv ...string) Side {
		s := side(name, func() (found, error) {
			out, err := exec.Command(argv[0], argv[1:]...).Output()
			got := found{}
			for line := range strings.Lines(string(out)) {
				if f := strings.Fields(line); len(f) > pid {
					if n, err := strconv.Atoi(f[pid]); err == nil {
						got[n] = 0
					}
				}
			}
			if code := (*exec.ExitError)(nil); err != nil && !asExit(err, &code) {
				return nil, err
			}
			return got, nil
		}, sleepers.wrongPIDs)
		s.Program = true
		return s
	}
	return Row{
		Work: "the same, as programs", Size: size(processes, "processes"), Units: processes, Target: 8,
		Sides: []Side{
			program("remapctl ps", 0, remapctl, "ps"),
			program("lsns -t user", 3, "lsns", "-t", "user"),
			program("ps -eo pid,userns,uid", 0, "ps", "-eo", "pid,userns,uid"),
		},
	}
}

func asExit(err error, to **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*to = e
	return ok
}

// wrong compares with the processes that were started. There may be others.
func (s *Sleepers) wrong(got found) string {
	for pid := range s.Namespaced {
		if uid, ok := got[pid]; !ok {
			return fmt.Sprintf("does not find %d", pid)
		} else if uid != 100000 {
			return fmt.Sprintf("finds %d as user %d", pid, uid)
		}
	}
	return ""
}

func (s *Sleepers) wrongPIDs(got found) string {
	missing := 0
	for pid := range s.Namespaced {
		if _, ok := got[pid]; !ok {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Sprintf("does not find %d of %d", missing, len(s.Namespaced))
	}
	return ""
}

func scanOurs() (found, error) {
	got := found{}
	for p, err := range (userns.FS{}).Processes(context.Background(), userns.Options{NamespacedOnly: true}) {
		if err != nil {
			return nil, err
		}
		got[p.PID] = uint64(p.UID[1])
	}
	return got, nil
}

// scanBare makes the system calls of scanOurs: a link of each process, and
// what there is to read of one that is remapped. It looks at no answer but the
// link's.
func scanBare() error {
	list, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer list.Close()
	names, err := list.Readdirnames(-1)
	if err != nil {
		return err
	}
	proc, buf, own := int(list.Fd()), make([]byte, 8192), ""
	link := func(dir int, name string) string {
		n, _ := unix.Readlinkat(dir, name, buf)
		return string(buf[:max(n, 0)])
	}
	own = link(proc, "self/ns/user")
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' || link(proc, name+"/ns/user") == own {
			continue
		}
		dir, err := unix.Openat(proc, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // it has ended
		}
		for _, kind := range []string{"ns/user", "ns/mnt", "ns/pid", "ns/user"} {
			link(dir, kind)
		}
		for _, file := range []string{"cgroup", "status"} {
			if fd, err := unix.Openat(dir, file, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
				for n := 1; n > 0; {
					n, _ = unix.Read(fd, buf)
				}
				unix.Close(fd)
			}
		}
		unix.Close(dir)
	}
	return nil
}

// procfsAll lists all processes, and the namespaces of this one.
func procfsAll() (procfs.Procs, procfs.Namespaces, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, nil, err
	}
	self, err := fs.Self()
	if err != nil {
		return nil, nil, err
	}
	mine, err := self.Namespaces()
	if err != nil {
		return nil, nil, err
	}
	all, err := fs.AllProcs()
	return all, mine, err
}

// scanProcfs skips processes that end during the scan, as all sides do.
func scanProcfs() (found, error) {
	all, mine, err := procfsAll()
	if err != nil {
		return nil, err
	}
	got := found{}
	for _, p := range all {
		ns, err := p.Namespaces()
		if err != nil || ns["user"] == mine["user"] {
			continue
		}
		if status, err := p.NewStatus(); err == nil {
			got[p.PID] = status.UIDs[1]
		}
	}
	return got, nil
}

// scanProcfsWhole reads of each process what a Process of ours holds, as one
// does who does not know that one link can tell most of them apart.
func scanProcfsWhole() (found, error) {
	all, mine, err := procfsAll()
	if err != nil {
		return nil, err
	}
	got := found{}
	for _, p := range all {
		ns, err1 := p.Namespaces()
		status, err2 := p.NewStatus()
		_, err3 := p.Cgroups()
		if err1 == nil && err2 == nil && err3 == nil && ns["user"] != mine["user"] {
			got[p.PID] = status.UIDs[1]
		}
	}
	return got, nil
}

// scanPsgo has no descriptor for the user namespace: it tells all processes
// with their users, and who asks picks those of the range.
func scanPsgo() (found, error) {
	table, err := psgo.ProcessInfo([]string{"pid", "uid"})
	got := found{}
	for _, line := range table[min(1, len(table)):] {
		pid, err1 := strconv.Atoi(line[0])
		uid, err2 := strconv.ParseUint(line[1], 10, 32)
		if err1 == nil && err2 == nil && uid >= 100000 && uid < 100000+65536 {
			got[pid] = uid
		}
	}
	return got, err
}
