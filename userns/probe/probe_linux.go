package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/userns"
)

// errUnlike should not happen.
var errUnlike = errors.New("the kernel gave out other IDs")

func mapping(ctx context.Context, m userns.Mapping) error {
	if m.UID.IsZero() || m.GID.IsZero() {
		return fmt.Errorf("%w: a namespace needs users and groups", userns.ErrInvalidMap)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := withStopped(attrFor(m, Credential{UID: m.UID.Extents()[0].ID, GID: m.GID.Extents()[0].ID}), func(pid int) error { return inspect(pid, m) })
	if perr := (*Error)(nil); err == nil || errors.As(err, &perr) {
		return err
	}
	return diagnose(m, err)
}

func namespace(ctx context.Context, m userns.Mapping) (*os.File, error) {
	if m.UID.IsZero() || m.GID.IsZero() {
		return nil, fmt.Errorf("%w: a namespace needs users and groups", userns.ErrInvalidMap)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	attr := attrFor(m, Credential{})
	attr.Credential = nil // the process stays our user, who can execute our program
	var ns *os.File
	err := withStopped(attr, func(pid int) error {
		var err error
		ns, err = os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
		return err
	})
	if err != nil {
		return nil, diagnose(m, err)
	}
	return ns, nil
}

// attrFor returns what starts a program in a namespace with the mapping, as who.
func attrFor(m userns.Mapping, who Credential) *syscall.SysProcAttr {
	// Without the right to set groups the kernel takes a group map only after
	// setgroups(2) is given up for good (user_namespaces(7)).
	privileged := os.Geteuid() == 0
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: m.UID.SysProcIDMap(), GidMappings: m.GID.SysProcIDMap(), GidMappingsEnableSetgroups: privileged,
		Credential: &syscall.Credential{Uid: who.UID, Gid: who.GID, Groups: who.Groups, NoSetGroups: !privileged},
		Pdeathsig:  unix.SIGKILL,
	}
}

// withStopped starts a process that stops before its first instruction, calls
// do with it and ends it. A traced process stops when it executes a program,
// before that runs.
func withStopped(attr *syscall.SysProcAttr, do func(pid int) error) error {
	runtime.LockOSThread() // the thread that starts it is its tracer
	defer runtime.UnlockOSThread()
	attr.Ptrace = true
	var err error
	// Our own program first: every image has it. The namespace's IDs may not be
	// allowed to read it.
	for _, program := range []string{"/proc/self/exe", "/bin/sh", "/bin/true", "/bin/busybox"} {
		cmd := &exec.Cmd{Path: program, Args: []string{"usernskit-probe"}, Env: []string{}, Dir: "/", SysProcAttr: attr}
		started := cmd.Start()
		if errors.Is(started, unix.EACCES) || err != nil && errors.Is(started, unix.ENOENT) {
			err = cmp.Or(err, started) // not that an image has no such shell
			continue
		}
		if started != nil {
			return started
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		var status unix.WaitStatus
		if _, err := unix.Wait4(cmd.Process.Pid, &status, 0, nil); err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if !status.Stopped() {
			return fmt.Errorf("the process ended by itself: %v", status)
		}
		return do(cmd.Process.Pid)
	}
	return err
}

// inspect checks the IDs of a new process.
func inspect(pid int, want userns.Mapping) error {
	const step = "read the namespace back"
	got, err := userns.FS{}.Mapping(pid)
	if err != nil {
		return &Error{Step: step, Err: err}
	}
	if !got.Equal(want) {
		return &Error{Step: step, Err: errUnlike, Cause: fmt.Sprintf("asked for %v, got %v", want, got)}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return &Error{Step: step, Err: err}
	}
	for key, m := range map[string]userns.Map{"Uid": want.UID, "Gid": want.GID} {
		ids := strings.Fields(valueOf(string(status), key))
		if len(ids) != 4 || slices.ContainsFunc(ids, func(id string) bool { return !givesOut(m, id) }) {
			return &Error{Step: step, Err: errUnlike, Cause: fmt.Sprintf("the process runs as %s %v of the host", key, ids)}
		}
	}
	return nil
}

// valueOf returns the value of a line of /proc/PID/status.
func valueOf(status, key string) string {
	_, rest, _ := strings.Cut(status, "\n"+key+":")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func givesOut(m userns.Map, host string) bool {
	id, err := strconv.ParseUint(host, 10, 32)
	if err != nil {
		return false
	}
	_, ok := m.ToContainer(uint32(id))
	return ok
}

// diagnose finds the step that the kernel refused, by trying them one by one:
// fork and exec return only an errno.
func diagnose(m userns.Mapping, whole error) error {
	pass := func(int) error { return nil }
	if err := withStopped(&syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}, pass); err != nil {
		return because("start a process", err, m)
	}
	err := withStopped(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, Pdeathsig: unix.SIGKILL}, func(pid int) error {
		if err := writeMap(pid, "uid_map", m.UID); err != nil {
			return because("write uid_map", err, m)
		}
		if os.Geteuid() != 0 {
			if err := writeProc(pid, "setgroups", []byte("deny")); err != nil {
				return because("deny setgroups", err, m)
			}
		}
		if err := writeMap(pid, "gid_map", m.GID); err != nil {
			return because("write gid_map", err, m)
		}
		return because("become a user of the namespace", whole, m)
	})
	if perr := (*Error)(nil); errors.As(err, &perr) {
		return err
	}
	return because("create the namespace", err, m)
}

func writeMap(pid int, name string, m userns.Map) error {
	text, err := m.MarshalText()
	if err != nil {
		return err
	}
	return writeProc(pid, name, text)
}

// writeProc writes with one write(2), as a map must be.
func writeProc(pid int, name string, text []byte) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/%s", pid, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(text)
	return err
}

