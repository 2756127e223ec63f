package main

import (
	"bytes"
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
// cannot be seen; code is then incomplete.
func (e *env) sources(ctx context.Context) (from idspace.Sources, code, err error) {
	if from.Set, err = subid.Read(ctx, e.host); err != nil {
		return from, nil, err
	}
	gap := func(what string, err error) {
		e.note("not seen: %s%v", what, err)
		code = incomplete
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
		return from, nil, err
	}
	if _, err := e.host.Stat("/proc/self"); errors.Is(err, fs.ErrNotExist) && !e.host.Live() {
		return from, code, nil // an image: nothing runs in it
	}
	var coverage userns.Coverage
	from.Namespaces, err = idspace.Namespaces(proc.Processes(ctx, userns.Options{Coverage: &coverage}), e.containerNames(ctx))
	if err != nil {
		gap("", err)
	}
	for _, text := range coverage.Gaps() {
		gap("", errors.New(text))
	}
	return from, code, nil
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
	from, code, err := e.sources(ctx)
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
		return e.printed(spaceJSON(space), code)
	case f.svg == "-":
		err = space.WriteSVG(e.out, e.caption())
	case f.svg != "":
		var picture bytes.Buffer
		if err = space.WriteSVG(&picture, e.caption()); err == nil {
			err = os.WriteFile(f.svg, picture.Bytes(), 0o666)
		}
	default:
		err = space.WriteText(e.out, idspace.Text{Width: e.width(), Whole: !terminal(e.out) && os.Getenv("COLUMNS") == "", ASCII: f.ascii || !utf8Locale(), Color: e.color, Caption: e.caption()})
	}
	return cmp.Or(err, code)
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
	from, code, err := e.sources(ctx)
	if err != nil {
		return err
	}
	meanings := func(space idspace.Space) []jsonMeaning {
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
	uid := meanings(idspace.New(idspace.Users, from))
	return e.printed(jsonDescription{id, uid, meanings(idspace.New(idspace.Groups, from))}, code)
}

type jsonSpace struct {
	IDs       idspace.IDs        `json:"ids"`
	Intervals []idspace.Interval `json:"intervals"`
	Gaps      []idspace.Gap      `json:"gaps"`
	Overlaps  []jsonOverlap      `json:"overlaps"`
}

type jsonOverlap struct {
	subid.Range
	Between []idspace.Interval `json:"between"`
}

type jsonDescription struct {
	ID  uint32        `json:"id"`
	UID []jsonMeaning `json:"uid"`
	GID []jsonMeaning `json:"gid"`
}

type jsonMeaning struct {
	Nth      uint32           `json:"nth"`
	Text     string           `json:"text"`
	Interval idspace.Interval `json:"interval"`
}

// intervalJSON makes an empty list of what is nil.
func intervalJSON(v idspace.Interval) idspace.Interval {
	v.Uses = append([]idspace.Use{}, v.Uses...)
	return v
}

func spaceJSON(s idspace.Space) jsonSpace {
	out := jsonSpace{s.IDs, []idspace.Interval{}, append([]idspace.Gap{}, s.Gaps()...), []jsonOverlap{}}
	for _, v := range s.Intervals() {
		out.Intervals = append(out.Intervals, intervalJSON(v))
	}
	for _, o := range s.Overlaps() {
		out.Overlaps = append(out.Overlaps, jsonOverlap{o.Range, []idspace.Interval{intervalJSON(o.A), intervalJSON(o.B)}})
	}
	return out
}
