package daemoncfg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Set puts value, which is JSON, at path. An element of path is a key, or an
// index where it leads into an array, with "-" or the array's length for a new
// last element.
//
// An existing value is replaced unless it is equal; white space, the order of
// members and escapes do not count, but the digits of a number do. A new member
// comes last in its object and copies the line, indentation and colon of the
// member before it. Missing parents become objects in the same style, or an
// array where the next element is "-". The value is inserted byte for byte.
//
// [Document.Delete] of what Set has added (of the topmost new parent) restores
// the document.
func (d *Document) Set(path []string, value json.RawMessage) error {
	raw, err := d.checkValue(string(value), path)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return d.setAll(raw)
	}
	old := *d
	if d.isBlank() {
		old.now = openBlank(d.blank)
	}
	text := old.now
	steps, found := old.walk(text, path)
	var next string
	if found {
		if sameJSON(steps[len(path)].value.of(text), raw) {
			return nil
		}
		next, err = replace(text, steps, path, raw)
	} else {
		next, err = insert(text, steps, path, raw)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return d.grow(next)
}

// setAll replaces the whole document, and leaves the white space around it.
func (d *Document) setAll(raw string) error {
	if raw[0] != '{' {
		return fmt.Errorf("%s: %w", d.name, &problem{"the whole document must be an object", ErrInvalid})
	}
	text := d.now
	old := root(text)
	switch {
	case d.isBlank():
		return d.grow(raw + newline(text))
	case sameJSON(old.of(text), raw):
		return nil
	}
	return d.grow(splice(text, old, raw))
}

// grow makes text the document, if it is not too large.
func (d *Document) grow(text string) error {
	if len(text) > MaxSize {
		return fmt.Errorf("%s: %w", d.name, &problem{"the document would be larger than 1 MiB", ErrInvalid})
	}
	d.now = text
	return nil
}

// checkValue applies the gate of documents to a value.
func (d *Document) checkValue(value string, path []string) (string, error) {
	const name = "the new value"
	for _, p := range path {
		if !utf8.ValidString(p) {
			return "", fmt.Errorf("%s: the key %q is not UTF-8", d.name, p)
		}
	}
	raw := trim(value)
	return raw, gateValue(name, raw, len(path))
}

// gateValue is the gate for a new value with so many parents around it.
func gateValue(name, raw string, parents int) error {
	if len(raw) > MaxSize {
		return at(name, "", 0, "more than 1 MiB")
	}
	if err := encoding(name, raw); err != nil {
		return err
	}
	if raw == "" || parents > maxDepth || tooDeep(raw, maxDepth-parents) >= 0 {
		return at(name, "", 0, "nothing, or nested more than %d deep with its parents", maxDepth)
	}
	if err := valid(name, raw); err != nil {
		return err
	}
	return sound(name, raw, span{0, len(raw)})
}

// replace lets sjson replace the value at the end of steps by raw. The path for
// sjson consists of existing elements: a colon means "a key, not an index", and
// Escape quotes the characters of its path syntax.
func replace(text string, steps []step, path []string, raw string) (string, error) {
	elements := make([]string, len(path))
	for i, name := range path {
		if steps[i].kind(text) == '{' {
			elements[i] = ":" + gjson.Escape(name)
		} else {
			elements[i] = strconv.Itoa(steps[i].index)
		}
	}
	return sjson.SetRaw(text, strings.Join(elements, "."), raw)
}

// insert puts raw and its missing parents into the last of steps.
func insert(text string, steps []step, path []string, raw string) (string, error) {
	n := len(steps) - 1
	parent, name := steps[n], path[n]
	switch parent.kind(text) {
	case '{':
	case '[':
		if i, ok := arrayIndex(name); name != "-" && (!ok || i > len(parent.items)) {
			return "", fmt.Errorf("%s: an array of %d elements has no such place; \"-\" is the place behind the last", pointer(path[:n+1]), len(parent.items))
		}
	default:
		return "", fmt.Errorf("%s: %w: it is %.20s", pointer(path[:n]), ErrNotObject, parent.value.of(text))
	}
	return insertLast(text, steps, path[n:], raw), nil
}

