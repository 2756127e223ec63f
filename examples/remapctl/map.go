package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

type mapFlags struct {
	svg           string
	groups, ascii bool
}

func (e *env) mapCommand(c *cobra.Command) action {
	var f mapFlags
	c.Flags().Int("pid", 0, "target: the namespace of process `P`")
	c.Flags().String("container", "", "target: a container's `NAME` or ID")
	c.Flags().String("file", "", "target: `FILE` with the text of a uid_map, - for stdin")
	c.Flags().BoolVar(&f.groups, "groups", false, "draw groups instead of users")
	c.Flags().StringVar(&f.svg, "svg", "", "draw into `FILE` as SVG, - for stdout")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "draw with ASCII characters only")
	c.MarkFlagsMutuallyExclusive("pid", "container", "file", "svg")
	return func(ctx context.Context, list []string) error {
		var id *uint32
		if len(list) == 1 {
			n, err := parseID(list[0])
			if err != nil {
				return err
			}
			id = &n
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

// parseID reads an argument that is an ID of the host. 4294967295 is none: it
// is (uid_t)-1.
func parseID(arg string) (uint32, error) {
	n, err := strconv.ParseUint(arg, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an ID, which is a number from 0 to 4294967294", arg)
	}
	return uint32(n), nil
}

// engine returns what the daemon reports, or nil if it does not answer: containers
// are then named by their IDs.
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

// notSeen prints what a command could not see, and returns incomplete for any.
func (e *env) notSeen(gaps []string) error {
	for _, gap := range gaps {
		e.note("not seen: %s", gap)
	}
	if len(gaps) > 0 {
		return incomplete
	}
	return nil
}

// target returns the mapping of the namespace that a flag names, and what to call
// it. Without such a flag, name is empty.
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
	data, err := io.ReadAll(io.LimitReader(in, hostfs.MaxFileSize+1))
	if err == nil && len(data) > hostfs.MaxFileSize {
		err = &fs.PathError{Op: "read", Path: name, Err: usernskit.ErrTooLarge}
	}
	return data, err
}

// translate is map with a target.
func (e *env) translate(name string, m userns.Mapping, id *uint32) error {
	out := idspace.Translate(name, m, id)
	for _, line := range out.Lines {
		e.text("%s", line)
	}
	if out.Lines == nil {
		e.note("%d is not mapped in %s, in either direction", *id, text.Visible(name))
		return e.printed(findings, out)
	}
	return e.printed(nil, out)
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
	return e.printed(code, members{"id": id, "uid": meanings(idspace.Users), "gid": meanings(idspace.Groups)})
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
	if f.svg == "" {
		how := idspace.Text{ASCII: f.ascii || !utf8Locale(), Color: e.color}
		if terminal(e.out) || os.Getenv("COLUMNS") != "" {
			how.Width = e.width()
		}
		return cmp.Or(space.WriteText(e.out, how), code)
	}
	var picture bytes.Buffer
	err := space.WriteSVG(&picture)
	switch {
	case err != nil:
	case f.svg == "-":
		_, err = e.out.Write(picture.Bytes())
	default:
		err = os.WriteFile(f.svg, picture.Bytes(), 0o666)
	}
	return cmp.Or(err, code)
}
