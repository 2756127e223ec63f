package daemoncfg

import (
	"io"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// fileSystem returns the type of the file system that path is on, from the text
// of /proc/PID/mountinfo, proc_pid_mountinfo(5).
func fileSystem(text io.Reader, path string) (string, error) {
	mounts, err := mountinfo.GetMountsFromReader(text, nil)
	if err != nil {
		return "", err
	}
	kind, longest := "", -1
	for _, m := range mounts {
		dir := strings.TrimSuffix(m.Mountpoint, "/")
		// The last one of equal length lies over the others.
		if (path == dir || strings.HasPrefix(path, dir+"/")) && len(dir) >= longest {
			kind, longest = m.FSType, len(dir)
		}
	}
	return kind, nil
}
