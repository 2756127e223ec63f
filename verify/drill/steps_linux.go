package drill

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/attempt"
)

// A step is what a probe tries, or why that cannot be tried.
type step struct {
	id, title string
	refs      []string
	shared    bool
	try       attempt.Attempt
	missing   string // why it cannot be tried
	setting   bool   // a kernel setting: its content shows a change
	live      bool   // changes while the drill runs, by the programs that use it
	// unmapped is the host root's result if it is not known from the path.
	unmapped func() Result
}

// steps returns the catalogue for this host. others are the first processes of
// running containers.
func steps(others []int) []step {
	return []step{
		kernelFile("core-pattern", "run a program as the host's root when a process crashes", "/proc/sys/kernel/core_pattern",
			"CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"),
		kernelFile("modprobe", "run a program as the host's root when a module is asked for", "/proc/sys/kernel/modprobe"),
		kernelFile("uevent-helper", "run a program as the host's root when a device appears", "/sys/kernel/uevent_helper"),
		kernelFile("sysrq", "crash or restart the host", "/proc/sysrq-trigger", "CVE-2025-31133", "CVE-2025-52881"),
		kernelFile("kptr-restrict", "uncover the kernel's addresses", "/proc/sys/kernel/kptr_restrict"),
		hostFile("host-binary", "replace a program that the host's root runs", attempt.OpenWrite, rootBinary(), "CVE-2019-5736"),
		hostFile("root-file", "read a file that only the host's root may read", attempt.OpenRead, rootOnly(), "CVE-2024-21626"),
		hostFile("shadow", "read the host's password hashes", attempt.OpenRead, first("/etc/shadow"), "CVE-2024-21626"),
		hostFile("root-directory", "make a file among those of the host's root", attempt.TempFile, first("/etc"), "CVE-2024-21626"),
		hostFile("docker-socket", "ask the Docker daemon for a container with any rights", attempt.AccessWrite, first("/run/docker.sock", "/var/run/docker.sock")),
		hostFile("containerd-socket", "ask containerd for a container with any rights", attempt.AccessWrite, first("/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock")),
		rawDisk(),
		releaseAgent(),
		{id: "device-node", title: "make a device node for a disk or for memory", try: attempt.Attempt{Op: attempt.Mknod}, unmapped: capable(unix.CAP_MKNOD)},
		keyring(),
		{id: "signal", title: "signal processes of the host's root", try: attempt.Attempt{Op: attempt.Signal, PID: os.Getpid()}, unmapped: capable(unix.CAP_KILL)},
		{id: "memory", title: "read and write the memory of processes of the host's root", live: true,
			try: attempt.Attempt{Op: attempt.OpenRead, Path: fmt.Sprintf("/proc/%d/mem", os.Getpid())}, unmapped: capable(unix.CAP_SYS_PTRACE)},
		otherContainer("other-process", "enter another container through its process", attempt.Traverse, others, func(pid int) string { return fmt.Sprintf("/proc/%d/root/", pid) }),
		otherContainer("other-files", "read another container's files", attempt.Traverse, others, upperDir),
		otherContainer("other-layer", "write into another container's file system", attempt.AccessWrite, others, upperDir),
	}
}

// kernelFile is a setting of the kernel. Only a file of the kernel's own file
// systems counts.
func kernelFile(id, title, path string, refs ...string) step {
	s := step{id: id, title: title, refs: refs, setting: true, try: attempt.Attempt{Op: attempt.OpenWrite, Path: path}}
	var st unix.Statfs_t
	switch err := unix.Statfs(path, &st); {
	case err != nil:
		s.missing = fmt.Sprintf("%s: %v", path, err)
	case st.Type != unix.PROC_SUPER_MAGIC && st.Type != unix.SYSFS_MAGIC:
		s.missing = path + " is not the kernel's: something else is mounted there"
	}
	return s
}

// hostFile is a file of the host, "" where there is none of its kind.
func hostFile(id, title string, op attempt.Op, path string, refs ...string) step {
	s := step{id: id, title: title, refs: refs, try: attempt.Attempt{Op: op, Path: path}}
	if path == "" {
		s.missing = "this host has no such file"
	}
	return s
}

// first returns the first path that exists, with its symbolic links resolved.
func first(paths ...string) string {
	for _, path := range paths {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			return target
		}
	}
	return ""
}

// rootBinary returns a program of the host's root, the runtime's if there is one.
func rootBinary() string {
	for _, name := range []string{"runc", "docker-runc", "crun", "containerd-shim-runc-v2", "dockerd", "sh"} {
		for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
			path := first(filepath.Join(dir, name))
			if st, ok := owned(path); ok && st.Mode&syscall.S_IFMT == syscall.S_IFREG {
				return path
			}
		}
	}
	return ""
}

