//go:build !linux

package peerbench

import "time"

var start = time.Now()

// cpu returns the time on the clock: good enough for the tests.
func cpu() time.Duration { return time.Since(start) }
