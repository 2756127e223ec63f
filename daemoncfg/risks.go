package daemoncfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// Risks lists what can go wrong when a host of this startup switches remapping
// on, as far as files tell. The IDs are
//
//	live-restore     containers outlive the restart, un-remapped and unseen
//	swarm            the node drops out of its swarm
//	plugins          managed plugins have to be installed anew
//	host-containers  containers that are privileged or share a host namespace
//	rootless         dockerd runs without root, and cannot remap
//	data-root-nfs    the data-root is on a network or FUSE file system
//	data-root-path   a directory above the data-root keeps other users out
//	storage-driver   not one that can shift IDs
//
// "data-root-unseen" is no risk by itself: it says that swarm, plugins and
// host-containers could not be looked for.
func Risks(h usernskit.Host, s dockerd.Startup) ([]usernskit.Warning, error) {
	doc, _, err := readConfig(h, s.ConfigFile)
	if err != nil {
		return nil, err
	}
	return risks(h, s, doc, current(s, doc).On, true)
}

// risks is Risks for a change from remapped or not to remapped or not. Going
// back moves away from a store as well.
func risks(h usernskit.Host, s dockerd.Startup, doc *Document, from, to bool) ([]usernskit.Warning, error) {
	var list []usernskit.Warning
	warn := func(id, format string, args ...any) {
		list = append(list, usernskit.Warning{ID: id, Text: fmt.Sprintf(format, args...), Risk: true})
	}
	if isOn(s, doc, "live-restore") {
		warn("live-restore", "live-restore is on: containers that run now keep running after the restart as they are, and docker no longer lists them; stop them first, or switch live-restore off and send dockerd SIGHUP")
	}
	if _, err := h.ReadDir(s.DataRoot); errors.Is(err, fs.ErrPermission) {
		list = append(list, usernskit.Warning{ID: "data-root-unseen",
			Text: fmt.Sprintf("%s may not be looked into: whether there is a swarm, a plugin or a privileged container in it is unknown; root can tell", s.DataRoot)})
	}
	if err := storeRisks(h, s.DataRoot, from, warn); err != nil {
		return nil, err
	}
	if !to {
		return list, nil
	}
	if s.Rootless || isOn(s, doc, "rootless") {
		warn("rootless", "dockerd is rootless here: it is in a user namespace already, and fails with userns-remap")
	}
	if err := pathRisks(h, s.DataRoot, warn); err != nil {
		return nil, err
	}
	driver, _ := stringAt(doc, "storage-driver")
	if f, ok := s.Flag("storage-driver"); ok {
		driver = f.Value
	}
	switch driver {
	case "", "overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs":
	default:
		warn("storage-driver", "the storage driver is %s; overlay2, fuse-overlayfs, btrfs, zfs and vfs are known to shift IDs", driver)
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

// storeRisks looks into the store that is in use before the change: the
// data-root itself, or the UID.GID directories in it. A store that this process
// may not look into has no risks that it could name.
func storeRisks(h usernskit.Host, dataRoot string, remapped bool, warn func(id, format string, args ...any)) error {
	stores := []string{dataRoot}
	if remapped {
		stores = nil
		for _, name := range dirs(h, dataRoot, regexp.MustCompile(`^[1-9][0-9]*\.[1-9][0-9]*$`)) {
			stores = append(stores, path.Join(dataRoot, name))
		}
	}
	id := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, store := range stores {
		if _, err := h.Stat(path.Join(store, "swarm/docker-state.json")); err == nil {
			warn("swarm", "%s/swarm: the node is part of a swarm and drops out of it; its state stays there, and a copy of it in the other store brings it back", store)
		}
		if n := len(dirs(h, path.Join(store, "plugins"), id)); n > 0 {
			warn("plugins", "%s/plugins: %d managed plugins are not seen after the change and have to be installed anew", store, n)
		}
		var names []string
		for _, c := range dirs(h, path.Join(store, "containers"), id) {
			name, err := hostContainer(h, path.Join(store, "containers", c))
			if err != nil {
				return err
			}
			if name != "" {
				names = append(names, name)
			}
		}
		if n := len(names); n > 0 && !remapped {
			more := ""
			if n > 5 {
				names, more = names[:5], fmt.Sprintf(" and %d more", n-5)
			}
			warn("host-containers", "%s%s will need --userns=host, which is weaker than no remapping at all, or an end to that", strings.Join(names, ", "), more)
		}
	}
	return nil
}

// dirs are the directories in dir whose names match.
func dirs(h usernskit.Host, dir string, match *regexp.Regexp) []string {
	list, err := h.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range list {
		if entry.IsDir() && match.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// hostContainer names a running container that remapping does not allow, and
// why: "web (privileged)". It returns "" for any other.
func hostContainer(h usernskit.Host, dir string) (string, error) {
	var state struct {
		Name  string
		State struct{ Running bool }
	}
	var host struct {
		Privileged                             bool
		NetworkMode, PidMode, IpcMode, UTSMode string
		UsernsMode                             string
	}
	for file, into := range map[string]any{"config.v2.json": &state, "hostconfig.json": &host} {
		data, err := h.ReadFile(path.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return "", nil // gone, or not ours to see
		}
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return "", &usernskit.FileError{File: path.Join(dir, file), Err: err}
		}
	}
	if !state.State.Running || host.UsernsMode == "host" {
		return "", nil
	}
	var why []string
	for _, w := range []struct {
		is   bool
		what string
	}{
		{host.Privileged, "privileged"},
		{host.NetworkMode == "host", "network host"},
		{host.PidMode == "host", "pid host"},
		{host.IpcMode == "host", "ipc host"},
	} {
		if w.is {
			why = append(why, w.what)
		}
	}
	if why == nil {
		return "", nil
	}
	name := strings.TrimPrefix(state.Name, "/")
	if name == "" {
		name = path.Base(dir)[:12]
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(why, ", ")), nil
}
