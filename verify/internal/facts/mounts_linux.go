package facts

import (
	"bytes"

	"github.com/moby/sys/mountinfo"
)

// parseMounts reads the text of /proc/PID/mountinfo, proc_pid_mountinfo(5).
func parseMounts(data []byte) (mountTable, error) {
	return mountinfo.GetMountsFromReader(bytes.NewReader(data), nil)
}
