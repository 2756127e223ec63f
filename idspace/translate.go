package idspace

import (
	"fmt"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
)

// A Translation is what the IDs of a namespace are on the host, and back.
type Translation struct {
	Target string  `json:"target"` // what the namespace is called
	ID     *uint32 `json:"id"`     // the ID that was asked for; null: all of them
	UID    Side    `json:"uid"`
	GID    Side    `json:"gid"`
	// Lines are the same in words, from the inside to the host first. There are
	// none for an ID that is not mapped in either direction.
	Lines []string `json:"-"`
}

// A Side is the users or the groups of a [Translation].
type Side struct {
	Extents []Extent `json:"extents"`
	// ToHost is what the ID inside is on the host, ToContainer what the ID on the
	// host is inside; null where it is not mapped.
	ToHost      *uint32 `json:"to_host"`
	ToContainer *uint32 `json:"to_container"`
}

// An Extent is a [userns.Extent], as JSON has it.
type Extent struct {
	ID     uint32 `json:"id"`
	HostID uint32 `json:"host_id"`
	Count  uint32 `json:"count"`
}

// Translate translates an ID both ways, or all IDs of a namespace if it is nil.
func Translate(target string, m userns.Mapping, id *uint32) Translation {
	t := Translation{Target: target, ID: id}
	name := text.Visible(target)
	var back []string
	side := func(of IDs, m userns.Map) Side {
		s := Side{Extents: []Extent{}}
		for _, e := range m.Extents() {
			s.Extents = append(s.Extents, Extent(e))
			if id == nil {
				line := fmt.Sprintf("%s %s in %s is %s on the host", of, text.IDs(e.ID, e.Count), name, text.IDs(e.HostID, e.Count))
				t.Lines = append(t.Lines, line)
			}
		}
		if id == nil {
			return s
		}
		if host, ok := m.ToHost(*id); ok {
			s.ToHost = &host
			t.Lines = append(t.Lines, fmt.Sprintf("%s %d in %s is %d on the host", of, *id, name, host))
		}
		if inside, ok := m.ToContainer(*id); ok {
			s.ToContainer = &inside
			back = append(back, fmt.Sprintf("%s %d on the host is %d in %s", of, *id, inside, name))
		}
		return s
	}
	t.UID, t.GID = side(Users, m.UID), side(Groups, m.GID)
	t.Lines = append(t.Lines, back...)
	return t
}
