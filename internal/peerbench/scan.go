package peerbench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/userns"
)

// found answers "which processes are in another user namespace than mine, and as
// whom": it has the effective user ID on the host by process ID.
type found map[int]uint64

// ScanRow makes a row that asks this of a /proc with that many processes.
func ScanRow(s *Sleepers, processes int) Row {
	return Row{
		Work: "scan /proc for remapped processes", Size: size(processes, "processes"), Target: 8,
		Sides: []Side{
			side("usernskit", scanOurs, s.wrong),
			side("prometheus/procfs", scanProcfs, s.wrong),
			{Name: "the system calls", Floor: true, Run: scanBare},
		},
	}
}

// wrong compares got with the processes that were started. Others may be in it.
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

// scanBare makes the system calls of scanOurs: it reads a link of each process,
// and the other links and files of a remapped one, whose contents it ignores.
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

// scanProcfs skips processes that end during the scan, as all sides do.
func scanProcfs() (found, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, err
	}
	self, err := fs.Self()
	if err != nil {
		return nil, err
	}
	mine, err := self.Namespaces()
	if err != nil {
		return nil, err
	}
	all, err := fs.AllProcs()
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
	return got, err
}

// Sleepers are processes that do nothing, for a scan to find.
type Sleepers struct {
	Namespaced map[int]bool // PIDs of those started in a user namespace of their own
	stop       chan struct{}
	stopped    chan struct{}
}

// StartSleepers starts that many processes in all. Each of the namespaced ones has
// its own user namespace, with the map that dockerd would give it. They end with
// [Sleepers.Stop], or when this process ends.
func StartSleepers(all, namespaced int) (*Sleepers, error) {
	return startSleepers(all, namespaced, func(i int) *exec.Cmd {
		if i < namespaced {
			return remapped(sleeper("sleep", "3600"), syscall.CLONE_NEWUSER)
		}
		return sleeper("sleep", "3600")
	})
}

// StartTrees starts n process trees that look like containers with a user
// namespace: an init and two children, in namespaces of their own.
func StartTrees(n int) (*Sleepers, error) {
	return startSleepers(n, n, func(int) *exec.Cmd {
		return remapped(sleeper("sh", "-c", "sleep 3600 & sleep 3600 & wait"),
			syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID|syscall.CLONE_NEWNS|syscall.CLONE_NEWIPC|syscall.CLONE_NEWUTS)
	})
}

func startSleepers(all, namespaced int, start func(i int) *exec.Cmd) (*Sleepers, error) {
	s := &Sleepers{Namespaced: map[int]bool{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(s.stopped)
		// A child gets its Pdeathsig when the thread that started it ends.
		runtime.LockOSThread()
		var list []*exec.Cmd
		err := error(nil)
		for i := 0; i < all && err == nil; i++ {
			cmd := start(i)
			if err = cmd.Start(); err == nil {
				list = append(list, cmd)
				if i < namespaced {
					s.Namespaced[cmd.Process.Pid] = true
				}
			}
		}
		if err != nil {
			err = fmt.Errorf("process %d of %d: %w", len(list)+1, all, err)
		}
		started <- err
		<-s.stop
		for _, cmd := range list {
			_ = cmd.Process.Kill() // it may have ended already
		}
		for _, cmd := range list {
			_ = cmd.Wait() // "signal: killed"
		}
	}()
	if err := <-started; err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends the processes and waits for them.
func (s *Sleepers) Stop() {
	close(s.stop)
	<-s.stopped
}

// sleeper returns a command that runs argv, by busybox if it is installed: that
// takes less memory.
func sleeper(argv ...string) *exec.Cmd {
	if path, err := exec.LookPath("busybox"); err == nil {
		argv = append([]string{path}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func remapped(cmd *exec.Cmd, flags uintptr) *exec.Cmd {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
	attr := cmd.SysProcAttr
	attr.Cloneflags = flags
	attr.UidMappings, attr.GidMappings = ids, ids
	attr.Credential = &syscall.Credential{} // root inside
	return cmd
}
