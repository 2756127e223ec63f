package daemoncfg

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// Limits of what [Parse] takes. dockerd has none for the size, and 10000 for
// the depth; no daemon.json that a person wrote comes near either.
const (
	MaxSize  = 1 << 20 // bytes
	MaxDepth = 64      // objects and arrays around a value
)

// A Document is a daemon.json with every byte of it. An edit changes the bytes
// of one member and keeps all others; a failed edit changes nothing.
type Document struct {
	name string
	now  pieces
	// members are those of the document's object, as the gate saw them when it
	// went over the text, to save a walk over it. They are nil, which says
	// nothing, where the gate had to look twice, and after an edit.
	members []item
	// blank is what stood in the document's place before it had an object:
	// nothing, white space or null. It comes back when the last member goes.
	blank    string
	wasBlank bool
}

// Parse reads a daemon.json as strictly as the strictest dockerd from 20.10 to
// 29 does: what any of them refuses is an error, a [*usernskit.FileError] that
// matches [ErrInvalid] and says which of them does what. Refused beyond that
// are duplicate keys (dockerd takes the last, most editors the first) and
// documents beyond [MaxSize] or [MaxDepth].
//
// An empty file, white space and null are configurations without members.
// dockerd 20.10 does not start with the first two: see [Document.Lint].
//
// The name is for errors and is never opened.
func Parse(name string, data []byte) (*Document, error) {
	text := string(data)
	members, err := gate(name, text)
	if err != nil {
		return nil, err
	}
	d := &Document{name: name, now: pieces{head: text}, members: members}
	if inner := trim(text); inner == "" || inner == "null" {
		d.blank, d.wasBlank = text, true
	}
	return d, nil
}

// Name is the name that the document was parsed with.
func (d *Document) Name() string { return d.name }

// Bytes returns the document. Without an edit it is what Parse was given.
func (d *Document) Bytes() []byte {
	out := make([]byte, 0, d.now.size())
	out = append(out, d.now.head...)
	out = append(out, d.now.with...)
	return append(out, d.now.tail...)
}

// put makes text the document.
func (d *Document) put(text pieces) { d.now, d.members = text, nil }

// text is the document for those who look into it.
func (d *Document) text() string { return d.now.join() }

// Get returns the value at path as it is spelled in the document, and whether
// there is one. An element of path is a key, or an index where it leads into
// an array. No path at all is the whole document.
func (d *Document) Get(path ...string) (json.RawMessage, bool) {
	text := d.text()
	steps, ok := d.walk(text, path)
	if !ok {
		return nil, false
	}
	return json.RawMessage(steps[len(steps)-1].value.of(text)), true
}

// Position returns line and column, both from 1, of the key at path, or of the
// value where it is no member of an object. It returns 0, 0 for what is absent.
func (d *Document) Position(path ...string) (line, col int) {
	text := d.text()
	steps, ok := d.walk(text, path)
	if !ok {
		return 0, 0
	}
	start := steps[len(steps)-1].value.start
	if n := len(steps) - 1; n > 0 {
		start = steps[n-1].items[steps[n-1].index].start()
	}
	return position(text, start)
}

// isBlank reports whether the document has no object to put members in.
func (d *Document) isBlank() bool { return d.wasBlank && d.text() == d.blank }

// Pieces are a text as an edit leaves it: what stands before it, what it has
// put in, and what stands behind. They are joined when they are read. A
// document is as a rule edited once and written then, which is one copy of it
// instead of two.
type pieces struct{ head, with, tail string }

func (p pieces) size() int { return len(p.head) + len(p.with) + len(p.tail) }

func (p pieces) join() string {
	if p.size() == len(p.head) {
		return p.head
	}
	return p.head + p.with + p.tail
}

// A span is a stretch of the document, by byte offsets.
type span struct{ start, end int }

func (s span) of(text string) string { return text[s.start:s.end] }

// An item is a member of an object, or an element of an array: then it has no
// key.
type item struct{ key, value span }

func (it item) start() int {
	if it.key.end > 0 {
		return it.key.start
	}
	return it.value.start
}

// items returns what the object or array at s holds.
func items(text string, s span) []item {
	var list []item
	whole := gjson.Result{Type: gjson.JSON, Raw: s.of(text), Index: s.start}
	whole.ForEach(func(key, value gjson.Result) bool {
		it := item{value: span{value.Index, value.Index + len(value.Raw)}}
		if key.Type == gjson.String {
			it.key = span{key.Index, key.Index + len(key.Raw)}
		}
		list = append(list, it)
		return true
	})
	return list
}

// root is the span of the document's object.
func root(text string) span {
	inner := trim(text)
	start := strings.Index(text, inner)
	return span{start, start + len(inner)}
}

// trim cuts what JSON takes for white space. strings.TrimSpace would cut more.
func trim(text string) string { return strings.Trim(text, " \t\r\n") }
