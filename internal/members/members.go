// Package members finds, sets and deletes the members of a JSON object in its
// text, keeping every other byte, and reverts what an edit did to them.
package members

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// A Diff is what an edit did to the members of a JSON object, the members of
// objects inside it included. Other values, arrays too, are taken whole.
type Diff struct {
	Members []Member `json:"members"`
	// Made are the objects that the edit made. Revert removes them if they are
	// empty.
	Made [][]string `json:"made,omitempty"`
}

// A Member is one that the edit made, changed or removed. Old and New are JSON
// values, nil where there was no such member.
type Member struct {
	Path []string        `json:"path"`
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

// Compare returns the edit that turns before into after. Empty text is an object
// without members. Compare returns false where one of the texts is not an object,
// has a name twice, is not UTF-8 or is nested more than [MaxDepth] deep.
func Compare(before, after []byte) (*Diff, bool) {
	if len(bytes.TrimSpace(before)) == 0 {
		before = []byte("{}")
	}
	a, err := parse(before)
	if err != nil {
		return nil, false
	}
	b, err := parse(after)
	if err != nil {
		return nil, false
	}
	d := &Diff{}
	d.compare(nil, a, b)
	return d, true
}

func (d *Diff) compare(path []string, before, after *Value) {
	for _, m := range before.Items() {
		here := append(slices.Clone(path), m.Key())
		n, rest := after.Find(m.Key())
		switch {
		case len(rest) > 0:
			d.Members = append(d.Members, Member{Path: here, Old: m.compact()})
		case m.Kind() == '{' && n.Kind() == '{':
			d.compare(here, &m, n)
		case !bytes.Equal(m.compact(), n.compact()):
			d.Members = append(d.Members, Member{Path: here, Old: m.compact(), New: n.compact()})
		}
	}
	for _, m := range after.Items() {
		if _, rest := before.Find(m.Key()); before != nil && len(rest) == 0 {
			continue
		}
		here := append(slices.Clone(path), m.Key())
		if m.Kind() == '{' && len(m.Items()) > 0 {
			d.Made = append(d.Made, here)
			d.compare(here, nil, &m)
			continue
		}
		d.Members = append(d.Members, Member{Path: here, New: m.compact()})
	}
}

// Revert reverts the edit in now. A member that does not have the edit's value
// is left alone, and its path is returned in lost.
func (d *Diff) Revert(now []byte) (data []byte, lost []string, err error) {
	if _, err := parse(now); err != nil {
		return nil, nil, err
	}
	text := string(now)
	for _, m := range slices.Backward(d.Members) {
		have, rest := Root(text).Find(m.Path...)
		there := len(rest) == 0
		switch {
		case there != (m.New != nil), there && !Same(have.Raw(), string(m.New)):
			lost = append(lost, Pointer(m.Path))
		case m.Old == nil:
			text = Delete(text, m.Path)
		default:
			edited, err := Set(text, m.Path, string(m.Old))
			if err != nil {
				lost = append(lost, Pointer(m.Path))
				continue
			}
			text = edited
		}
	}
	for _, path := range slices.Backward(d.Made) {
		if v, rest := Root(text).Find(path...); len(rest) == 0 && v.Kind() == '{' && len(v.Items()) == 0 {
			text = Delete(text, path)
		}
	}
	slices.Reverse(lost)
	return []byte(text), lost, nil
}

// Equal reports whether two objects have the same members, in any order.
func Equal(a, b []byte) bool {
	d, ok := Compare(a, b)
	return ok && len(d.Members) == 0 && len(d.Made) == 0
}

// Empty reports whether data is an object without members.
func Empty(data []byte) bool {
	v, err := parse(data)
	return err == nil && len(v.Items()) == 0
}

func (v *Value) compact() json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(v.Raw())) // parse has checked the syntax
	return b.Bytes()
}

// parse reads an object whose members have different names.
func parse(data []byte) (*Value, error) {
	text := string(data)
	v := Root(text)
	if v == nil || v.Kind() != '{' || !utf8.Valid(data) || TooDeep(text, MaxDepth) >= 0 || !json.Valid(data) {
		return nil, errors.New("not a JSON object")
	}
	return v, v.unique()
}

// unique returns an error if an object has a name twice.
func (v *Value) unique() error {
	names := map[string]bool{}
	for _, m := range v.Items() {
		if names[m.Key()] {
			return fmt.Errorf("%q is there twice", m.Key())
		}
		names[m.Key()] = true
		if m.Kind() == '{' {
			if err := m.unique(); err != nil {
				return err
			}
		}
	}
	return nil
}
