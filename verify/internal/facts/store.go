package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify/engine"
)

// storeName is the name of a remapped store below the data-root: UID.GID.
var storeName = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})$`)

// readStore reads what the daemon keeps below its data-root (with the UID.GID
// where it remaps) while it is down: containers, images, volumes, swarm. The
// files are Docker's own and not documented; what is not as expected is unread.
//
// It returns fs.ErrNotExist where there is no such store.
func ReadStore(h usernskit.Host, root string) (*engine.Engine, error) {
	if _, err := h.ReadDir(root); err != nil {
		return nil, err
	}
	s := storeReader{h, root, &engine.Engine{Source: root, RootDir: root, BuildCache: -1, Unread: map[string]string{}}}
	s.containers()
	s.images()
	s.volumes()
	s.plugins()
	s.swarm()
	// What follows is in a database of Docker's, or known to the daemon only.
	s.Unread["Networks"] = "kept in a database that only the daemon reads"
	s.Unread["Authz"] = "known to the running daemon only"
	return s.Engine, nil
}

type storeReader struct {
	host usernskit.Host
	root string
	*engine.Engine
}

// dir lists a directory of the store. A missing one is empty.
func (s storeReader) dir(part string, elem ...string) []fs.DirEntry {
	list, err := s.host.ReadDir(path.Join(append([]string{s.root}, elem...)...))
	if err != nil && !IsNotExist(err) {
		s.Unread[part] = err.Error()
	}
	return list
}

// file reads a JSON file of the store into v. A missing one is an error too.
func (s storeReader) file(v any, elem ...string) error {
	name := path.Join(append([]string{s.root}, elem...)...)
	data, err := s.host.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s storeReader) images() {
	for _, driver := range s.dir("Images", "image") {
		if !driver.IsDir() {
			continue // identity-cache.db, of Docker 29
		}
		var repos struct {
			Repositories map[string]map[string]string
		}
		err := s.file(&repos, "image", driver.Name(), "repositories.json")
		if IsNotExist(err) {
			continue
		}
		if err != nil {
			s.Unread["Images"] = err.Error()
			continue
		}
		s.Driver = driver.Name()
		byID := map[string]*engine.Image{}
		for _, refs := range repos.Repositories {
			for ref, id := range refs {
				i := byID[id]
				if i == nil {
					i = &engine.Image{ID: id, Size: -1}
					byID[id] = i
				}
				if strings.Contains(ref, "@sha256:") {
					i.Digests = append(i.Digests, ref)
				} else {
					i.Tags = append(i.Tags, ref)
				}
			}
		}
		for _, i := range byID {
			slices.Sort(i.Tags)
			slices.Sort(i.Digests)
			s.Images = append(s.Images, *i)
		}
	}
	slices.SortFunc(s.Images, func(a, b engine.Image) int { return strings.Compare(a.ID, b.ID) })
}

func (s storeReader) volumes() {
	for _, e := range s.dir("Volumes", "volumes") {
		if !e.IsDir() {
			continue // metadata.db, backingFsBlockDev
		}
		v := engine.Volume{Name: e.Name(), Driver: "local", Mountpoint: path.Join(s.root, "volumes", e.Name(), "_data")}
		var opts struct{ MountType, MountOpts, MountDevice string }
		err := s.file(&opts, "volumes", e.Name(), "opts.json")
		switch {
		case err == nil:
			v.Options = map[string]string{"type": opts.MountType, "o": opts.MountOpts, "device": opts.MountDevice}
		case !IsNotExist(err):
			s.Unread["Volumes/"+v.Name] = err.Error()
		}
		s.Volumes = append(s.Volumes, v)
	}
}

func (s storeReader) plugins() {
	for _, e := range s.dir("Plugins", "plugins") {
		var p struct {
			Plugin struct {
				ID      string `json:"Id"`
				Name    string
				Enabled bool
			} `json:"plugin"`
		}
		err := s.file(&p, "plugins", e.Name(), "config.json")
		if IsNotExist(err) {
			continue // storage, tmp
		}
		if err != nil {
			s.Unread["Plugins"] = err.Error()
		} else if p.Plugin.Enabled {
			s.Plugins = append(s.Plugins, engine.Plugin{ID: p.Plugin.ID, Name: p.Plugin.Name})
		}
	}
}

func (s storeReader) swarm() {
	var state struct{ LocalAddr, RemoteAddr string }
	switch err := s.file(&state, "swarm", "docker-state.json"); {
	case err == nil:
		s.Swarm = "active"
	case IsNotExist(err):
		s.Swarm = "inactive"
	default:
		s.Unread["Swarm"] = err.Error()
	}
}

func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Docker's own files of a container, as far as they are looked at.
type (
	configV2 struct {
		ID    string
		Name  string
		Image string
		State struct {
			Running bool
			Pid     int
		}
		Config struct {
			Image  string
			User   string
			Labels map[string]string
		}
		MountPoints map[string]struct {
			Source, Destination, Name, Driver, Type string
			RW                                      bool
		}
		Driver string
	}
	hostConfig struct {
		UsernsMode, NetworkMode, IpcMode, PidMode string
		Privileged                                bool
		GroupAdd                                  []string
		RestartPolicy                             struct{ Name string }
		Runtime                                   string
		Devices                                   []struct{ PathOnHost, PathInContainer string }
	}
)

func (s storeReader) containers() {
	for _, e := range s.dir("Containers", "containers") {
		id := e.Name()
		if !e.IsDir() || len(id) != 64 {
			continue
		}
		var conf configV2
		c := engine.Container{ID: id}
		if err := s.file(&conf, "containers", id, "config.v2.json"); err != nil {
			s.Unread["Containers/"+engine.ShortID(id)] = err.Error()
			c.Unread = true
		}
		var host hostConfig
		if err := s.file(&host, "containers", id, "hostconfig.json"); err != nil {
			s.Unread["Containers/"+engine.ShortID(id)] = err.Error()
			c.Unread = true
		}
		c.Name = strings.TrimPrefix(conf.Name, "/")
		c.Image, c.User, c.Labels = conf.Config.Image, conf.Config.User, conf.Config.Labels
		// The file keeps what was true when the daemon last wrote it.
		c.Running, c.PID = conf.State.Running, conf.State.Pid
		c.Userns, c.Network, c.IPCMode, c.PIDMode = host.UsernsMode, host.NetworkMode, host.IpcMode, host.PidMode
		c.Privileged, c.GroupAdd, c.Restart = host.Privileged, host.GroupAdd, host.RestartPolicy.Name
		c.Runtime = host.Runtime
		for _, d := range host.Devices {
			c.Devices = append(c.Devices, engine.Device{Host: d.PathOnHost, Container: d.PathInContainer})
		}
		for dst, m := range conf.MountPoints {
			source := m.Source
			if source == "" && m.Type == "volume" {
				source = path.Join(s.root, "volumes", m.Name, "_data")
			}
			c.Mounts = append(c.Mounts, engine.Mount{Type: m.Type, Name: m.Name, Source: source, Destination: dst, Driver: m.Driver, ReadOnly: !m.RW})
		}
		slices.SortFunc(c.Mounts, func(a, b engine.Mount) int { return strings.Compare(a.Destination, b.Destination) })
		s.Containers = append(s.Containers, c)
	}
}
