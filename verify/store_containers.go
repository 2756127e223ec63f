package verify

import (
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/verify/engine"
)

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