// rootOnly returns a regular file that only root may use.
func rootOnly() string {
	for _, pattern := range []string{"/etc/ssh/ssh_host_*_key", "/etc/.pwd.lock", "/etc/sudoers", "/etc/shadow-", "/etc/gshadow-", "/var/log/btmp", "/root/.*", "/etc/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, path := range paths {
			st, ok := owned(path)
			if ok && st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Mode&0o077 == 0 {
				return path
			}
		}
	}
	return ""
}

// owned describes a path of user 0; a symbolic link is not followed.
func owned(path string) (syscall.Stat_t, bool) {
	var st syscall.Stat_t
	err := syscall.Lstat(path, &st)
	return st, err == nil && st.Uid == 0
}

func rawDisk() step {
	s := hostFile("raw-disk", "read a disk of the host past all permissions", attempt.OpenRead, blockDevice())
	s.live = true
	return s
}

// blockDevice returns a disk of the host. It is opened for reading only:
// closing after an open for writing makes udev scan the disk.
func blockDevice() string {
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if e.Type()&os.ModeDevice != 0 && e.Type()&os.ModeCharDevice == 0 {
			path := "/dev/" + e.Name()
			if _, ok := owned(path); ok {
				return path
			}
		}
	}
	return ""
}

// releaseAgent mounts a cgroup v1 hierarchy that is in use. A process may mount
// existing ones in its own cgroup namespace; a host without any is safe.
func releaseAgent() step {
	s := step{id: "release-agent", title: "run a program as the host's root when a control group ends", refs: []string{"CVE-2022-0492"},
		unmapped: capable(unix.CAP_SYS_ADMIN)}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		s.missing = err.Error()
		return s
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.SplitN(strings.TrimSpace(line), ":", 3); len(fields) == 3 && fields[1] != "" && fields[1] != "name=systemd" {
			s.try = attempt.Attempt{Op: attempt.ReleaseAgent, Path: fields[1]}
			return s
		}
	}
	s.missing = "this host has no cgroup v1 hierarchy"
	return s
}

// keyring takes a keyring of the host's root, as /proc/keys lists it to root.
func keyring() step {
	s := step{id: "keyring", title: "read the keys of the host's root", missing: "root has no keyring that /proc/keys shows", unmapped: capable(unix.CAP_SYS_ADMIN)}
	data, err := os.ReadFile("/proc/keys")
	if err != nil {
		s.missing = err.Error()
		return s
	}
	for line := range strings.Lines(string(data)) {
		// ID flags usage timeout permissions UID GID type description
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[5] != "0" || fields[7] != "keyring" {
			continue
		}
		if id, err := strconv.ParseUint(fields[0], 16, 31); err == nil && !slices.Contains([]string{".", "f"}, fields[8][:1]) {
			s.try, s.missing = attempt.Attempt{Op: attempt.Key, Key: int(id)}, ""
			return s
		}
	}
	return s
}

// otherContainer takes the path of the first container that has it.
func otherContainer(id, title string, op attempt.Op, pids []int, path func(pid int) string) step {
	s := step{id: id, title: title, shared: true, live: true, missing: "no other container runs, or it has no layer of its own on this host"}
	for _, pid := range pids {
		if target := path(pid); target != "" {
			s.try, s.missing = attempt.Attempt{Op: op, Path: target}, ""
			return s
		}
	}
	return s
}

// upperDir returns the writable layer of a container's root, from mountinfo(5)
// of its process; or "".
func upperDir(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[4] != "/" {
			continue
		}
		for opt := range strings.SplitSeq(fields[len(fields)-1], ",") {
			if dir, ok := strings.CutPrefix(opt, "upperdir="); ok {
				return first(dir)
			}
		}
	}
	return ""
}

// capable reports whether this process, which is root of the host, has a
// capability, as the root of a container without remapping could.
func capable(capability int) func() Result {
	return func() Result {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			return NotTestable
		}
		if data[capability/32].Effective&(1<<(capability%32)) != 0 {
			return Reached
		}
		return Stopped
	}
}

// look reads what the host's root may do with a path.
func look(a attempt.Attempt) Result {
	mode := uint32(unix.R_OK)
	switch a.Op {
	case attempt.OpenWrite, attempt.AccessWrite, attempt.TempFile:
		mode = unix.W_OK
	}
	switch err := unix.Faccessat(unix.AT_FDCWD, a.Path, mode, unix.AT_EACCESS); err {
	case nil:
		return Reached
	case unix.EACCES, unix.EPERM:
		return Stopped
	}
	return NotTestable
}
