// Package store reads what a dockerd, running or not, keeps on disk: containers
// with the options that matter for user namespaces, images, volumes, plugins.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// A Store is what a dockerd keeps below its data-root or, while it remaps, below
// the directory UID.GID in it. The files are not documented: a part that is not
// as expected is in Unread, and is never taken for empty.
type Store struct {
	Root       string
	Driver     string // the storage driver, "" where no image was stored
	Containers []Container
	Images     []Image
	Volumes    []Volume
	Plugins    []Plugin
	Swarm      bool // the node is part of a swarm
	// Unread is why something could not be read, by the name of the field or
	// "Containers/ID".
	Unread map[string]string
}

// A Container is one container of a store and its options that matter for user
// namespaces.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	Running         bool // when dockerd last wrote the file
	Restarting      bool // has ended, and dockerd will start it again
	PID             int  // of its first process, on the host; 0 when not running
	User            string
	GroupAdd        []string
	Restart         string // the restart policy: "always"
	Runtime         string // "runc", "sysbox-runc"; "" where not known

	Userns, Network, IPCMode, PIDMode string // "", "host", "container:ID", ...
	Privileged                        bool

	Mounts  []Mount
	Devices []Device
	// Unread: one of its two files could not be read, or the daemon did not show
	// it. Then zero fields mean unknown.
	Unread bool
}

// A Mount is a volume or bind mount of a container.
type Mount struct {
	Type, Name, Driver  string
	Source, Destination string // on the host, and in the container
	ReadOnly            bool
}

// A Device is a device of the host given to a container.
type Device struct{ Host, Container string }

// An Image is an image by its ID.
type Image struct {
	ID      string
	Tags    []string // "busybox:latest"
	Digests []string // "busybox@sha256:..."; none: it cannot be pulled again
	Size    int64    // bytes; -1 where not known
}

// A Volume is a named or anonymous volume.
type Volume struct {
	Name, Driver, Mountpoint string
	Options                  map[string]string // of the driver local: "type", "o", "device"
}

// A Plugin is a managed plugin. Its name may be unknown.
type Plugin struct {
	ID, Name string
	Enabled  bool
}

// String returns the container's name, or its short ID.
func (c Container) String() string {
	if c.Name == "" {
		return c.ID[:min(12, len(c.ID))]
	}
	return c.Name
}

// An Option is an option of docker run that a container was created with.
type Option struct {
	Name  string // "--network"
	Field string // of HostConfig: "NetworkMode"
	Value string // "host", "container:NAME"
}

// Target is the name or ID of the container whose namespace the option joins.
func (o Option) Target() string { return strings.TrimPrefix(o.Value, joins) }

const joins = "container:"

// Joins returns the options by which a container joins another's namespaces.
func (c *Container) Joins() []Option {
	return slices.DeleteFunc(c.shared(), func(o Option) bool { return !strings.HasPrefix(o.Value, joins) })
}

// WithHost returns the options by which a container is privileged or shares
// namespaces with the host.
func (c *Container) WithHost() []Option {
	list := slices.DeleteFunc(c.shared(), func(o Option) bool { return o.Value != "host" })
	if c.Privileged {
		list = append([]Option{{Name: "--privileged", Field: "Privileged", Value: "true"}}, list...)
	}
	return list
}

func (c *Container) shared() []Option {
	return []Option{{"--network", "NetworkMode", c.Network}, {"--pid", "PidMode", c.PIDMode}, {"--ipc", "IpcMode", c.IPCMode}}
}

// String returns the option as docker run takes it.
func (o Option) String() string {
	if o.Field == "Privileged" {
		return o.Name
	}
	return o.Name + "=" + o.Value
}

// Read reads the store below root, while the daemon is up or down. The
// error matches [fs.ErrNotExist] where there is no such directory.
func Read(h usernskit.Host, root string) (*Store, error) {
	if _, err := h.ReadDir(root); err != nil {
		return nil, err
	}
	s := &Store{Root: root, Unread: map[string]string{}}
	s.readContainers(h)
	s.readImages(h)
	s.readVolumes(h)
	s.readPlugins(h)
	switch _, err := h.Stat(path.Join(root, "swarm/docker-state.json")); {
	case err == nil:
		s.Swarm = true
	case !errors.Is(err, fs.ErrNotExist):
		s.Unread["Swarm"] = err.Error()
	}
	return s, nil
}

// Name is the name of the store of a map in which these are container root: the
// directory UID.GID below the data-root.
func Name(uid, gid uint32) string { return fmt.Sprintf("%d.%d", uid, gid) }

// ParseName returns the IDs in the last element of a path such as
// "/var/lib/docker/100000.100000". A store without remapping has none.
func ParseName(dir string) (uid, gid uint32, ok bool) {
	name := path.Base(dir)
	if _, err := fmt.Sscanf(name, "%d.%d", &uid, &gid); err != nil || Name(uid, gid) != name {
		return 0, 0, false
	}
	return uid, gid, true
}

// Remapped lists the remapped stores below a data-root, each a directory UID.GID.
func Remapped(h usernskit.Host, dataRoot string) ([]string, error) {
	entries, err := h.ReadDir(dataRoot)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var stores []string
	for _, e := range entries {
		if _, _, ok := ParseName(e.Name()); ok {
			stores = append(stores, path.Join(dataRoot, e.Name()))
		}
	}
	return stores, nil
}

