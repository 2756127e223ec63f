package attempt

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Do makes the attempt as the calling process. Mknod and ReleaseAgent mount
// something: the process must have a mount namespace to itself.
func Do(a Attempt) Result {
	switch a.Op {
	case OpenRead:
		return open(a.Path, unix.O_RDONLY)
	case OpenWrite:
		return open(a.Path, unix.O_WRONLY)
	case Traverse:
		return open(a.Path, unix.O_RDONLY|unix.O_DIRECTORY)
	case TempFile:
		return open(a.Path, unix.O_WRONLY|unix.O_TMPFILE)
	case AccessWrite:
		return result(unix.Faccessat(unix.AT_FDCWD, a.Path, unix.W_OK, unix.AT_EACCESS))
	case Mknod:
		return mknod()
	case ReleaseAgent:
		return releaseAgent(a.Path)
	case Signal:
		return result(unix.Kill(a.PID, 0))
	case Key:
		return describeKey(a.Key)
	}
	return Result{Untried: "BUG: no attempt is called " + string(a.Op)}
}

func result(err error) Result {
	if err == nil {
		return Result{}
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Result{Untried: err.Error()}
	}
	return Result{Errno: errno}
}

// open opens a file and closes it. It does not wait for the other end of a FIFO,
// or take a terminal as its controlling one.
func open(path string, flags int) Result {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return result(err)
}

// ownDir mounts a tmpfs over a directory that exists everywhere.
func ownDir() (dir string, err error) {
	dir = os.TempDir()
	return dir, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "")
}

func mknod() Result {
	dir, err := ownDir()
	if err != nil {
		return Result{Untried: "a tmpfs to make the node in cannot be mounted: " + err.Error()}
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	return result(unix.Mknod(dir+"/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
}

// releaseAgent mounts the existing hierarchy of these controllers, and opens the
// file that CVE-2022-0492 wrote to.
func releaseAgent(controllers string) Result {
	dir, err := ownDir()
	target := dir + "/cgroup"
	if err == nil {
		defer unix.Unmount(dir, unix.MNT_DETACH)
		err = unix.Mkdir(target, 0o700)
	}
	if err != nil {
		return Result{Untried: "a directory to mount cgroups on cannot be made: " + err.Error()}
	}
	if err := unix.Mount("cgroup", target, "cgroup", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, controllers); err != nil {
		return result(err)
	}
	defer unix.Unmount(target, unix.MNT_DETACH)
	return open(target+"/release_agent", unix.O_WRONLY)
}

// describeKey asks with a new session keyring, as a container has: the
// inherited one may possess root's keys.
func describeKey(id int) Result {
	// A null name, which x/sys cannot pass, makes a new keyring.
	if _, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0); errno != 0 {
		return Result{Untried: "a session keyring cannot be made: " + errno.Error()}
	}
	_, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	return result(err)
}
