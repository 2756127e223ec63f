package peerbench

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Sleepers are processes that do nothing and are there to be found.
type Sleepers struct {
	Namespaced map[int]bool // pids of those in a user namespace of their own
	stop       chan struct{}
	stopped    chan struct{}
}

// StartSleepers starts so many processes, some of them in a user namespace with
// the map that dockerd would give them. They end with [Sleepers.Stop], and by
// themselves if this process ends without it.
func StartSleepers(all, namespaced int) (*Sleepers, error) {
	return startSleepers(all, namespaced, func(i int) *exec.Cmd {
		if i < namespaced {
			return remapped(sleeper("sleep", "3600"), syscall.CLONE_NEWUSER)
		}
		return sleeper("sleep", "3600")
	})
}

// StartTrees starts process trees that look like containers with a user
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
				s.Namespaced[cmd.Process.Pid] = i < namespaced
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
	for pid, namespaced := range s.Namespaced {
		if !namespaced {
			delete(s.Namespaced, pid)
		}
	}
	return s, nil
}

// Stop ends the processes and waits for them.
func (s *Sleepers) Stop() {
	close(s.stop)
	<-s.stopped
}

// sleeper runs an applet of a program that takes little memory, where there is
// one.
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