// dir lists a directory of the store. A missing one is empty.
func (s *Store) dir(h usernskit.Host, part string) []fs.DirEntry {
	entries, err := h.ReadDir(path.Join(s.Root, strings.ToLower(part)))
	if part == "Images" {
		entries, err = h.ReadDir(path.Join(s.Root, "image"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Unread[part] = err.Error()
	}
	return entries
}

// file reads a JSON file of the store into v. A missing one is an error too.
func (s *Store) file(h usernskit.Host, v any, elem ...string) error {
	name := path.Join(append([]string{s.Root}, elem...)...)
	data, err := h.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// containerFile is the part of config.v2.json that is used here.
type containerFile struct {
	Name  string
	State struct {
		Running bool
		Pid     int
	}
	Config struct {
		Image, User string
		Labels      map[string]string
	}
	MountPoints map[string]struct {
		Source, Name, Driver, Type string
		RW                         bool
	}
}

// hostFile is the part of hostconfig.json that is used here.
type hostFile struct {
	UsernsMode, NetworkMode, IpcMode, PidMode string
	Privileged                                bool
	GroupAdd                                  []string
	RestartPolicy                             struct{ Name string }
	Devices                                   []struct{ PathOnHost, PathInContainer string }
}

func (s *Store) readContainers(h usernskit.Host) {
	for _, e := range s.dir(h, "Containers") {
		id := e.Name()
		if !e.IsDir() || len(id) != 64 {
			continue
		}
		var conf containerFile
		var host hostFile
		err := errors.Join(s.file(h, &conf, "containers", id, "config.v2.json"), s.file(h, &host, "containers", id, "hostconfig.json"))
		if err != nil {
			s.Unread["Containers/"+id[:12]] = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		c := Container{
			ID: id, Name: strings.TrimPrefix(conf.Name, "/"), Unread: err != nil,
			Image: conf.Config.Image, User: conf.Config.User, Labels: conf.Config.Labels,
			Running: conf.State.Running, PID: conf.State.Pid,
			Userns: host.UsernsMode, Network: host.NetworkMode, IPCMode: host.IpcMode, PIDMode: host.PidMode,
			Privileged: host.Privileged, GroupAdd: host.GroupAdd, Restart: host.RestartPolicy.Name,
		}
		for _, d := range host.Devices {
			c.Devices = append(c.Devices, Device{d.PathOnHost, d.PathInContainer})
		}
		for dst, m := range conf.MountPoints {
			source := m.Source
			if source == "" && m.Type == "volume" {
				source = path.Join(s.Root, "volumes", m.Name, "_data")
			}
			c.Mounts = append(c.Mounts, Mount{Type: m.Type, Name: m.Name, Source: source, Destination: dst, Driver: m.Driver, ReadOnly: !m.RW})
		}
		slices.SortFunc(c.Mounts, func(a, b Mount) int { return strings.Compare(a.Destination, b.Destination) })
		s.Containers = append(s.Containers, c)
	}
}

func (s *Store) readImages(h usernskit.Host) {
	for _, driver := range s.dir(h, "Images") {
		if !driver.IsDir() {
			continue // identity-cache.db, of Docker 29
		}
		var repos struct {
			Repositories map[string]map[string]string
		}
		err := s.file(h, &repos, "image", driver.Name(), "repositories.json")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			s.Unread["Images"] = err.Error()
			continue
		}
		s.Driver = driver.Name()
		byID := map[string]*Image{}
		for _, refs := range repos.Repositories {
			for ref, id := range refs {
				i := byID[id]
				if i == nil {
					i = &Image{ID: id, Size: -1}
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
	slices.SortFunc(s.Images, func(a, b Image) int { return strings.Compare(a.ID, b.ID) })
}

func (s *Store) readVolumes(h usernskit.Host) {
	for _, e := range s.dir(h, "Volumes") {
		if !e.IsDir() {
			continue // metadata.db, backingFsBlockDev
		}
		v := Volume{Name: e.Name(), Driver: "local", Mountpoint: path.Join(s.Root, "volumes", e.Name(), "_data")}
		var opts struct{ MountType, MountOpts, MountDevice string }
		err := s.file(h, &opts, "volumes", e.Name(), "opts.json")
		switch {
		case err == nil:
			v.Options = map[string]string{"type": opts.MountType, "o": opts.MountOpts, "device": opts.MountDevice}
		case !errors.Is(err, fs.ErrNotExist):
			s.Unread["Volumes/"+v.Name] = err.Error()
		}
		s.Volumes = append(s.Volumes, v)
	}
}

func (s *Store) readPlugins(h usernskit.Host) {
	for _, e := range s.dir(h, "Plugins") {
		var p struct {
			Plugin struct {
				Name    string
				Enabled bool
			} `json:"plugin"`
		}
		err := s.file(h, &p, "plugins", e.Name(), "config.json")
		if errors.Is(err, fs.ErrNotExist) {
			continue // storage, tmp
		}
		if err != nil {
			s.Unread["Plugins"] = err.Error()
		}
		s.Plugins = append(s.Plugins, Plugin{ID: e.Name(), Name: p.Plugin.Name, Enabled: p.Plugin.Enabled})
	}
}
