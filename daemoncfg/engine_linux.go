package daemoncfg

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// unnamedFile makes a file without a directory entry. Programs of this host can
// open it by name until done is called.
func unnamedFile(data []byte) (name string, done func() error, err error) {
	fd, err := unix.MemfdCreate("daemon.json", unix.MFD_CLOEXEC)
	if err != nil {
		return "", nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "daemon.json")
	if _, err := f.Write(data); err != nil {
		f.Close()
		return "", nil, err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), f.Close, nil
}
