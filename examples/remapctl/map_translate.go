package main

import (
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
)

type jsonExtent struct {
	ID     uint32 `json:"id"`
	HostID uint32 `json:"host_id"`
	Count  uint32 `json:"count"`
}

// A jsonSide is a target's map of users or of groups. ToHost and ToContainer are
// there where an ID was asked for, and null where it has no counterpart.
type jsonSide struct {
	Extents     []jsonExtent `json:"extents"`
	ToHost      *uint32      `json:"to_host"`
	ToContainer *uint32      `json:"to_container"`
}

type jsonTranslation struct {
	Target string   `json:"target"`
	ID     *uint32  `json:"id"`
	UID    jsonSide `json:"uid"`
	GID    jsonSide `json:"gid"`
}

func sideJSON(m userns.Map, id *uint32) jsonSide {
	side := jsonSide{Extents: []jsonExtent{}}
	for _, x := range m.Extents() {
		side.Extents = append(side.Extents, jsonExtent(x))
	}
	if id == nil {
		return side
	}
	if host, ok := m.ToHost(*id); ok {
		side.ToHost = &host
	}
	if inside, ok := m.ToContainer(*id); ok {
		side.ToContainer = &inside
	}
	return side
}

// translate says what an ID of the target is on the host, and what the same
// number on the host is in the target.
func (e *env) translate(t target, id uint32) error {
	out := jsonTranslation{t.name, &id, sideJSON(t.mapping.UID, &id), sideJSON(t.mapping.GID, &id)}
	known := false
	for kind, side := range sides(out) {
		if side.ToHost != nil {
			known = true
			e.text("%s %d in %s is %d on the host", kind, id, text.Visible(t.name), *side.ToHost)
		}
	}
	for kind, side := range sides(out) {
		if side.ToContainer != nil {
			known = true
			e.text("%s %d on the host is %d in %s", kind, id, *side.ToContainer, text.Visible(t.name))
		}
	}
	var code error
	if !known {
		e.note("%d is not mapped in %s, in either direction", id, text.Visible(t.name))
		code = findings
	}
	return e.printed(out, code)
}

// showMapping prints all IDs of a target.
func (e *env) showMapping(t target) error {
	out := jsonTranslation{t.name, nil, sideJSON(t.mapping.UID, nil), sideJSON(t.mapping.GID, nil)}
	for kind, side := range sides(out) {
		for _, x := range side.Extents {
			e.text("%s %s in %s is %s on the host", kind, span(x.ID, x.Count), text.Visible(t.name), span(x.HostID, x.Count))
		}
	}
	return e.printed(out, nil)
}

// sides yields both sides, users first.
func sides(t jsonTranslation) func(yield func(string, jsonSide) bool) {
	return func(yield func(string, jsonSide) bool) {
		_ = yield("UID", t.UID) && yield("GID", t.GID)
	}
}
