package userns

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// circumstances are what a refusal can come from.
type circumstances struct {
	root bool
	// Settings of the running kernel; empty: it has no such setting.
	maxUserNS, unprivilegedClone, apparmorRestrict string
	compiledIn                                     bool
}

func look() circumstances {
	setting := func(name string) string {
		data, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	_, err := os.Lstat("/proc/self/ns/user")
	return circumstances{
		root:              os.Geteuid() == 0,
		maxUserNS:         setting("user/max_user_namespaces"),
		unprivilegedClone: setting("kernel/unprivileged_userns_clone"),
		apparmorRestrict:  setting("kernel/apparmor_restrict_unprivileged_userns"),
		compiledIn:        err == nil,
	}
}

// pageSize is what the text of a map must stay below.
const pageSize = 4096

// explain says what an errno means at a step, after clone(2) and
// user_namespaces(7), and what can be done.
func explain(step string, errno syscall.Errno, m Mapping, c circumstances) (cause, remedy string) {
	switch step {
	case "start a process":
		if errno == syscall.EPERM {
			return "no process may be traced, as with kernel.yama.ptrace_scope=3 or a seccomp filter", ""
		}
	case "create the namespace":
		return explainCreate(errno, c)
	case "write uid_map", "write gid_map", "deny setgroups":
		return explainWrite(step, errno, m, c)
	case "become a user of the namespace":
		if errno == syscall.EACCES {
			return "no program was found that the namespace's users may execute", "make the program's file executable for all"
		}
	}
	return "", ""
}

func explainCreate(errno syscall.Errno, c circumstances) (cause, remedy string) {
	const more = "sysctl -w user.max_user_namespaces=15000, and the same in a file of /etc/sysctl.d"
	switch errno {
	case syscall.ENOSPC, syscall.EUSERS: // EUSERS before Linux 4.9
		if c.maxUserNS == "0" {
			return "user.max_user_namespaces is 0: no user namespace may be created", more
		}
		return fmt.Sprintf("user.max_user_namespaces is %s and used up, or namespaces would nest deeper than 32", orUnknown(c.maxUserNS)), more
	case syscall.EINVAL, syscall.ENOSYS:
		if !c.compiledIn {
			return "this kernel has no user namespaces (CONFIG_USER_NS)", "boot a kernel that has them"
		}
		return "user namespaces are switched off in this kernel, as RHEL 7 does", "add user_namespace.enable=1 to the kernel's command line and reboot"
	case syscall.EPERM, syscall.EACCES:
		switch {
		case c.root:
			return "a chroot, a seccomp filter or a security module forbids it", ""
		case c.unprivilegedClone == "0":
			return "kernel.unprivileged_userns_clone is 0: only root may create user namespaces", "run it as root"
		case c.apparmorRestrict == "1":
			return "kernel.apparmor_restrict_unprivileged_userns is 1: only root and programs with a profile may", "run it as root"
		}
		return "it takes root here", "run it as root"
	}
	return "", ""
}

func explainWrite(step string, errno syscall.Errno, m Mapping, c circumstances) (cause, remedy string) {
	which := m.UID
	if step == "write gid_map" {
		which = m.GID
	}
	switch errno {
	case syscall.EPERM:
		if !c.root {
			return "only root may give out IDs other than one's own", "run it as root"
		}
		return "the IDs are not all ours to give: this is itself a user namespace, or capabilities were dropped (setuid, setgid, setfcap)", "run it on the host, as root with all capabilities"
	case syscall.EINVAL:
		text, err := which.MarshalText()
		if err == nil && len(text) >= pageSize {
			return fmt.Sprintf("the map is %d bytes long and the kernel takes %d", len(text), pageSize-1), "use fewer ranges"
		}
		if n := len(which.Extents()); n > 5 {
			return fmt.Sprintf("this kernel takes fewer than %d ranges: 5 before Linux 4.15", n), "use fewer ranges"
		}
	}
	return "", ""
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}
