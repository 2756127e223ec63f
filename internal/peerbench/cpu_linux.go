package peerbench

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpu returns how long this process has been on a CPU.
func cpu() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic("BUG: no CPU clock: " + err.Error())
	}
	return time.Duration(t.Nano())
}
