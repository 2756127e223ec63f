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
// look at all processes: go test runs packages side by side, and what one
// makes, another's verify would find, and be right to report. The programs
// that a test starts, its own among them, count as part of it.
func Alone() {
	if os.Getenv(aloneEnv) != "" {
		return
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("usernskit-tests-%d.lock", os.Geteuid()))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		// Held until this process ends. A descriptor that a child inherited
		// would hold it too: os.OpenFile sets O_CLOEXEC.
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "hosttest: tests may meet those of other packages: %v\n", err)
		return
	}
	locked = f
	os.Setenv(aloneEnv, "1")
}

// locked keeps the lock's file from being closed by the garbage collector.
var locked *os.File
