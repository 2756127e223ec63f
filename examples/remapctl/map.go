package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
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
		name, mapping, err := e.target(ctx, c)
		switch {
		case err != nil:
			return err
		case f.svg != "" && (id != nil || e.json):
			return errors.New("--svg draws the whole host: it takes no ID and no --json")
		case name != "":
			return e.translate(name, mapping, id)
		}
		from, gaps, err := idspace.Read(ctx, e.host, e.engine(ctx).NameOf)
		if err != nil {
			return err
		}
		code := e.notSeen(gaps)
		if id != nil {
			return e.describe(*id, from, code)
		}
		return e.draw(f, from, code)
	}
}

// engine is what the daemon says, and nil where it does not answer: then IDs have
// to do as names.
func (e *env) engine(ctx context.Context) *engine.Engine {
	ask := e.look().Docker
	if ask == nil {
		return nil
	}
	daemon, err := ask(ctx)
	if err != nil && !errors.Is(err, engine.ErrDown) {
		e.note("names of containers are not known: %v", err)
	}
	return daemon
}

// notSeen says what a command could not see.
func (e *env) notSeen(gaps []string) error {
	for _, gap := range gaps {
		e.note("not seen: %s", gap)
	}
	if len(gaps) > 0 {
		return incomplete
	}
	return nil
}

// target finds the namespace that a flag names, and what to call it: nothing
// where there is no such flag.
func (e *env) target(ctx context.Context, c *cobra.Command) (name string, m userns.Mapping, err error) {
	root, err := e.host.Path("/proc")
	if err != nil {
		return "", m, err
	}
	proc := userns.FS{Root: root}
	for _, flag := range []string{"pid", "container", "file"} {
		if !c.Flags().Changed(flag) {
			continue
		}
		name = c.Flags().Lookup(flag).Value.String()
		switch flag {
		case "pid":
			pid, _ := c.Flags().GetInt(flag)
			m, err = proc.Mapping(pid)
		case "container":
			m, err = docker.Mapping(ctx, proc, e.look().Docker, name)
		case "file":
			var data []byte
			if data, err = e.read(name); err == nil {
				m.UID, err = userns.ParseMap(name, data)
				m.GID = m.UID
			}
		}
		if err == nil && m.IsZero() {
			err = errors.New("no IDs are mapped there")
		}
		if err != nil {
			return "", m, fmt.Errorf("--%s %s: %w", flag, name, err)
		}
		if flag == "pid" {
			name = "process " + name
		}
	}
	return name, m, nil
}

// read reads a file of this machine, not of the --root, or "-" for stdin, with
// the limit of a host's file.
func (e *env) read(name string) ([]byte, error) {
	in := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	const limit = 16 << 20
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && len(data) > limit {
		err = usernskit.ErrTooLarge
	}
	return data, err
}

type jsonTranslation struct {
	Target string   `json:"target"`
	ID     *uint32  `json:"id"`
	UID    jsonSide `json:"uid"`
	GID    jsonSide `json:"gid"`
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

// translate says what an ID of the target is on the host, and what the same
// number on the host is in the target; without an ID, what all of them are.
func (e *env) translate(name string, m userns.Mapping, id *uint32) error {
	var there, back []string
	shown := text.Visible(name)
	side := func(kind string, m userns.Map) jsonSide {
		out := jsonSide{Extents: []jsonExtent{}}
		for _, x := range m.Extents() {
			out.Extents = append(out.Extents, jsonExtent(x))
			if id == nil {
				there = append(there, fmt.Sprintf("%s %s in %s is %s on the host", kind, span(x.ID, x.Count), shown, span(x.HostID, x.Count)))
			}
		}
		if id != nil {
			out.ToHost, out.ToContainer = counterpart(m.ToHost(*id)), counterpart(m.ToContainer(*id))
		}
		if out.ToHost != nil {
			there = append(there, fmt.Sprintf("%s %d in %s is %d on the host", kind, *id, shown, *out.ToHost))
		}
		if out.ToContainer != nil {
			back = append(back, fmt.Sprintf("%s %d on the host is %d in %s", kind, *id, *out.ToContainer, shown))
		}
		return out
	}
	out := jsonTranslation{name, id, side("UID", m.UID), side("GID", m.GID)}
	lines := append(there, back...)
	for _, line := range lines {
		e.text("%s", line)
	}
	if lines == nil {
		e.note("%d is not mapped in %s, in either direction", *id, shown)
		return e.printed(findings, out)
	}
	return e.printed(nil, out)
}

// counterpart is what an ID is on the other side; nil if it is not mapped.
func counterpart(id uint32, mapped bool) *uint32 {
	if !mapped {
		return nil
	}
	return &id
}

type jsonDescription struct {
	ID  uint32            `json:"id"`
	UID []idspace.Meaning `json:"uid"`
	GID []idspace.Meaning `json:"gid"`
}

// describe is map with an ID and without a target.
func (e *env) describe(id uint32, from idspace.Sources, code error) error {
	meanings := func(of idspace.IDs) []idspace.Meaning {
		list := idspace.New(of, from).Describe(id)
		for _, m := range list {
			e.text("%s %d: %s", of, id, m.Text)
		}
		if len(list) == 0 {
			e.text("%s %d: free", of, id)
		}
		return list
	}
	return e.printed(code, jsonDescription{id, meanings(idspace.Users), meanings(idspace.Groups)})
}

// draw is map without an ID.
func (e *env) draw(f mapFlags, from idspace.Sources, code error) error {
	of := idspace.Users
	if f.groups {
		of = idspace.Groups
	}
	space := idspace.New(of, from)
	if e.json {
		return e.printed(code, space)
	}
	name, _ := e.host.ReadFile("/etc/hostname")
	host := text.Visible(strings.TrimSpace(string(name)))
	if host == "" && e.host.Live() {
		host, _ = os.Hostname()
	}
	caption := cmp.Or(host, "the host") + ", " + time.Now().Format("2006-01-02 MST")
	var picture bytes.Buffer
	how := idspace.Text{ASCII: f.ascii || !utf8Locale(), Color: e.color, Caption: caption}
	if terminal(e.out) || os.Getenv("COLUMNS") != "" {
		how.Width = e.width()
	}
	write := func() error { return space.WriteText(&picture, how) }
	if f.svg != "" {
		write = func() error { return space.WriteSVG(&picture, caption) }
	}
	if err := write(); err != nil {
		return err
	}
	if f.svg != "" && f.svg != "-" {
		return cmp.Or(os.WriteFile(f.svg, picture.Bytes(), 0o666), code)
	}
	_, err := e.out.Write(picture.Bytes())
	return cmp.Or(err, code)
}
