package daemoncfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Set puts value, which is JSON, at path. An element of path is a key, or an
// index where it leads into an array, with "-" or the array's length for the
// place behind the last element.
//
// A value that is there is replaced, and kept as it is spelled where it is
// equal already: white space, the order of members and escapes do not count,
// the digits of a number do. A new member comes last in its object and copies
// the line, indentation and colon of the member before it; what is on one line
// stays on one line. Parents that are missing become objects, in the same
// style, or an array where the next element is "-". The value itself goes in
// byte for byte.
//
// [Document.Delete] of what Set has made new (of the topmost parent, if parents
// were missing) gives back the document as it was.
func (d *Document) Set(value json.RawMessage, path ...string) error {
	raw, err := d.checkValue(string(value), path)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return d.setAll(raw)
	}
	old := *d
	if d.isBlank() {
		old.put(pieces{head: openBlank(d.blank)})
	}
	text := old.text()
	steps, found := old.walk(text, path)
	var next pieces
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
	text := d.text()
	old := root(text)
	switch {
	case d.isBlank():
		return d.grow(pieces{head: raw + newline(text)})
	case sameJSON(old.of(text), raw):
		return nil
	}
	return d.grow(splice(text, old, raw))
}

// grow is put for a text that may be too large.
func (d *Document) grow(text pieces) error {
	if text.size() > MaxSize {
		return fmt.Errorf("%s: %w", d.name, &problem{"the document would be larger than 1 MiB", ErrInvalid})
	}
	d.put(text)
	return nil
}

// checkValue puts a value through the gate that documents pass.
func (d *Document) checkValue(value string, path []string) (string, error) {
	const name = "the new value"
	for _, p := range path {
		if !utf8.ValidString(p) {
			return "", fmt.Errorf("%s: the key %q is not UTF-8", d.name, p)
		}
	}
	raw := trim(value)
	if quickValue(raw, len(path)) {
		return raw, nil
	}
	return raw, judgeValue(name, raw, len(path))
}

// judgeValue is judge for a new value with so many parents around it.
func judgeValue(name, raw string, parents int) error {
	if len(raw) > MaxSize {
		return at(name, "", 0, "more than 1 MiB")
	}
	if err := encoding(name, raw); err != nil {
		return err
	}
	if raw == "" || parents > MaxDepth || tooDeep(raw, MaxDepth-parents) >= 0 {
		return at(name, "", 0, "nothing, or nested more than %d deep with its parents", MaxDepth)
	}
	if err := valid(name, raw); err != nil {
		return err
	}
	return sound(name, raw, span{0, len(raw)})
}

// replace lets sjson put raw in the place of the value that steps lead to. The
// path that sjson sees is made here of elements that are known to exist: a
// colon says "a key, not an index", and Escape takes the meaning from all
// characters of its path syntax.
func replace(text string, steps []step, path []string, raw string) (pieces, error) {
	elements := make([]string, len(path))
	for i, name := range path {
		if steps[i].kind(text) == '{' {
			elements[i] = ":" + gjson.Escape(name)
		} else {
			elements[i] = strconv.Itoa(steps[i].index)
		}
	}
	text, err := sjson.SetRaw(text, strings.Join(elements, "."), raw)
	return pieces{head: text}, err
}

// insert puts raw, and the parents that it lacks, into the last of steps.
func insert(text string, steps []step, path []string, raw string) (pieces, error) {
	n := len(steps) - 1
	parent, name := steps[n], path[n]
	switch parent.kind(text) {
	case '{':
	case '[':
		if i, ok := arrayIndex(name); name != "-" && (!ok || i > len(parent.items)) {
			return pieces{}, fmt.Errorf("%s: an array of %d elements has no such place; \"-\" is the place behind the last", pointer(path[:n+1]), len(parent.items))
		}
	default:
		return pieces{}, fmt.Errorf("%s: %w: it is %.20s", pointer(path[:n]), ErrNotObject, parent.value.of(text))
	}
	return insertLast(text, steps, path[n:], raw), nil
}

// sameJSON reports whether two values are equal. Numbers are equal when they
// are spelled alike: nothing here knows how precise their reader is.
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
