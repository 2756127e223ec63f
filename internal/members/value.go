package members

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deep the objects and arrays of a text may be nested here.
const MaxDepth = 64

// A Value is a JSON value in a text, which must be valid: gjson and sjson do
// not check it.
type Value struct {
	text       string
	start, end int
	key        string // as it is spelled, "" for an element and for the document
	offset     int    // of the key, or of the value without one
	up         *Value
	index      int // among the items of up
	items      []Value
}

// Root returns the value that text consists of, or nil for white space and null.
func Root(text string) *Value {
	inner := Trim(text)
	if inner == "" || inner == "null" {
		return nil
	}
	start := strings.Index(text, inner)
	return &Value{text: text, start: start, end: start + len(inner), offset: start}
}

// Trim cuts what JSON takes for white space. strings.TrimSpace would cut more.
func Trim(text string) string { return strings.Trim(text, " \t\r\n") }

// Raw is the value as it is spelled.
func (v *Value) Raw() string { return v.text[v.start:v.end] }

// Kind is the first byte of the value: '{' and '[' have items.
func (v *Value) Kind() byte { return v.text[v.start] }

// Offset is where the value begins, with its key if it has one.
func (v *Value) Offset() int { return v.offset }

// Key is the name of a member, as encoding/json and gjson read it, halves of
// surrogate pairs included. An element has its index.
func (v *Value) Key() string {
	switch {
	case v.key == "":
		return strconv.Itoa(v.index)
	case strings.IndexByte(v.key, '\\') < 0:
		return v.key[1 : len(v.key)-1]
	}
	var key string
	if err := json.Unmarshal([]byte(v.key), &key); err != nil {
		panic("BUG: a key that is not a string: " + err.Error())
	}
	return key
}

// Path is the path of the value from the root, nil for the root.
func (v *Value) Path() []string {
	if v == nil || v.up == nil {
		return nil
	}
	return append(v.up.Path(), v.Key())
}

// Items returns the members of an object, or the elements of an array.
func (v *Value) Items() []Value {
	if v == nil {
		return nil
	}
	if v.items != nil || v.Kind() != '{' && v.Kind() != '[' {
		return v.items
	}
	whole := gjson.Result{Type: gjson.JSON, Raw: v.Raw(), Index: v.start}
	whole.ForEach(func(key, value gjson.Result) bool {
		item := Value{text: v.text, start: value.Index, end: value.Index + len(value.Raw), offset: value.Index, up: v, index: len(v.items)}
		if key.Type == gjson.String {
			item.key, item.offset = key.Raw, key.Index
		}
		v.items = append(v.items, item)
		return true
	})
	return v.items
}

// Find follows path as far as there are values, and returns the last one with
// the rest of path. An element of path is a key, or an index where it leads
// into an array.
func (v *Value) Find(path ...string) (*Value, []string) {
	for i, name := range path {
		at := 0
		for at < len(v.Items()) && v.items[at].Key() != name {
			at++
		}
		if at == len(v.Items()) {
			return v, path[i:]
		}
		v = &v.items[at]
	}
	return v, nil
}

// Pointer is the path as a JSON Pointer (RFC 6901).
func Pointer(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// TooDeep returns the offset of the first bracket that is nested deeper than
// limit, or -1. It counts brackets in any text, so that it can run before every
// parser.
func TooDeep(text string, limit int) int {
	deep, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if deep++; deep > limit {
				return i
			}
		case c == '}' || c == ']':
			deep--
		}
	}
	return -1
}
