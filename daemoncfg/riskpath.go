package daemoncfg

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/fstype"
)

// pathRisks looks at the way to the data-root, and at what it is mounted from.
func pathRisks(h usernskit.Host, dataRoot string, warn func(id, format string, args ...any)) error {
	for dir := path.Dir(path.Join("/", dataRoot)); dir != "/"; dir = path.Dir(dir) {
		info, err := h.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dockerd makes it, and makes it 0711
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			warn("data-root-path", "%s has mode %04o: dockerd does not start while the remapped root cannot pass through it; chmod o+x %s", dir, info.Mode().Perm(), dir)
		}
	}
	data, err := h.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // a tree of files; where the data-root will be mounted is not in it
	}
	if h.Live() {
		if real, err := h.Path(dataRoot); err == nil {
			dataRoot = real
		}
	}
	kind, err := fileSystem(bytes.NewReader(data), dataRoot)
	if err != nil {
		return err
	}
	switch {
	case fstype.Remote(kind) && strings.HasPrefix(kind, "fuse"):
		warn("data-root-nfs", "%s is on %s, which may refuse the changes of owner that every image needs", dataRoot, kind)
	case fstype.Remote(kind):
		warn("data-root-nfs", "%s is on %s, whose server knows nothing of user namespaces: it refuses the changes of owner that every image needs", dataRoot, kind)
	}
	return nil
}