// sameJSON reports whether two values are equal. Numbers are equal if they are
// spelled alike.
func sameJSON(a, b string) bool {
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

// Delete removes the member or element at path, with its comma and white space.
// If it is absent, nothing happens. An object that loses its last member stays,
// empty.
//
// sjson would leave the line of a last member.
func (d *Document) Delete(path ...string) error {
	if len(path) == 0 {
		return fmt.Errorf("%s: %w", d.name, errors.New("the whole document cannot be deleted"))
	}
	text := d.now
	steps, found := d.walk(text, path)
	if !found {
		return nil
	}
	next := cut(text, steps[:len(path)])
	if d.wasBlank && len(items(next, root(next))) == 0 {
		next = d.blank
	}
	d.now = next
	return nil
}

// cut removes the item that the last of steps points to.
func cut(text string, steps []step) string {
	at := steps[len(steps)-1]
	list, i := at.items, at.index
	switch {
	case i > 0:
		return splice(text, span{list[i-1].value.end, list[i].value.end}, "")
	case len(list) > 1:
		return splice(text, span{list[0].start(), list[1].start()}, "")
	}
	inner := span{at.value.start + 1, at.value.end - 1}
	before, after := text[inner.start:list[0].start()], text[list[0].value.end:inner.end]
	if line := lineBefore(text, steps); at.kind(text) == '{' && line != "" && after == line {
		if indent, ok := strings.CutPrefix(before, line); ok && indent != "" && !strings.Contains(indent, "\n") {
			after = "" // opened by Set, or by a person who would have written {}
		}
	}
	return splice(text, inner, after)
}

// Merge applies a patch by RFC 7396: a null member deletes, an object is merged
// into the existing one, and anything else is set, all or nothing, as by
// [Document.Set] and [Document.Delete].
func (d *Document) Merge(patch json.RawMessage) error {
	raw := trim(string(patch))
	if err := gateValue("the patch", raw, 0); err != nil {
		return err
	}
	if raw[0] != '{' {
		return fmt.Errorf("the patch: %w: it has to be an object", &problem{"not an object", ErrInvalid})
	}
	next := *d
	if err := next.merge(raw, nil); err != nil {
		return err
	}
	*d = next
	return nil
}

func (d *Document) merge(patch string, path []string) error {
	for _, it := range items(patch, root(patch)) {
		at := append(slices.Clone(path), unquote(it.key.of(patch)))
		value := it.value.of(patch)
		there, found := d.Get(at...)
		var err error
		switch {
		case value == "null":
			err = d.Delete(at...)
		case value[0] == '{' && found && there[0] == '{':
			err = d.merge(value, at)
		case value[0] == '{':
			err = d.Set(at, json.RawMessage(withoutNulls(value)))
		default:
			err = d.Set(at, json.RawMessage(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutNulls removes null members from an object and those in it, as a patch
// does for new objects.
func withoutNulls(object string) string {
	d := Document{now: object}
	for _, it := range items(object, root(object)) {
		key, value := unquote(it.key.of(object)), it.value.of(object)
		switch {
		case value == "null":
			_ = d.Delete(key) // it exists
		case value[0] == '{':
			if inner := withoutNulls(value); inner != value {
				_ = d.Set([]string{key}, json.RawMessage(inner)) // an object can be set there
			}
		}
	}
	return d.now
}

// White space is copied from the nearest neighbour. The rules consider only
// what is before the new member, so that Delete can restore the document
// exactly.
//
// The one case that needs a trick is an object with nothing in it, inside of a
// document that has its members on lines: {} is opened over three lines, and
// Delete closes {\n    "k": 1\n  } to {} again. An object that was kept open,
// {\n  }, would come out the same, so it gets an empty line before the member.

// insertLast adds an item to the container at the end of steps: rest is its
// name and those of new parents.
func insertLast(text string, steps []step, rest []string, raw string) string {
	at := steps[len(steps)-1]
	style := styleOf(text, steps)
	if len(at.items) == 0 {
		inner := text[at.value.start+1 : at.value.end-1]
		before, after := open(text, steps, inner)
		style.line = before
		return splice(text, span{at.value.start + 1, at.value.end - 1},
			before+newItem(at.kind(text), rest, raw, style)+after)
	}
	last := at.items[len(at.items)-1]
	before, after := "", text[at.value.start+1:last.start()]
	if n := len(at.items); n > 1 {
		// A comma may start its line, so the text before it counts too.
		before, after, _ = strings.Cut(text[at.items[n-2].value.end:last.start()], ",")
	} else if after == "" {
		after = style.space()
	}
	if before, after = oneLine(before), oneLine(after); strings.Contains(after, "\n") {
		before = ""
	}
	style.line = after
	if strings.Contains(before, "\n") {
		style.line = before
	}
	end := span{last.value.end, last.value.end}
	return splice(text, end, before+","+after+newItem(at.kind(text), rest, raw, style))
}

// style is how new items are written.
type style struct {
	colon string // from the end of a key to its value
	line  string // the white space before the item
	unit  string // what one level is indented by
	pad   string // between bracket and item, where they share a line
}

// space is what separates items on one line: the space after the colon.
func (s style) space() string { return s.colon[strings.IndexByte(s.colon, ':')+1:] }

func styleOf(text string, steps []step) style {
	s := style{colon: ": ", unit: "  "}
	top, at := steps[0], steps[len(steps)-1]
	if members := top.items; len(members) > 0 {
		if c := colonOf(text, members[0]); c != "" {
			s.colon = c
		}
		lead := text[top.value.start+1 : members[0].start()]
		if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
			if unit := strings.TrimPrefix(lead[i+1:], indentBefore(text, top.value.start)); unit != "" {
				s.unit = unit
			}
		}
	}
	if n := len(at.items); n > 0 {
		if c := colonOf(text, at.items[n-1]); c != "" {
			s.colon = c
		}
		if pad := text[at.value.start+1 : at.items[0].start()]; !strings.Contains(pad, "\n") {
			s.pad = pad
		}
	}
	return s
}

// colonOf returns the colon of a member with the space around it, or "" for an
// element of an array and for a value on a line of its own.
func colonOf(text string, it item) string {
	if it.key.end == 0 {
		return ""
	}
	if c := text[it.key.end:it.value.start]; !strings.Contains(c, "\n") {
		return c
	}
	return ""
}

// newItem writes an item: rest[0] is its key, unless it goes into an array, and
// the others are the keys of objects around raw.
func newItem(kind byte, rest []string, raw string, s style) string {
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
		value = inner + before + newItem(inner[0], rest[1:], raw, s) + after + outer
	}
	if kind == '[' {
		return value
	}
	return quote(rest[0]) + s.colon + value
}

// open returns the white space before and after the first item of an empty
// object or array that holds inner.
func open(text string, steps []step, inner string) (before, after string) {
	at := steps[len(steps)-1]
	unit := styleOf(text, steps).unit
	line := lineBefore(text, steps) // "" in a document of one line
	switch {
	case strings.Contains(inner, "\n"):
		before = oneLine(inner) + unit
		if inner == line {
			before = newline(inner) + before
		}
		return before, inner
	case inner == "" && line != "" && at.kind(text) == '{':
		return line + unit, line
	}
	return inner, inner
}

// lineBefore returns the line break and indentation before the item that the
// last of steps is the value of, or "" where it does not start a line.
func lineBefore(text string, steps []step) string {
	if len(steps) < 2 {
		return ""
	}
	parent := steps[len(steps)-2]
	start := parent.items[parent.index].start()
	lead := text[len(strings.TrimRight(text[:start], " \t\r\n")):start]
	if !strings.Contains(lead, "\n") {
		return ""
	}
	return oneLine(lead)
}

// indentBefore returns the white space from the start of the line to offset.
func indentBefore(text string, offset int) string {
	line := text[strings.LastIndexByte(text[:offset], '\n')+1 : offset]
	if trim(line) != "" {
		return ""
	}
	return line
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

// openBlank is the new document for one without an object.
func openBlank(blank string) string {
	nl := newline(blank)
	return "{" + nl + "}" + nl
}

// quote writes a key as JSON, with <, > and & as they are.
func quote(key string) string {
	special := func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }
	if !strings.ContainsFunc(key, special) {
		return `"` + key + `"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(key); err != nil {
		panic("BUG: a string that is not JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func splice(text string, s span, with string) string {
	return text[:s.start] + with + text[s.end:]
}