// because returns the error of a step with its cause on this machine.
func because(step string, err error, m userns.Mapping) *Error {
	e := &Error{Step: step, Err: err}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		e.Err = errno
		e.Cause, e.Remedy = explain(step, errno, m, look())
	}
	return e
}

// circumstances are possible causes of a refusal.
type circumstances struct {
	root       bool
	maxUserNS  string // user.max_user_namespaces; empty if the kernel does not have it
	compiledIn bool
}

func look() circumstances {
	limit, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	if err != nil {
		limit = nil
	}
	_, err = os.Lstat("/proc/self/ns/user")
	return circumstances{root: os.Geteuid() == 0, maxUserNS: strings.TrimSpace(string(limit)), compiledIn: err == nil}
}

// pageSize bounds the text of a map, which must be shorter, in bytes.
const pageSize = 4096

// explain returns what an errno means at a step, by clone(2) and
// user_namespaces(7), and the remedy.
func explain(step string, errno syscall.Errno, m userns.Mapping, c circumstances) (cause, remedy string) {
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
		return fmt.Sprintf("user.max_user_namespaces is %s and used up, or namespaces would nest deeper than 32", cmp.Or(c.maxUserNS, "not known")), more
	case syscall.EINVAL, syscall.ENOSYS:
		if !c.compiledIn {
			return "this kernel has no user namespaces (CONFIG_USER_NS)", "boot a kernel that has them"
		}
		return "user namespaces are switched off in this kernel, as RHEL 7 does", "add user_namespace.enable=1 to the kernel's command line and reboot"
	case syscall.EPERM, syscall.EACCES:
		if c.root {
			return "a chroot, a seccomp filter or a security module forbids it", ""
		}
		return "this needs root here", "run it as root"
	}
	return "", ""
}

func explainWrite(step string, errno syscall.Errno, m userns.Mapping, c circumstances) (cause, remedy string) {
	which := m.UID
	if step == "write gid_map" {
		which = m.GID
	}
	switch errno {
	case syscall.EPERM:
		if !c.root {
			return "only root may give out IDs other than one's own", "run it as root"
		}
		return "this process may not give out all these IDs: it is in a user namespace itself, or capabilities were dropped (setuid, setgid, setfcap)", "run it on the host, as root with all capabilities"
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
