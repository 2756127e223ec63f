package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
)

type mapFlags struct {
	pid                  int
	container, file, svg string
	groups, ascii        bool
}

func (e *env) mapCommand(c *cobra.Command) action {
	var f mapFlags
	c.Flags().IntVar(&f.pid, "pid", 0, "target: the namespace of process `P`")
	c.Flags().StringVar(&f.container, "container", "", "target: a container's `NAME` or ID")
	c.Flags().StringVar(&f.file, "file", "", "target: `FILE` with the text of a uid_map, - for stdin")
	c.Flags().BoolVar(&f.groups, "groups", false, "draw groups instead of users")
	c.Flags().StringVar(&f.svg, "svg", "", "draw into `FILE` as SVG, - for stdout")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "draw with ASCII characters only")
	c.MarkFlagsMutuallyExclusive("pid", "container", "file", "svg")
	return func(ctx context.Context, list []string) error {
		var id *uint32
		if len(list) == 1 {
			n, err := strconv.ParseUint(list[0], 10, 32)
			if err != nil || n == 1<<32-1 {
				return fmt.Errorf("%q is not an ID, which is a number from 0 to 4294967294", list[0])
			}
			id = new(uint32(n))
		}
		name, mapping, err := e.target(ctx, c, f)
		switch {
		case err != nil:
			return err
		case f.svg != "" && (id != nil || e.json):
			return errors.New("--svg draws the whole host: it takes no ID and no --json")
		case name != "":
			return e.translate(name, mapping, id)
		case id != nil:
			return e.describe(ctx, *id)
		}
		return e.draw(ctx, f)
	}
}

// target finds the namespace that a flag names, and what to call it: nothing
// where there is no such flag.
func (e *env) target(ctx context.Context, c *cobra.Command, f mapFlags) (name string, m userns.Mapping, err error) {
	proc, err := e.proc()
	flag, given := "", c.Flags().Changed
	switch {
	case err != nil:
		return "", m, err
	case given("pid"):
		flag, name = "pid", fmt.Sprintf("process %d", f.pid)
		m, err = proc.Mapping(f.pid)
	case given("container"):
		flag, name = "container", f.container
		m, err = e.container(ctx, proc, f.container)
	case given("file"):
		flag, name = "file", f.file
		m, err = e.mapFile(f.file)
	default:
		return "", m, nil
	}
	if err == nil && m.IsZero() {
		err = errors.New("no IDs are mapped there")
	}
	if err != nil {
		err = fmt.Errorf("--%s %v: %w", flag, c.Flags().Lookup(flag).Value, err)
	}
	return name, m, err
}

// proc is the host's /proc.
func (e *env) proc() (userns.FS, error) {
	if e.host.Live() {
		return userns.FS{}, nil
	}
	root, err := e.host.Path("/proc")
	return userns.FS{Root: root}, err
}

// container finds a container by the beginning of its ID, which the kernel
// tells, and otherwise asks the daemon for its name.
func (e *env) container(ctx context.Context, proc userns.FS, name string) (userns.Mapping, error) {
	found := map[string][]userns.Process{}
	if len(name) >= 6 && strings.Trim(name, "0123456789abcdef") == "" {
		for p, err := range proc.Processes(ctx, userns.Options{}) {
			if err == nil && strings.HasPrefix(p.ContainerID, name) {
				found[p.ContainerID] = append(found[p.ContainerID], p)
			}
		}
	}
	if len(found) > 1 {
		return userns.Mapping{}, fmt.Errorf("ambiguous ID prefix: %s", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
	}
	for _, list := range found {
		// The outermost init is the container's first process, and has its user
		// namespace; others may have made one of their own.
		depth := func(p userns.Process) int {
			if p.IsInit() {
				return len(p.NSPID)
			}
			return math.MaxInt
		}
		first := slices.MinFunc(list, func(a, b userns.Process) int { return cmp.Compare(depth(a), depth(b)) })
		if !first.IsInit() && slices.ContainsFunc(list, func(p userns.Process) bool { return !p.Mapping.Equal(first.Mapping) }) {
			return userns.Mapping{}, errors.New("its processes are in several user namespaces, and none is its first; give one of them as --pid")
		}
		return first.Mapping, nil
	}
	if !e.host.Live() {
		return userns.Mapping{}, errors.New("no process is in a container of that ID, and a --root has no daemon to ask for a name")
	}
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return userns.Mapping{}, fmt.Errorf("the daemon cannot be asked for the name; give the ID or --pid: %w", err)
	}
	switch c := engine.Container(name); {
	case c == nil:
		return userns.Mapping{}, errors.New("no such container")
	case !c.Running:
		return userns.Mapping{}, errors.New("is not running, so it has no IDs")
	default:
		return proc.Mapping(c.PID)
	}
}

// mapFile reads a file of this machine, not of the --root.
func (e *env) mapFile(name string) (userns.Mapping, error) {
	in := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return userns.Mapping{}, err
		}
		defer f.Close()
		in = f
	}
	data, err := bounded(in)
	if err != nil {
		return userns.Mapping{}, err
	}
	m, err := userns.ParseMap(name, data)
	return userns.Mapping{UID: m, GID: m}, err
}

// bounded reads what may be a file of the host, with the limit of one.
func bounded(in io.Reader) ([]byte, error) {
	const limit = 16 << 20
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && len(data) > limit {
		err = usernskit.ErrTooLarge
	}
	return data, err
}

// A jsonSide is a target's map of users or of groups. ToHost and ToContainer are
// there where an ID was asked for, and null where it has no counterpart.
type jsonSide struct {
	Extents     []jsonExtent `json:"extents"`
	ToHost      *uint32      `json:"to_host"`
	ToContainer *uint32      `json:"to_container"`
}

type jsonExtent struct {
	ID     uint32 `json:"id"`
	HostID uint32 `json:"host_id"`
	Count  uint32 `json:"count"`
}

type jsonTranslation struct {
	Target string   `json:"target"`
	ID     *uint32  `json:"id"`
	UID    jsonSide `json:"uid"`
	GID    jsonSide `json:"gid"`
}

// translate says what an ID of the target is on the host, and what the same
// number on the host is in the target; without an ID, what all of them are.
func (e *env) translate(name string, m userns.Mapping, id *uint32) error {
	out := jsonTranslation{Target: name, ID: id}
	var there, back []string
	for _, side := range []struct {
		kind string
		m    userns.Map
		json *jsonSide
	}{{"UID", m.UID, &out.UID}, {"GID", m.GID, &out.GID}} {
		side.json.Extents = []jsonExtent{}
		for _, x := range side.m.Extents() {
			side.json.Extents = append(side.json.Extents, jsonExtent(x))
			if id == nil {
				there = append(there, fmt.Sprintf("%s %s in %s is %s on the host", side.kind, span(x.ID, x.Count), text.Visible(name), span(x.HostID, x.Count)))
			}
		}
		if id == nil {
			continue
		}
		if host, ok := side.m.ToHost(*id); ok {
			side.json.ToHost = &host
			there = append(there, fmt.Sprintf("%s %d in %s is %d on the host", side.kind, *id, text.Visible(name), host))
		}
		if inside, ok := side.m.ToContainer(*id); ok {
			side.json.ToContainer = &inside
			back = append(back, fmt.Sprintf("%s %d on the host is %d in %s", side.kind, *id, inside, text.Visible(name)))
		}
	}
	for _, line := range append(there, back...) {
		e.text("%s", line)
	}
	if there != nil || back != nil {
		return e.printed(out, nil)
	}
	e.note("%d is not mapped in %s, in either direction", *id, text.Visible(name))
	return e.printed(out, findings)
}
