package main

import "github.com/usernskit/usernskit/idspace"

type jsonUse struct {
	ID    uint32   `json:"id"`
	Names []string `json:"names"`
}

type jsonInterval struct {
	Start uint32    `json:"start"`
	Count uint32    `json:"count"`
	Kind  string    `json:"kind"`
	Names []string  `json:"names"`
	File  string    `json:"file"`
	Line  int       `json:"line"`
	Uses  []jsonUse `json:"uses"`
}

type jsonGap struct {
	Start uint32 `json:"start"`
	Count uint32 `json:"count"`
	For   string `json:"for"`
}

type jsonOverlap struct {
	Start   uint32         `json:"start"`
	Count   uint32         `json:"count"`
	Between []jsonInterval `json:"between"`
}

type jsonSpace struct {
	IDs       string         `json:"ids"`
	Intervals []jsonInterval `json:"intervals"`
	Gaps      []jsonGap      `json:"gaps"`
	Overlaps  []jsonOverlap  `json:"overlaps"`
}

type jsonMeaning struct {
	Nth      uint32       `json:"nth"`
	Text     string       `json:"text"`
	Interval jsonInterval `json:"interval"`
}

type jsonDescription struct {
	ID  uint32        `json:"id"`
	UID []jsonMeaning `json:"uid"`
	GID []jsonMeaning `json:"gid"`
}

func intervalJSON(v idspace.Interval) jsonInterval {
	out := jsonInterval{v.Start, v.Count, v.Kind.String(), v.Names, v.File, v.Line, []jsonUse{}}
	for _, u := range v.Uses {
		out.Uses = append(out.Uses, jsonUse{u.ID, append([]string{}, u.Names...)})
	}
	return out
}

func spaceJSON(s idspace.Space) jsonSpace {
	out := jsonSpace{s.IDs.String(), []jsonInterval{}, []jsonGap{}, []jsonOverlap{}}
	for _, v := range s.Intervals() {
		out.Intervals = append(out.Intervals, intervalJSON(v))
	}
	for _, g := range s.Gaps() {
		out.Gaps = append(out.Gaps, jsonGap{g.Start, g.Count, g.For})
	}
	for _, o := range s.Overlaps() {
		out.Overlaps = append(out.Overlaps, jsonOverlap{o.Start, o.Count, []jsonInterval{intervalJSON(o.A), intervalJSON(o.B)}})
	}
	return out
}
