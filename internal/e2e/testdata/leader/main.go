// Leader ends its first thread and lives on in the others: /proc shows a zombie.
package main

import (
	"runtime"
	"syscall"
	"time"
)

func init() { runtime.LockOSThread() } // main is the first thread's

func main() {
	go func() { time.Sleep(10 * time.Minute) }()
	time.Sleep(100 * time.Millisecond)
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
}
