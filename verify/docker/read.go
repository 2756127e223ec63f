package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify/engine"
)

// Read asks the daemon at host, "unix:///var/run/docker.sock" or a URL of
// another kind, for everything that the checks need. An empty host means the
// one in the environment, or Docker's default.
//
// The error matches [engine.ErrDown] if nothing listens, or if systemd listens
// for a docker.service that does not run: Read does not start it. A part that
// the daemon refuses is in Engine.Unread, without an error. Containers that end
// in between are left out. An answer that takes more than half a minute is a
// refusal.
func Read(ctx context.Context, host string) (*engine.Engine, error) {
	return read(ctx, host, 30*time.Second)
}

// read waits for each answer no longer than patience: a daemon that hangs still
// accepts connections.
func read(ctx context.Context, host string, patience time.Duration) (*engine.Engine, error) {
	opts := []client.Opt{client.FromEnv, client.WithTimeout(patience)}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	c, err := client.New(opts...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := asleep(ctx, usernskit.Host{}, c.DaemonHost()); err != nil {
		return nil, err
	}
	peer, err := reachable(ctx, c.DaemonHost())
	if err != nil {
		return nil, err
	}
	r := reader{Client: c, engine: &engine.Engine{Source: c.DaemonHost(), PeerPID: peer, BuildCache: -1, Unread: map[string]string{}}}
	first, cancel := context.WithTimeout(ctx, patience) // it may ask for the version too
	defer cancel()
	if err := r.info(first); err != nil {
		if client.IsErrConnectionFailed(err) {
			return nil, fmt.Errorf("%w: %w", engine.ErrDown, err)
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil, fmt.Errorf("no answer within %v: %w", patience, err)
		}
		return nil, err
	}
	r.containers(ctx, 4*patience)
	for part, read := range map[string]func(context.Context) error{
		"Images": r.images, "Volumes": r.volumes, "Networks": r.networks, "Plugins": r.plugins, "BuildCache": r.buildCache,
	} {
		if err := read(ctx); err != nil {
			r.unread(part, err)
		}
	}
	return r.engine, ctx.Err()
}

// reachable distinguishes a daemon that is down from a socket that may not be
// opened, which the client's errors do not. It returns the process that
// listens, or 0 if unknown.
func reachable(ctx context.Context, host string) (peer int, err error) {
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "unix" {
		return 0, nil // the request itself will fail
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", u.Path)
	if err == nil {
		defer conn.Close()
		return peerPID(conn), nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return 0, fmt.Errorf("%w: %w", engine.ErrDown, err)
	}
	return 0, err
}

type reader struct {
	*client.Client
	engine *engine.Engine
}

// unread records that a part could not be read.
func (r reader) unread(part string, err error) { r.engine.Unread[part] = err.Error() }

func (r reader) info(ctx context.Context) error {
	res, err := r.Info(ctx, client.InfoOptions{})
	if err != nil {
		return err
	}
	i, e := res.Info, r.engine
	e.Version = i.ServerVersion
	e.API = r.ClientVersion()
	e.RootDir = i.DockerRootDir
	e.SecurityOptions = i.SecurityOptions
	e.LiveRestore = i.LiveRestoreEnabled
	e.Swarm = string(i.Swarm.LocalNodeState)
	e.Authz = i.Plugins.Authorization
	e.Driver = i.Driver
	for _, pair := range i.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			e.ImageStore = true
		}
	}
	if i.Containerd != nil {
		e.Namespace = i.Containerd.Namespaces.Containers
		e.Containerd = i.Containerd.Address
	}
	return nil
}

func (r reader) images(ctx context.Context) error {
	res, err := r.ImageList(ctx, client.ImageListOptions{})
	// Old engines have "<none>:<none>" and "<none>@<none>" for none.
	isNone := func(name string) bool { return strings.HasPrefix(name, "<none>") }
	for _, i := range res.Items {
		r.engine.Images = append(r.engine.Images, engine.Image{
			ID: i.ID, Size: i.Size, Tags: slices.DeleteFunc(i.RepoTags, isNone), Digests: slices.DeleteFunc(i.RepoDigests, isNone),
		})
	}
	return err
}

func (r reader) volumes(ctx context.Context) error {
	res, err := r.VolumeList(ctx, client.VolumeListOptions{})
	for _, v := range res.Items {
		r.engine.Volumes = append(r.engine.Volumes, engine.Volume{Name: v.Name, Driver: v.Driver, Mountpoint: v.Mountpoint, Options: v.Options})
	}
	return err
}

func (r reader) networks(ctx context.Context) error {
	res, err := r.NetworkList(ctx, client.NetworkListOptions{})
	own := []string{"bridge", "host", "none"} // Docker's own, which every store has
	for _, n := range res.Items {
		if !slices.Contains(own, n.Name) {
			r.engine.Networks = append(r.engine.Networks, n.Name)
		}
	}
	return err
}

func (r reader) plugins(ctx context.Context) error {
	res, err := r.PluginList(ctx, client.PluginListOptions{})
	for _, p := range res.Items {
		if p.Enabled {
			r.engine.Plugins = append(r.engine.Plugins, engine.Plugin{ID: p.ID, Name: p.Name})
		}
	}
	return err
}

// buildCache asks for the build cache alone. Before API 1.42 the daemon measures
// every volume for that, which can take minutes.
func (r reader) buildCache(ctx context.Context) error {
	if before, known := r.engine.Before(42); before || !known {
		return fmt.Errorf("API %s measures all volumes to tell", r.engine.API)
	}
	res, err := r.DiskUsage(ctx, client.DiskUsageOptions{BuildCache: true})
	if err == nil {
		r.engine.BuildCache = res.BuildCache.TotalSize
	}
	return err
}
