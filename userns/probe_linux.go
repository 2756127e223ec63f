package userns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// errUnlike is what the kernel never does: give out other IDs than asked for.
var errUnlike = errors.New("the kernel gave out other IDs")

func probe(ctx context.Context, m Mapping) error {
	if m.UID.IsZero() || m.GID.IsZero() {
		return fmt.Errorf("%w: a namespace needs users and groups", ErrInvalidMap)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := withStopped(attrFor(m, Credential{UID: m.UID.id, GID: m.GID.id}), func(pid int) error { return inspect(pid, m) })
	if perr := (*ProbeError)(nil); err == nil || errors.As(err, &perr) {
		return err
	}
	return diagnose(m, err)
}

// attrFor starts a program in a namespace with the mapping, as who.
func attrFor(m Mapping, who Credential) *syscall.SysProcAttr {
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
// do with it and ends it. Being traced, it stops when it has executed a
// program; which one does not matter, as nothing of it runs.
func withStopped(attr *syscall.SysProcAttr, do func(pid int) error) error {
	runtime.LockOSThread() // the thread that starts it is its tracer
	defer runtime.UnlockOSThread()
	attr.Ptrace = true
	var err error
	// Our own program first, as it is there in every container image. Its file
	// may be closed to the IDs of the namespace.
	for _, program := range []string{"/proc/self/exe", "/bin/sh", "/bin/true", "/bin/busybox"} {
		cmd := &exec.Cmd{Path: program, Args: []string{"usernskit-probe"}, Env: []string{}, Dir: "/", SysProcAttr: attr}
		if err = cmd.Start(); errors.Is(err, unix.EACCES) {
			continue
		}
		if err != nil {
			return err
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

// inspect compares a process that was just made with what it was to be.
func inspect(pid int, want Mapping) error {
	const step = "read the namespace back"
	dir, err := FS{}.open(strconv.Itoa(pid))
	if err != nil {
		return &ProbeError{Step: step, Err: err}
	}
	defer dir.close()
	got, err := dir.mapping()
	if err != nil {
		return &ProbeError{Step: step, Err: err}
	}
	if !got.Equal(want) {
		return &ProbeError{Step: step, Err: errUnlike, Cause: fmt.Sprintf("asked for %v, got %v", want, got)}
	}
	data, err := dir.read("status", nil)
	if err != nil {
		return &ProbeError{Step: step, Err: err}
	}
	var p Process
	if err := parseStatus(data, &p); err != nil {
		return &ProbeError{Step: step, Err: err}
	}
	p.Groups = nil // without the right to set them, they stay ours
	if uids, gids := p.Outside(want); len(uids)+len(gids) > 0 {
		return &ProbeError{Step: step, Err: errUnlike, Cause: fmt.Sprintf("the process runs as users %v and groups %v of the host", p.UID, p.GID)}
	}
	return nil
}

// diagnose finds the step at which the kernel refused, by taking them one by
// one: of fork and exec as a whole, only an errno is known.
func diagnose(m Mapping, whole error) error {
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
	if perr := (*ProbeError)(nil); errors.As(err, &perr) {
		return err
	}
	return because("create the namespace", err, m)
}

func writeMap(pid int, name string, m Map) error {
	text, err := m.MarshalText()
	if err != nil {
		return err
	}
	return writeProc(pid, name, text)
}

// writeProc writes in one write(2): the kernel takes a map only whole.
func writeProc(pid int, name string, text []byte) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/%s", pid, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(text)
	return err
}

// because makes the error of a step, with what it means on this machine.
func because(step string, err error, m Mapping) *ProbeError {
	e := &ProbeError{Step: step, Err: err}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		e.Err = errno
		e.Cause, e.Remedy = explain(step, errno, m, look())
	}
	return e
}
