package daemoncfg

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// readProcess looks for a dockerd that runs. Its flags count where nothing says
// how it is started; beside an init script they are added to those of the file,
// since it may have been started by hand.
func (s *Startup) readProcess(h usernskit.Host) error {
	if s.Init == "systemd" || s.Init == "snap" {
		return nil // systemd knows its process, and the unit is what counts
	}
	for _, pid := range dockerds(h) {
		env := readProc(h, pid, "environ")
		rootless := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "ROOTLESSKIT_STATE_DIR=") })
		if rootless && (s.Init != "" || s.PID != 0) {
			continue // somebody's own, beside the one of the system
		}
		if !rootless && !sameMounts(h, pid) {
			continue // in a container, or some other world than ours
		}
		args := readProc(h, pid, "cmdline")
		if len(args) == 0 {
			continue
		}
		if s.PID != 0 {
			s.Unsure = append(s.Unsure, fmt.Sprintf("/proc/%d: a second dockerd runs", pid))
			continue
		}
		s.PID = pid
		s.addProcess(args[1:], env, rootless)
	}
	return nil
}

// addProcess takes over the flags of a dockerd that runs.
func (s *Startup) addProcess(args, env []string, rootless bool) {
	from := origin{file: fmt.Sprintf("/proc/%d/cmdline", s.PID)}
	words := make([]word, len(args))
	for i, arg := range args {
		words[i] = word{arg, from}
	}
	for _, f := range readFlags(words) {
		if _, known := s.byName(f.Name); !known || s.Init == "" {
			s.Flags = append(s.Flags, f)
		}
	}
	switch {
	case rootless:
		s.Init, s.Rootless = "rootless", true
		// As dockerd's getDefaultDaemonConfigDir: not ~/.docker.
		for _, v := range env {
			if home, ok := strings.CutPrefix(v, "HOME="); ok && s.ConfigFile == DefaultFile {
				s.ConfigFile = path.Join(home, ".config/docker/daemon.json")
				s.DataRoot = path.Join(home, ".local/share/docker")
			}
			if dir, ok := strings.CutPrefix(v, "XDG_CONFIG_HOME="); ok {
				s.ConfigFile = path.Join(dir, "docker/daemon.json")
			}
		}
	case s.Init == "":
		s.Init = "process"
	}
}

// dockerds are the processes of that name, in the order of their numbers.
func dockerds(h usernskit.Host) []int {
	list, _ := h.ReadDir("/proc")
	var pids []int
	for _, entry := range list {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		comm, err := h.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && isDockerd(strings.TrimSpace(string(comm))) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// readProc reads a file of NUL-terminated strings. A process that is gone, or
// that is not ours to look at, has none.
func readProc(h usernskit.Host, pid int, name string) []string {
	data, err := h.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// sameMounts reports whether a process sees the files that we see. A tree of
// files has no namespaces, and a process whose namespace we may not read is
// not ours to configure.
func sameMounts(h usernskit.Host, pid int) bool {
	if !h.Live() {
		return true
	}
	theirs, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/mnt")
	return err == nil && ours == theirs
}
