package peerbench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const privateEnv = "PEERBENCH_PRIVATE"

// Private runs the calling program over again in a mount namespace of its own,
// where /etc is a copy in dir and /var/lib an empty directory there, so that
// useradd and usermod can be measured without touching the system. In the child
// it returns true; in the parent the child's error, or that it takes root.
func Private(dir string) (bool, error) {
	if os.Getenv(privateEnv) != "" {
		return true, errors.Join(
			syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			over(filepath.Join(dir, "etc"), "/etc", true),
			over(filepath.Join(dir, "lib"), "/var/lib", false))
	}
	if os.Geteuid() != 0 {
		return false, errors.New("not root: the rows about programs are left out")
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), privateEnv+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return false, cmd.Run()
}

// PrivateDir is the directory that the parent gave to [Private].
func PrivateDir() string { return os.Getenv(privateEnv) }

// over mounts a directory over another, with a copy of what is in there or not.
func over(dir, target string, full bool) error {
	if full {
		if out, err := exec.Command("cp", "-a", target, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	} else if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return syscall.Mount(dir, target, "", syscall.MS_BIND, "")
}
