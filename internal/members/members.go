// Package members compares two JSON objects member by member and reverts the
// difference in a third one, keeping every other byte.
package members

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Compare returns what leads from one object to the other. Empty text is an
// object without members. It returns false where one of them is not an object,
// has a name twice, or is not UTF-8.
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
	d.compare(nil, before, a, after, b)
	return d, true
}

func (d *Diff) compare(path []string, before []byte, a node, after []byte, b node) {
	for _, m := range a.members {
		here := append(slices.Clone(path), m.name)
		n, ok := b.member(m.name)
		switch {
		case !ok:
			d.Members = append(d.Members, Member{Path: here, Old: compact(before, m.value)})
		case m.value.object && n.value.object:
			d.compare(here, before, m.value, after, n.value)
		case !bytes.Equal(compact(before, m.value), compact(after, n.value)):
			d.Members = append(d.Members, Member{Path: here, Old: compact(before, m.value), New: compact(after, n.value)})
		}
	}
	for _, m := range b.members {
		if _, ok := a.member(m.name); ok {
			continue
		}
		here := append(slices.Clone(path), m.name)
		if m.value.object && len(m.value.members) > 0 {
			d.Made = append(d.Made, here)
			d.compare(here, nil, node{}, after, m.value)
			continue
		}
		d.Members = append(d.Members, Member{Path: here, New: compact(after, m.value)})
	}
}

// Revert reverts the edit in now. A member that does not have the edit's value
// is left alone, and its path is returned in lost.
func (d *Diff) Revert(now []byte) (data []byte, lost []string, err error) {
	data = now
	for _, m := range slices.Backward(d.Members) {
		top, err := parse(data)
		if err != nil {
			return nil, nil, err
		}
		have, ok := top.find(m.Path)
		switch {
		case ok != (m.New != nil), ok && !bytes.Equal(compact(data, have), m.New):
			lost = append(lost, Pointer(m.Path))
			continue
		case m.Old == nil:
			data = top.remove(data, m.Path)
		case ok:
			data = slices.Concat(data[:have.start], m.Old, data[have.end:])
		default:
			if data, ok = insert(data, m.Path, m.Old); !ok {
				lost = append(lost, Pointer(m.Path))
			}
		}
	}
	for _, path := range slices.Backward(d.Made) {
		top, err := parse(data)
		if err != nil {
			return nil, nil, err
		}
		if n, ok := top.find(path); ok && n.object && len(n.members) == 0 {
			data = top.remove(data, path)
		}
	}
	slices.Reverse(lost)
	return data, lost, nil
}

// Equal reports whether two objects have the same members, in any order.
func Equal(a, b []byte) bool {
	d, ok := Compare(a, b)
	return ok && len(d.Members) == 0 && len(d.Made) == 0
}

// Empty reports whether data is an object without members.
func Empty(data []byte) bool {
	n, err := parse(data)
	return err == nil && len(n.members) == 0
}

// Pointer is the path as a JSON Pointer (RFC 6901).
func Pointer(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// A node is a value and where it is in the text. The members of arrays are not
// looked at.
type node struct {
	start, end int
	object     bool
	members    []member
}

type member struct {
	name  string
	start int // of the name's quotation mark
	colon int // after the name
	value node
}

func (n node) member(name string) (member, bool) {
	for _, m := range n.members {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}

func (n node) find(path []string) (node, bool) {
	for _, name := range path {
		m, ok := n.member(name)
		if !ok {
			return node{}, false
		}
		n = m.value
	}
	return n, true
}

// remove removes an existing member and its comma.
func (n node) remove(data []byte, path []string) []byte {
	parent, _ := n.find(path[:len(path)-1])
	i := slices.IndexFunc(parent.members, func(m member) bool { return m.name == path[len(path)-1] })
	var from, to int
	switch {
	case len(parent.members) == 1:
		from, to = parent.start+1, parent.end-1
	case i == len(parent.members)-1:
		from, to = parent.members[i-1].value.end, parent.members[i].value.end
	default:
		from, to = parent.members[i].start, parent.members[i+1].start
	}
	return slices.Concat(data[:from], data[to:])
}

// insert makes a member at the end of its object, in the layout of the member
// before it. Objects on the way are made too. It returns false if another value
// is in their place.
func insert(data []byte, path []string, value []byte) ([]byte, bool) {
	n, err := parse(data)
	if err != nil {
		return data, false
	}
	depth := 0
	for ; depth < len(path)-1; depth++ {
		m, ok := n.member(path[depth])
		if !ok {
			break
		}
		n = m.value
	}
	if !n.object {
		return data, false
	}
	for i := len(path) - 1; i > depth; i-- {
		value = slices.Concat([]byte("{"), quote(path[i]), []byte(": "), value, []byte("}"))
	}
	name := quote(path[depth])
	if len(n.members) == 0 {
		return slices.Concat(data[:n.start+1], name, []byte(": "), value, data[n.end-1:]), true
	}
	last := n.members[len(n.members)-1]
	before := n.start + 1
	if len(n.members) > 1 {
		before = n.members[len(n.members)-2].value.end
		before += bytes.IndexByte(data[before:], ',') + 1
	}
	return slices.Concat(data[:last.value.end], []byte(","), data[before:last.start],
		name, data[last.colon:last.value.start], value, data[last.value.end:]), true
}

func quote(name string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(name) // a string always has a JSON form
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func compact(data []byte, n node) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, data[n.start:n.end]) // parse has seen that it is valid
	return b.Bytes()
}

func parse(data []byte) (node, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return node{}, errors.New("not JSON")
	}
	p := parser{data: data}
	p.space()
	n := p.value()
	if !n.object {
		return node{}, errors.New("not a JSON object")
	}
	return n, p.err
}

// A parser walks over text that is valid JSON.
type parser struct {
	data []byte
	at   int
	err  error // a name occurs twice
}

func (p *parser) space() {
	for p.at < len(p.data) && strings.IndexByte(" \t\r\n", p.data[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) value() node {
	n := node{start: p.at}
	switch p.data[p.at] {
	case '{':
		n.object = true
		n.members = p.object()
	case '[':
		p.array()
	case '"':
		p.text()
	default:
		for p.at < len(p.data) && strings.IndexByte(",]} \t\r\n", p.data[p.at]) < 0 {
			p.at++
		}
	}
	n.end = p.at
	return n
}

func (p *parser) object() (list []member) {
	names := map[string]bool{}
	for p.at++; ; p.at++ { // after the brace, and after each comma
		p.space()
		if p.data[p.at] == '}' {
			p.at++
			return list
		}
		m := member{start: p.at}
		_ = json.Unmarshal(p.text(), &m.name)
		m.colon = p.at
		p.space()
		p.at++
		p.space()
		m.value = p.value()
		if names[m.name] {
			p.err = fmt.Errorf("%q is there twice", m.name)
		}
		names[m.name] = true
		list = append(list, m)
		p.space()
		if p.data[p.at] == '}' {
			p.at++
			return list
		}
	}
}

// array skips an array.
func (p *parser) array() {
	depth := 0
	for {
		switch p.data[p.at] {
		case '"':
			p.text()
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		p.at++
		if depth == 0 {
			return
		}
	}
}

// text skips a string and returns it with its quotation marks.
func (p *parser) text() []byte {
	start := p.at
	for p.at++; p.data[p.at] != '"'; p.at++ {
		if p.data[p.at] == '\\' {
			p.at++
		}
	}
	p.at++
	return p.data[start:p.at]
}
