package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/usernskit/usernskit/internal/fstype"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// A Move is data that remapped containers see as nobody's until its owners are
// moved into the range, in place or in a copy.
type Move struct {
	Path   string `json:"path"`
	Volume string `json:"volume,omitempty"` // the name of a volume, whose copy belongs in the new store
	From   string `json:"from,omitempty"`   // the host IDs, START:COUNT; empty where the map is not a single range
	To     string `json:"to,omitempty"`     // those of the containers, likewise

	Files   int   `json:"files"`    // to be moved, of those that were counted within a bounded time
	Bytes   int64 `json:"bytes"`    // that all of those take on the disk
	AtLeast bool  `json:"at_least"` // not all were counted
	// Seconds is about how long it takes here to move the owners of these files,
	// rounded up.
	Seconds int `json:"seconds"`
	// Command is the command for it, set by the program that prints the
	// forecast.
	Command string `json:"command,omitempty"`
}

// Bounds of what is counted, for each directory and for all of them.
const (
	countedFiles = 50_000
	countedTime  = 500 * time.Millisecond
	countedAll   = 5 * time.Second
)

// moves counts what is in the directories and in the volumes of the store in use.
func (p *preflight) moves(ctx context.Context) {
	if p.want.IsZero() {
		return
	}
	if !p.out.InForce {
		for _, v := range p.Engine.Volumes {
			if v.Driver == "local" && v.Mountpoint != "" && v.Options["device"] == "" && v.Options["type"] == "" {
				p.out.Moves = append(p.out.Moves, Move{Path: v.Mountpoint, Volume: v.Name})
			}
		}
	}
	from, err := shift.Identity(p.want)
	if err != nil {
		return
	}
	end := time.Now().Add(countedAll)
	var list []Move
	for _, m := range p.out.Moves {
		dir, err := p.Host.Path(m.Path)
		if at := p.Disk.Mounts.Value.At(dir); at != nil && fstype.Remote(at.FSType) {
			continue // the server has the owners
		}
		var s shift.Sample
		if err == nil {
			s, err = shift.Look(ctx, dir, from, p.want, countedFiles, min(countedTime, max(time.Until(end), time.Millisecond)))
		}
		switch {
		case facts.IsNotExist(err) || errors.Is(err, shift.ErrNotSupported) || s.Whole && s.Idle():
			continue
		case err != nil:
			p.out.Unknown = append(p.out.Unknown, fmt.Sprintf("what is in %s: %v", m.Path, err))
			continue
		}
		m.From, m.To, _ = facts.Movable(m.Path, 0, 0, p.want)
		m.Files, m.Bytes, m.AtLeast, m.Seconds = s.Todo, s.Bytes, !s.Whole, int(math.Ceil(s.Time().Seconds()))
		list = append(list, m)
	}
	p.out.Moves = append([]Move{}, list...)
}

func (m Move) String() string {
	what := m.Path
	if m.Volume != "" {
		what = "volume " + m.Volume
	}
	atLeast := ""
	if m.AtLeast {
		atLeast = "at least "
	}
	return fmt.Sprintf("%s: %s%s, %s; moving the owners takes %s%d s", what, atLeast, text.Count(m.Files, "file", "files"), text.Bytes(m.Bytes), cmp.Or(atLeast, "about "), m.Seconds)
}
