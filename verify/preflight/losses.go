package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/verify/engine"
)

// listed is the maximum number of names in a [Loss].
const listed = 20

// disappears adds what the store in use holds.
func (p *preflight) disappears() {
	e := p.Engine
	add := func(kind string, names []string, bytes int64, format string, args ...any) {
		slices.Sort(names)
		p.out.Disappear = append(p.out.Disappear, Loss{
			Kind: kind, Count: len(names), Bytes: bytes, Text: fmt.Sprintf(format, args...),
			Names: names[:min(len(names), listed)], Where: e.RootDir,
		})
	}
	if names, lost, size := images(e.Images); len(names) > 0 {
		said := text.Count(len(names), "image", "images")
		if size >= 0 {
			said += ", " + text.Bytes(size)
		}
		if len(lost) > 0 {
			said += fmt.Sprintf(", %d of them cannot be pulled again; docker save them before: %s", len(lost), some(lost))
		}
		add("images", names, size, "%s", said)
	}
	if e.ImageStore {
		add("storage", []string{e.Driver}, -1, "containerd's image store (%s): remapping switches it off, and dockerd keeps images and layers in a graph driver, overlay2 as a rule; what only that store can do, such as images of several platforms and attestations, goes with it", e.Driver)
	}
	var running, stopped []string
	for i := range e.Containers {
		if c := &e.Containers[i]; c.Running {
			running = append(running, c.String())
		} else {
			stopped = append(stopped, c.String())
		}
	}
	if all := append(slices.Clone(running), stopped...); len(all) > 0 {
		add("containers", all, -1, "%s (%d running), to be created again: %s", text.Count(len(all), "container", "containers"), len(running), some(all))
	}
	var volumes []string
	for _, v := range e.Volumes {
		volumes = append(volumes, v.Name)
	}
	if len(volumes) > 0 {
		add("volumes", volumes, -1, "%s: %s", text.Count(len(volumes), "volume, and a new and empty one takes its name", "volumes, and new and empty ones take their names"), some(volumes))
	}
	if len(e.Networks) > 0 {
		add("networks", slices.Clone(e.Networks), -1, "%s: %s", text.Count(len(e.Networks), "network, whose bridge stays on the host and may clash with a new one", "networks, whose bridges stay on the host and may clash with new ones"), some(e.Networks))
	}
	if e.Swarm != "" && e.Swarm != "inactive" {
		add("swarm", []string{"swarm"}, -1, "membership in the swarm: the node drops out")
	}
	if len(e.Plugins) > 0 {
		var names []string
		for _, p := range e.Plugins {
			names = append(names, p.Name)
		}
		add("plugins", names, -1, "%s, to be installed again: %s", text.Count(len(names), "managed plugin", "managed plugins"), some(names))
	}
	if e.BuildCache > 0 {
		add("build-cache", []string{"build cache"}, e.BuildCache, "the build cache, %s", text.Bytes(e.BuildCache))
	}
}

// images returns the names of all images, of those that no registry has, and
// their size, -1 if not known.
func images(list []engine.Image) (names, lost []string, size int64) {
	for _, i := range list {
		name := engine.ShortID(strings.TrimPrefix(i.ID, "sha256:"))
		if len(i.Tags) > 0 {
			name = i.Tags[0]
		}
		names = append(names, name)
		if len(i.Digests) == 0 {
			lost = append(lost, name)
		}
		if i.Size < 0 || size < 0 {
			size = -1
			continue
		}
		size += i.Size
	}
	return names, lost, size
}

// some names the first few of a list.
func some(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	if n := len(list); n > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", n-5)
	}
	return strings.Join(list, ", ")
}
