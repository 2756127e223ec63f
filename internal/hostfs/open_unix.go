//go:build unix

package hostfs

import (
	"os"
	"syscall"
)

// openRead opens without waiting: a FIFO nobody writes to must not hang us.
func openRead(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
}
