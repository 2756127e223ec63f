package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/docker"
)

// sources gathers what the ID space is made of, and says on stderr what of it
// cannot be seen; seen is then false.
func (e *env) sources(ctx context.Context) (from idspace.Sources, seen bool, err error) {
	if from.Set, err = subid.Read(ctx, e.host); err != nil {
		return from, false, err
	}
	seen = true
	gap := func(what string, err error) {
		e.note("not seen: %s%v", what, err)
		seen = false
	}
	setting, err := daemoncfg.Current(ctx, e.host)
	if err == nil && setting.On {
		from.Remap, err = setting.Remap.Account(ctx, e.host)
	}
	if err != nil {
		gap("the account that dockerd remaps to: ", err)
	}
	proc, err := e.proc()
	if err != nil {
		return from, false, err
	}
	if _, err := e.host.Stat("/proc/self"); errors.Is(err, fs.ErrNotExist) && !e.host.Live() {
		return from, seen, nil // an image: nothing runs in it
	}
	var coverage userns.Coverage
	from.Namespaces, err = idspace.Namespaces(proc.Processes(ctx, userns.Options{Coverage: &coverage}), e.containerNames(ctx))
	if err != nil {
		gap("", err)
	}
	for _, text := range coverage.Gaps() {
		gap("", errors.New(text))
	}
	return from, seen, nil
}

// containerNames returns a function from IDs to names; it knows none where the
// daemon does not answer.
func (e *env) containerNames(ctx context.Context) func(string) string {
	if !e.host.Live() {
		return nil
	}
	engine, _ := docker.Read(ctx, "") // without it the IDs have to do
	return func(id string) string {
		if c := engine.Container(id); c != nil {
			return c.Name
		}
		return ""
	}
}

// draw is map without an ID.
func (e *env) draw(ctx context.Context, f mapFlags) error {
	from, seen, err := e.sources(ctx)
	if err != nil {
		return err
	}
	of := idspace.Users
	if f.groups {
		of = idspace.Groups
	}
	space := idspace.New(of, from)
	switch {
	case e.json:
		err = e.printed(spaceJSON(space), nil)
	case f.svg == "-":
		err = space.WriteSVG(e.out, e.caption())
	case f.svg != "":
		err = e.writeSVG(f.svg, space)
	default:
		err = space.WriteText(e.out, idspace.Text{Width: e.width(), Whole: !terminal(e.out) && os.Getenv("COLUMNS") == "", ASCII: f.ascii || !utf8Locale(), Color: e.color, Caption: e.caption()})
	}
	if err == nil && !seen {
		return incomplete
	}
	return err
}

func (e *env) writeSVG(file string, space idspace.Space) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(space.WriteSVG(f, e.caption()), f.Close())
}

// caption says which host a picture is of, and when it was drawn.
func (e *env) caption() string {
	name, _ := e.host.ReadFile("/etc/hostname")
	host := text.Visible(strings.TrimSpace(string(name)))
	if host == "" && e.host.Live() {
		host, _ = os.Hostname()
	}
	return cmp.Or(host, "the host") + ", " + time.Now().Format("2006-01-02 MST")
}

// describe is map with an ID and without a target.
func (e *env) describe(ctx context.Context, id uint32) error {
	from, seen, err := e.sources(ctx)
	if err != nil {
		return err
	}
	out := jsonDescription{ID: id}
	out.UID = e.meanings(idspace.New(idspace.Users, from), id)
	out.GID = e.meanings(idspace.New(idspace.Groups, from), id)
	var code error
	if !seen {
		code = incomplete
	}
	return e.printed(out, code)
}

func (e *env) meanings(space idspace.Space, id uint32) []jsonMeaning {
	list := []jsonMeaning{}
	for _, m := range space.Describe(id) {
		e.text("%s %d: %s", space.IDs, id, m)
		list = append(list, jsonMeaning{m.Nth, m.String(), intervalJSON(m.Interval)})
	}
	if len(list) == 0 {
		e.text("%s %d: free", space.IDs, id)
	}
	return list
}
