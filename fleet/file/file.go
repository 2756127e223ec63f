// Package file keeps the claims of a fleet in one text file, for fleets whose
// configuration management distributes files.
//
//	# web servers
//	web1 = 0
//	web2 = 1 dockremap released
//
// A line is HOST = SLOT, then the owner ("dockremap" if left out) and the state
// ("applied" if left out). Under the policy of one slot for each owner HOST is
// "*". A "#" starts a comment. Comments, blank lines and order are kept.
package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/subid"
)

// A Registry is a file of claims. It identifies hosts by name: two hosts with
// one name are one host. Programs that change the file wait for each other by a
// lock on "PATH.lock"; if an editor changes it without the lock, nothing is
// written.
type Registry struct {
	Path string // of the file, on this machine, absolute; it need not exist
}

// everywhere is the host of a claim for all hosts.
const everywhere = "*"

// A line is one line of the file, and its claim.
type line struct {
	raw   string       // its newline included
	claim *fleet.Claim // nil for a blank line or a comment
}

// List yields the claims in the order of the lines.
func (r Registry) List(ctx context.Context) iter.Seq2[fleet.Claim, error] {
	return func(yield func(fleet.Claim, error) bool) {
		_, lines, err := r.read()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(fleet.Claim{}, err)
			return
		}
		for _, l := range lines {
			if l.claim != nil && !yield(*l.claim, nil) {
				return
			}
		}
	}
}

// Claim writes a line for c, or changes the existing line of the slot.
func (r Registry) Claim(ctx context.Context, c fleet.Claim) error {
	if c.Machine != "" && c.Host == "" {
		return fmt.Errorf("%s: the host has no name, and this file identifies hosts by name", r.Path)
	}
	c.Machine = "" // the file does not have it
	root := hostfs.Root("")
	lock, err := root.Flock(ctx, r.Path+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	before, lines, err := r.read()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(lines, func(l line) bool { return l.claim != nil && l.claim.Slot == c.Slot })
	var have *fleet.Claim
	if at >= 0 {
		have = lines[at].claim
	}
	next, err := c.Over(have)
	if err != nil || next == nil {
		return err
	}
	back, err := parseLine(format(*next))
	if err != nil || back == nil || back.Host != next.Host || back.Owner != next.Owner {
		return fmt.Errorf("%s: a line cannot have the host %q and the owner %q", r.Path, next.Host, next.Owner)
	}
	after := write(lines, at, *next)
	if bytes.Equal(before, after) {
		return nil
	}
	meta := hostfs.NewMeta(0o644)
	if before != nil {
		if meta, err = root.Meta(r.Path); err != nil {
			return err
		}
	}
	return hostfs.Writer{Root: root}.Replace(r.Path, before, after, meta)
}

// read returns the file's bytes, nil if it does not exist, and its lines.
func (r Registry) read() ([]byte, []line, error) {
	data, err := hostfs.Root("").ReadFile(r.Path, hostfs.MaxFileSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	lines, err := parse(r.Path, data)
	return data, lines, err
}

// parse reads every line. Two claims of one slot are an error: IDs would be
// given twice.
func parse(name string, data []byte) ([]line, error) {
	var lines []line
	slots := map[int]int{}
	for raw := range strings.Lines(string(data)) {
		c, err := parseLine(raw)
		number := len(lines) + 1
		if err == nil && c != nil {
			if first, ok := slots[c.Slot]; ok {
				err = fmt.Errorf("slot %d is claimed by line %d too", c.Slot, first)
			}
			slots[c.Slot] = number
		}
		if err != nil {
			return nil, &usernskit.FileError{File: name, Line: number, Err: err}
		}
		lines = append(lines, line{raw, c})
	}
	return lines, nil
}

// parseLine returns nil for a blank line or a comment.
func parseLine(raw string) (*fleet.Claim, error) {
	text, _, _ := strings.Cut(raw, "#")
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	host, rest, ok := strings.Cut(text, "=")
	host = strings.TrimSpace(host)
	words := strings.Fields(rest)
	if !ok || len(strings.Fields(host)) != 1 || len(words) < 1 || len(words) > 3 {
		return nil, errors.New("not HOST = SLOT [OWNER [STATE]]")
	}
	slot, err := strconv.Atoi(words[0])
	if err != nil || strings.Trim(words[0], "0123456789") != "" {
		return nil, fmt.Errorf("%q is not the number of a slot", words[0])
	}
	words = append(words, "", "")
	var state fleet.State
	if err := state.UnmarshalText([]byte(cmp.Or(words[2], string(fleet.Applied)))); err != nil {
		return nil, err
	}
	if host == everywhere {
		host = ""
	}
	return &fleet.Claim{Slot: slot, Host: host, Owner: cmp.Or(words[1], subid.Dockremap), State: state}, nil
}

// write returns the file with the claim in line at, or in a new last line where
// at is -1. The comment of a changed line, its blanks before the comment and its
// line ending stay.
func write(lines []line, at int, c fleet.Claim) []byte {
	var b strings.Builder
	ending := "\n"
	for i, l := range lines {
		if strings.HasSuffix(l.raw, "\r\n") {
			ending = "\r\n"
		}
		if i == at && format(*l.claim) != format(c) {
			body := strings.TrimRight(l.raw, "\r\n")
			text, _, _ := strings.Cut(body, "#")
			blanks := len(text) - len(strings.TrimRight(text, " \t"))
			b.WriteString(format(c) + text[len(text)-blanks:] + l.raw[len(text):])
		} else {
			b.WriteString(l.raw)
		}
	}
	if at < 0 {
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteString(ending)
		}
		b.WriteString(format(c) + ending)
	}
	return []byte(b.String())
}

func format(c fleet.Claim) string {
	return fmt.Sprintf("%s = %d %s %s", cmp.Or(c.Host, everywhere), c.Slot, c.Owner, c.State)
}
