package dockerd

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// readProcesses reads the running dockerds; meant is the requested PID, or 0.
// The flags of a process count if nothing known starts dockerd. Flags that an
// init script does not have are added to its flags, because the process may have
// been started by hand. Beside a systemd unit only the unit's flags count.
func (s *Startup) readProcesses(h usernskit.Host, pids []int, meant int) {
	systemd := s.Init == InitSystemd || s.Init == InitSnap
	if i := slices.IndexFunc(pids, func(pid int) bool { return inUnit(h, pid, s.Unit) }); i >= 0 && systemd && s.PID == 0 {
		s.PID = pids[i]
	}
	if meant != 0 {
		s.PID = meant
		switch {
		case systemd:
		case !isRootless(h, meant) && !sameMounts(h, meant):
			s.Unsure = append(s.Unsure, fmt.Sprintf("/proc/%d: whether this dockerd reads the files of this host cannot be told", meant))
		default:
			s.addProcess(h)
		}
	}
	for _, pid := range pids {
		rootless := isRootless(h, pid)
		switch {
		case pid == s.PID,
			rootless && (s.Init != InitNone || s.PID != 0), // a user's own, beside the system's
			!rootless && !sameMounts(h, pid),               // in a container or another mount namespace
			len(readProc(h, pid, "cmdline")) == 0:
			continue
		}
		switch {
		case s.PID != 0:
			if meant == 0 && !systemd {
				s.Unsure = append(s.Unsure, fmt.Sprintf("/proc/%d: a second dockerd runs", pid))
			}
			s.Others = append(s.Others, fmt.Sprintf("/proc/%d", pid))
			s.OtherPIDs = append(s.OtherPIDs, pid)
		case systemd:
			s.Unsure = append(s.Unsure, fmt.Sprintf("/proc/%d: a dockerd runs that %s did not start", pid, s.Unit))
			s.OtherPIDs = append(s.OtherPIDs, pid)
		default:
			s.PID = pid
			s.addProcess(h)
		}
	}
}

// inUnit reports whether a process is in the control group of a unit of the host,
// not of a container.
func inUnit(h usernskit.Host, pid int, unit string) bool {
	return unit != "" && slices.ContainsFunc(readProc(h, pid, "cgroup"), func(text string) bool {
		above, _, found := strings.Cut(text, "/"+unit)
		return found && !containerID.MatchString(above)
	})
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

func isRootless(h usernskit.Host, pid int) bool {
	return slices.ContainsFunc(readProc(h, pid, "environ"), func(v string) bool { return strings.HasPrefix(v, "ROOTLESSKIT_STATE_DIR=") })
}

// processFlags returns the flags on the command line of a process.
func processFlags(h usernskit.Host, pid int) []Flag {
	from := origin{file: fmt.Sprintf("/proc/%d/cmdline", pid)}
	var words []word
	for i, arg := range readProc(h, pid, "cmdline") {
		if i > 0 {
			words = append(words, word{arg, from})
		}
	}
	return readFlags(words)
}

// pidfile returns where a dockerd with these flags writes its process ID.
func pidfile(flags []Flag) string {
	if f, ok := (Startup{Flags: flags}).byName("pidfile"); ok {
		return strings.Replace(f.Value, "/var/run/", "/run/", 1)
	}
	return "/run/docker.pid"
}

// addProcess adds what the running dockerd shows: its flags, and whether it is
// rootless.
func (s *Startup) addProcess(h usernskit.Host) {
	for _, f := range processFlags(h, s.PID) {
		if _, known := s.byName(f.Name); f.Refused == "" && (!known || s.Init == InitNone) { // it runs, so it has refused nothing
			s.Flags = append(s.Flags, f)
		}
	}
	switch {
	case isRootless(h, s.PID):
		s.Init, s.Rootless = InitRootless, true
		// As dockerd's getDefaultDaemonConfigDir: not ~/.docker.
		for _, v := range readProc(h, s.PID, "environ") {
			if home, ok := strings.CutPrefix(v, "HOME="); ok && s.ConfigFile == DefaultFile {
				s.ConfigFile = path.Join(home, ".config/docker/daemon.json")
				s.DataRoot = path.Join(home, ".local/share/docker")
			}
			if dir, ok := strings.CutPrefix(v, "XDG_CONFIG_HOME="); ok {
				s.ConfigFile = path.Join(dir, "docker/daemon.json")
			}
		}
	case s.Init == InitNone:
		s.Init = InitProcess
	}
}

// dockerds returns the IDs of the processes that are a dockerd by name, sorted.
func dockerds(h usernskit.Host) ([]int, error) {
	names, err := list(h, "/proc")
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		comm, err := h.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && isDockerd(strings.TrimSpace(string(comm))) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, err
}

// readProc reads a file of NUL-terminated strings. It returns nil if the process
// is gone or may not be read.
func readProc(h usernskit.Host, pid int, name string) []string {
	data, err := h.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// sameMounts reports whether a process is in our mount namespace, and false if
// that cannot be read. Every process of a tree is.
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
