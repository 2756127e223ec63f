package daemoncfg

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/fstype"
)

type warnings []usernskit.Warning

func (l *warnings) risk(id, format string, args ...any) {
	*l = append(*l, usernskit.Warning{ID: id, Text: fmt.Sprintf(format, args...), Risk: true})
}

// risks lists what can go wrong when remapping is turned on or off, as far as
// files show.
func risks(h usernskit.Host, s dockerd.Startup, doc *Document, from, to bool) ([]usernskit.Warning, error) {
	var list warnings
	if isOn(s, doc, "live-restore") {
		list.risk(RiskLiveRestore, "live-restore is on: containers that run now keep running after the restart as they are, and docker no longer lists them; stop them first, or switch live-restore off and send dockerd SIGHUP")
	}
	if err := list.store(h, s.DataRoot, from); err != nil {
		return nil, err
	}
	if !to {
		return list, nil
	}
	if err := list.path(h, s.DataRoot); err != nil {
		return nil, err
	}
	raw, _ := doc.Get("storage-driver")
	driver, _ := unquoteValue(string(raw))
	if f, ok := s.Flag("storage-driver"); ok {
		driver = f.Value
	}
	switch driver {
	case "", "overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs":
	default:
		list.risk(RiskStorageDriver, "the storage driver is %s; overlay2, fuse-overlayfs, btrfs, zfs and vfs are known to shift IDs", driver)
	}
	return list, nil
}

// isOn reads a switch from the flags or the document.
func isOn(s dockerd.Startup, doc *Document, key string) bool {
	if f, ok := s.Flag(key); ok {
		return !f.Off()
	}
	raw, _ := doc.Get(key)
	return string(raw) == "true"
}

// store adds the risks of the store in use before the change: the data-root
// itself, or the UID.GID directories in it.
func (l *warnings) store(h usernskit.Host, dataRoot string, remapped bool) error {
	roots := []string{dataRoot}
	if remapped {
		var err error
		if roots, err = store.Remapped(h, dataRoot); errors.Is(err, fs.ErrPermission) {
			l.unseen(dataRoot, err)
			return nil
		} else if err != nil {
			return err
		}
	}
	for _, root := range roots {
		docker, err := store.Read(h, root)
		switch {
		case isNotExist(err):
			continue
		case errors.Is(err, fs.ErrPermission):
			l.unseen(root, err)
			continue
		case err != nil:
			return err
		}
		l.storeOf(docker, remapped)
	}
	return nil
}

func (l *warnings) unseen(dir string, why error) {
	*l = append(*l, usernskit.Warning{ID: WarnDataRootUnseen, Text: fmt.Sprintf(
		"cannot read %s (%v), so a swarm, plugins or privileged containers in it are not seen; run as root to check", dir, why)})
}

func (l *warnings) storeOf(docker *store.Store, remapped bool) {
	if docker.Swarm {
		l.risk(RiskSwarm, "%s/swarm: the node is part of a swarm and drops out of it; its state stays there, and a copy of it in the other store brings it back", docker.Root)
	}
	if n := len(docker.Plugins); n > 0 {
		l.risk(RiskPlugins, "%s/plugins: %d managed plugins are not seen after the change and have to be installed again", docker.Root, n)
	}
	var names []string
	for _, c := range docker.Containers {
		if !c.Running || c.Userns == "host" {
			continue
		}
		if why := c.WithHost(); len(why) > 0 {
			names = append(names, fmt.Sprintf("%s (%s)", c, strings.Trim(fmt.Sprint(why), "[]")))
		}
	}
	if n := len(names); n > 0 && !remapped {
		more := ""
		if n > 5 {
			names, more = names[:5], fmt.Sprintf(" and %d more", n-5)
		}
		l.risk(RiskHostContainers, "%s%s will need --userns=host, which is weaker than no remapping at all, or must drop these options", strings.Join(names, ", "), more)
	}
	for part, why := range docker.Unread {
		if slices.Contains([]string{"Swarm", "Plugins", "Containers"}, strings.SplitN(part, "/", 2)[0]) {
			l.unseen(docker.Root, fmt.Errorf("%s: %s", part, why))
			return
		}
	}
}

// path checks the directories above the data-root and its file system. dockerd
// first resolves symbolic links in it (NewDaemon in moby's daemon.go), so those
// above a link do not count.
func (l *warnings) path(h usernskit.Host, dataRoot string) error {
	if target, err := resolve(h, dataRoot); err == nil {
		dataRoot = target
	}
	for dir := path.Dir(path.Join("/", dataRoot)); dir != "/"; dir = path.Dir(dir) {
		info, err := h.Stat(dir)
		if isNotExist(err) {
			continue // dockerd creates it with mode 0711
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			l.risk(RiskDataRootPath, "%s has mode %04o: dockerd does not start while the remapped root cannot pass through it; chmod o+x %s", dir, info.Mode().Perm(), dir)
		}
	}
	data, err := h.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // a tree does not have it, so the file system is unknown
	}
	switch kind := fileSystem(string(data), dataRoot); {
	case strings.HasPrefix(kind, "fuse"):
		l.risk(RiskDataRootNFS, "%s is on %s, which may refuse the changes of owner that every image needs", dataRoot, kind)
	case fstype.Remote(kind):
		l.risk(RiskDataRootNFS, "%s is on %s, whose server does not know user namespaces: it refuses the changes of owner that every image needs", dataRoot, kind)
	}
	return nil
}

// fileSystem returns the type of the file system that path is on, from the text
// of /proc/PID/mountinfo, proc_pid_mountinfo(5).
func fileSystem(text, path string) string {
	kind, longest := "", -1
	for line := range strings.Lines(text) {
		mount, source, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		dir := strings.TrimSuffix(point, "/")
		// Of several mounts on one directory the last is on top.
		if (path == dir || strings.HasPrefix(path, dir+"/")) && len(dir) >= longest {
			kind, longest = strings.Fields(source)[0], len(dir)
		}
	}
	return kind
}
