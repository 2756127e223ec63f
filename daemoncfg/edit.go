package daemoncfg

import (
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

// checkValue puts a value through the gate that documents pass.
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

// insert puts raw, and the parents that it lacks, into the last of steps.
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

// Delete takes out the member or element at path, with the comma and the white
// space that belong to it. What is absent stays so, without an error. An object
// that loses its last member stays as an empty one.
//
// sjson can delete as well, but leaves the line of a last member behind.
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

// Merge changes the document as RFC 7396 has it: a member of patch that is null
// deletes, an object is merged into the one that is there, and anything else is
// set. Each edit is made as [Document.Set] and [Document.Delete] do; all of them
// or none.
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

// withoutNulls takes the members that are null out of an object and of those in
// it: what a patch makes new has none.
func withoutNulls(object string) string {
	d := Document{now: object}
	for _, it := range items(object, root(object)) {
		key, value := unquote(it.key.of(object)), it.value.of(object)
		switch {
		case value == "null":
			_ = d.Delete(key) // it is there
		case value[0] == '{':
			if inner := withoutNulls(value); inner != value {
				_ = d.Set([]string{key}, json.RawMessage(inner)) // the place of an object takes one
			}
		}
	}
	return d.now
}
