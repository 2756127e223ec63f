package members

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// ErrNotObject: a path leads through a value without members.
var ErrNotObject = errors.New("has no members")

// Set puts raw, a JSON value, at path: over the value there, or as a new last
// item in the style of the item before it. "-" is the place behind the last
// element of an array. Missing parents become objects, or an array where the
// next element is "-". A text of white space or null becomes an object first.
func Set(text string, path []string, raw string) (string, error) {
	top := Root(text)
	if top == nil {
		end := newline(text)
		if len(path) == 0 {
			return raw + end, nil
		}
		top = Root("{" + end + "}" + end)
	}
	at, rest := top.Find(path...)
	switch {
	case len(rest) > 0:
		return at.insert(path[:len(path)-len(rest)], rest, raw)
	case len(path) == 0:
		return text[:at.start] + raw + text[at.end:], nil
	}
	// A colon means "a key, not an index", and Escape quotes the characters of
	// sjson's path syntax.
	for i := len(path) - 1; i >= 0; i, at = i-1, at.up {
		rest = append([]string{strconv.Itoa(at.index)}, rest...)
		if at.key != "" {
			rest[0] = ":" + gjson.Escape(path[i])
		}
	}
	return sjson.SetRaw(text, strings.Join(rest, "."), raw)
}

// Delete removes the item at path, with its comma and white space. An object
// that loses its last member stays, empty.
//
// sjson would leave the line of a last member.
func Delete(text string, path []string) string {
	v, rest := Root(text).Find(path...)
	if v == nil || len(rest) > 0 || len(path) == 0 {
		return text
	}
	items := v.up.Items()
	switch i := v.index; {
	case i > 0:
		return text[:items[i-1].end] + text[v.end:]
	case len(items) > 1:
		return text[:v.offset] + text[items[1].offset:]
	}
	start, end := v.up.start+1, v.up.end-1
	before, after := text[start:v.offset], text[v.end:end]
	if line := v.up.lineBefore(); v.key != "" && line != "" && after == line {
		if indent, ok := strings.CutPrefix(before, line); ok && indent != "" && !strings.Contains(indent, "\n") {
			after = "" // opened by Set, or by a person who would have written {}
		}
	}
	return text[:start] + after + text[end:]
}

// Same reports whether two values are equal. White space, the order of members
// and escapes do not count, but the digits of a number do.
func Same(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := decode(a)
	y, errY := decode(b)
	return errors.Join(errX, errY) == nil && reflect.DeepEqual(x, y)
}

