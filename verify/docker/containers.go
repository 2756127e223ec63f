package docker

import (
	"context"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/usernskit/usernskit/verify/engine"
)

// containers lists all containers and inspects each, since the list does not
// show user namespaces. Those not reached within patience are unread.
func (r reader) containers(ctx context.Context, patience time.Duration) {
	list, err := r.list(ctx)
	if err != nil {
		r.unread("Containers", err)
		return
	}
	failed := map[string]error{}
	inspect, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, c := range list {
		res, err := r.ContainerInspect(inspect, c.ID, client.ContainerInspectOptions{})
		// A container that is being removed is still in the list.
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such container") {
			continue
		}
		if err != nil {
			failed[c.ID] = err
			continue
		}
		r.engine.Containers = append(r.engine.Containers, convert(res.Container))
	}
	if len(failed) == 0 {
		return
	}
	// A container that is not listed any more has ended, which is not a
	// failure.
	list, err = r.list(ctx)
	if err != nil {
		r.unread("Containers", err)
		return
	}
	for _, c := range list {
		if err := failed[c.ID]; err != nil {
			name := c.ID
			if len(c.Names) > 0 {
				name = strings.TrimPrefix(c.Names[0], "/")
			}
			r.unread("Containers/"+name, err)
			r.engine.Containers = append(r.engine.Containers, engine.Container{ID: c.ID, Name: name, Image: c.Image, Labels: c.Labels, Running: c.State == "running" || c.State == "paused", Unread: true})
		}
	}
}

func (r reader) list(ctx context.Context) ([]container.Summary, error) {
	res, err := r.ContainerList(ctx, client.ContainerListOptions{All: true})
	return res.Items, err
}

func convert(i container.InspectResponse) engine.Container {
	c := engine.Container{ID: i.ID, Name: strings.TrimPrefix(i.Name, "/"), Image: i.Image}
	if i.State != nil {
		// A paused container runs; a restarting one has no process.
		c.Running = i.State.Running && i.State.Pid > 0
		c.PID = i.State.Pid
		c.Restarting = i.State.Restarting
	}
	if i.Config != nil {
		c.Image, c.User, c.Labels = i.Config.Image, i.Config.User, i.Config.Labels
	}
	if h := i.HostConfig; h != nil {
		c.Userns, c.Network, c.IPCMode, c.PIDMode = string(h.UsernsMode), string(h.NetworkMode), string(h.IpcMode), string(h.PidMode)
		c.Privileged, c.GroupAdd, c.Restart = h.Privileged, h.GroupAdd, string(h.RestartPolicy.Name)
		c.Runtime = h.Runtime
		for _, d := range h.Devices {
			c.Devices = append(c.Devices, engine.Device{Host: d.PathOnHost, Container: d.PathInContainer})
		}
	} else {
		c.Unread = true
	}
	for _, m := range i.Mounts {
		c.Mounts = append(c.Mounts, engine.Mount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination, Driver: m.Driver, ReadOnly: !m.RW,
		})
	}
	return c
}
