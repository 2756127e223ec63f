package hosttest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const aloneEnv = "USERNSKIT_TEST_ALONE"

// Alone waits until no other test program that has called it runs on this
// machine. TestMain calls it in packages whose tests make user namespaces or
// look at all processes: go test runs packages side by side, and verify in one
// package would report the processes of another.
func Alone() {
	if os.Getenv(aloneEnv) != "" {
		return
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("usernskit-tests-%d.lock", os.Geteuid()))
	// Held until this process ends; no child inherits it.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err == nil {
		err = syscall.Flock(fd, syscall.LOCK_EX)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "hosttest: tests may meet those of other packages: %v\n", err)
		return
	}
	os.Setenv(aloneEnv, "1")
}