func decode(text string) (v any, err error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// White space is copied from the nearest neighbour. The rules consider only
// what is before the new item, so that Delete can restore the text exactly.
//
// The one case that needs a trick is an empty object in a document that has its
// members on lines of their own: Set opens {} over three lines, and Delete closes
// {\n    "k": 1\n  } to {} again. An object that was open before, {\n  }, would
// come out the same, so it gets an empty line before the member.

// insert adds a last item: rest has the names of its new parents and its own.
func (v *Value) insert(path, rest []string, raw string) (string, error) {
	items := v.Items()
	switch here := Pointer(append(path, rest[0])); {
	case v.Kind() == '[' && rest[0] != "-" && rest[0] != strconv.Itoa(len(items)):
		return "", fmt.Errorf("%s: an array of %d elements has no such place; \"-\" is the place behind the last", here, len(items))
	case v.Kind() != '[' && v.Kind() != '{':
		return "", fmt.Errorf("%s: %w: it is %.20s", Pointer(path), ErrNotObject, v.Raw())
	}
	text, style := v.text, v.style(items)
	if len(items) == 0 {
		inner := text[v.start+1 : v.end-1]
		before, after := v.open(inner, style.unit)
		style.line = before
		return text[:v.start+1] + before + style.item(v.Kind(), rest, raw) + after + text[v.end-1:], nil
	}
	last := items[len(items)-1]
	before, after := "", text[v.start+1:last.offset]
	if n := len(items); n > 1 {
		// A comma may start its line, so the text before it counts too.
		before, after, _ = strings.Cut(text[items[n-2].end:last.offset], ",")
	} else if after == "" {
		after = style.colon[strings.IndexByte(style.colon, ':')+1:]
	}
	if before, after = oneLine(before), oneLine(after); strings.Contains(after, "\n") {
		before = ""
	}
	style.line = after
	if strings.Contains(before, "\n") {
		style.line = before
	}
	return text[:last.end] + before + "," + after + style.item(v.Kind(), rest, raw) + text[last.end:], nil
}

// style is how new items are written.
type style struct {
	colon string // from the end of a key to its value
	line  string // the white space before the item
	unit  string // what one level is indented by
	pad   string // between bracket and item, where they share a line
}

func (v *Value) style(items []Value) style {
	s := style{colon: ": ", unit: "  "}
	top := v
	for top.up != nil {
		top = top.up
	}
	if members := top.Items(); len(members) > 0 {
		s.colon = members[0].colon(s.colon)
		lead := v.text[top.start+1 : members[0].offset]
		if _, indent, ok := strings.Cut(oneLine(lead), "\n"); ok {
			outer := v.text[strings.LastIndexByte(v.text[:top.start], '\n')+1 : top.start]
			if unit := strings.TrimPrefix(indent, outer); unit != "" {
				s.unit = unit
			}
		}
	}
	if n := len(items); n > 0 {
		s.colon = items[n-1].colon(s.colon)
		if pad := v.text[v.start+1 : items[0].offset]; !strings.Contains(pad, "\n") {
			s.pad = pad
		}
	}
	return s
}

// colon returns the colon of a member with the space around it, or other for an
// element of an array and for a value on a line of its own.
func (v *Value) colon(other string) string {
	c := v.text[v.offset+len(v.key) : v.start]
	if c == "" || strings.Contains(c, "\n") {
		return other
	}
	return c
}

// item writes an item: rest[0] is its key, unless it goes into an array, and
// the others are the keys of objects around raw.
func (s style) item(kind byte, rest []string, raw string) string {
	value := raw
	if len(rest) > 1 {
		inner, outer := "{", "}"
		if rest[1] == "-" {
			inner, outer = "[", "]"
		}
		before, after := s.pad, s.pad
		if strings.Contains(s.line, "\n") && inner == "{" {
			after = s.line
			s.line += s.unit
			before = s.line
		}
		value = inner + before + s.item(inner[0], rest[1:], raw) + after + outer
	}
	if kind == '[' {
		return value
	}
	return Quote(rest[0]) + s.colon + value
}

// open returns the white space before and after the first item of an empty
// object or array that holds inner.
func (v *Value) open(inner, unit string) (before, after string) {
	line := v.lineBefore() // "" in a document of one line
	switch {
	case strings.Contains(inner, "\n"):
		before = oneLine(inner) + unit
		if inner == line {
			before = newline(inner) + before
		}
		return before, inner
	case inner == "" && line != "" && v.Kind() == '{':
		return line + unit, line
	}
	return inner, inner
}

// lineBefore returns the line break and indentation before an item, or "" where
// it does not start a line.
func (v *Value) lineBefore() string {
	lead := v.text[len(strings.TrimRight(v.text[:v.offset], " \t\r\n")):v.offset]
	if v.up == nil || !strings.Contains(lead, "\n") {
		return ""
	}
	return oneLine(lead)
}

// oneLine cuts white space before its last line break, so that an empty line
// between members is not copied.
func oneLine(space string) string {
	i := strings.LastIndexByte(space, '\n')
	if i < 0 {
		return space
	}
	return newline(space[:i+1]) + space[i+1:]
}

// newline returns the kind of line break that text ends its last line with.
func newline(text string) string {
	if i := strings.LastIndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Quote writes a key as JSON, with <, > and & as they are.
func Quote(key string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(key); err != nil {
		panic("BUG: a string that is not JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
