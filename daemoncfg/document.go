package daemoncfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/members"
)

// A Document is a daemon.json, byte for byte. An edit changes one member and
// keeps all other bytes; a failed edit changes nothing.
type Document struct {
	name string
	now  string

	before  []byte           // as it was read; nil for a missing file
	startup *dockerd.Startup // of its dockerd: see Open
}

// Parse reads a daemon.json as strictly as the strictest dockerd from 20.10 to
// 29: what any of them refuses is a [*usernskit.FileError] that matches
// [ErrInvalid] and names the versions. Parse also refuses duplicate keys (dockerd
// takes the last, most editors the first) and documents that are larger than
// 1 MiB or nested more than 64 deep.
//
// An empty file, white space and null are configurations without members.
// dockerd 20.10 does not start with the first two: see [Document.Lint].
//
// The name is for errors and is never opened.
func Parse(name string, data []byte) (*Document, error) {
	d := &Document{name: name, now: string(data), before: data}
	if err := encoding(name, d.now); err != nil {
		return nil, err
	}
	if d.root() == nil {
		return d, nil
	}
	if err := gate(name, d.now, 0); err != nil {
		return nil, err
	}
	if v := d.root(); v.Kind() != '{' {
		return nil, at(name, d.now, v.Offset(), "the document must be an object, { ... }: no dockerd starts with anything else")
	}
	return d, nil
}

// Name is the name that the document was parsed with.
func (d *Document) Name() string { return d.name }

// Bytes returns the document with its edits.
func (d *Document) Bytes() []byte { return []byte(d.now) }

// Get returns the value at path as it is spelled in the document, and whether
// there is one. An element of path is a key, or an index where it leads into an
// array. An empty path is the whole document.
func (d *Document) Get(path ...string) (json.RawMessage, bool) {
	v, rest := d.root().Find(path...)
	if v == nil || len(rest) > 0 {
		return nil, false
	}
	return json.RawMessage(v.Raw()), true
}

// Position returns line and column, both from 1, of the key at path, or of an
// array's element. It returns 0, 0 if it is absent.
func (d *Document) Position(path ...string) (line, col int) {
	v, rest := d.root().Find(path...)
	if v == nil || len(rest) > 0 {
		return 0, 0
	}
	return position(d.now, v.Offset())
}

func (d *Document) pos(path ...string) usernskit.Pos {
	line, col := d.Position(path...)
	return usernskit.Pos{File: d.name, Line: line, Col: col}
}

// root is the object with the members, or nil in a document without one.
func (d *Document) root() *members.Value { return members.Root(d.now) }

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
// [Document.Delete] of the new member, or of its topmost new parent, restores
// the document.
func (d *Document) Set(path []string, value json.RawMessage) error {
	for _, p := range path {
		if !utf8.ValidString(p) {
			return fmt.Errorf("%s: the key %q is not UTF-8", d.name, p)
		}
	}
	raw := members.Trim(string(value))
	if err := gate("the new value", raw, len(path)); err != nil {
		return err
	}
	if len(path) == 0 && raw[0] != '{' {
		return fmt.Errorf("%s: %w", d.name, refuse("the whole document must be an object", ErrInvalid))
	}
	if old, ok := d.Get(path...); ok && members.Same(string(old), raw) {
		return nil
	}
	next, err := members.Set(d.now, path, raw)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", d.name, err)
	case len(next) > maxSize:
		return fmt.Errorf("%s: %w", d.name, refuse("the document would be larger than 1 MiB", ErrInvalid))
	}
	d.now = next
	return nil
}

// Delete removes the member or element at path, with its comma and white space.
// If it is absent, nothing happens. An object that loses its last member stays,
// empty.
func (d *Document) Delete(path ...string) error {
	if len(path) == 0 {
		return fmt.Errorf("%s: %w", d.name, errors.New("the whole document cannot be deleted"))
	}
	d.now = members.Delete(d.now, path)
	if before := string(d.before); members.Root(before) == nil && len(d.root().Items()) == 0 {
		d.now = before
	}
	return nil
}

// Merge applies a JSON Merge Patch (RFC 7396), all or nothing: a null member
// deletes, an object is merged into the existing one, and anything else is set.
// It edits as [Document.Set] and [Document.Delete] do.
func (d *Document) Merge(patch json.RawMessage) error {
	raw := members.Trim(string(patch))
	if err := gate("the patch", raw, 0); err != nil {
		return err
	}
	if raw[0] != '{' {
		return fmt.Errorf("the patch: %w", refuse("it has to be an object", ErrInvalid))
	}
	next := *d
	if err := next.merge(members.Root(raw), nil); err != nil {
		return err
	}
	*d = next
	return nil
}

func (d *Document) merge(patch *members.Value, path []string) error {
	for _, m := range patch.Items() {
		at := append(slices.Clone(path), m.Key())
		there, found := d.Get(at...)
		var err error
		switch {
		case m.Raw() == "null":
			err = d.Delete(at...)
		case m.Kind() != '{':
			err = d.Set(at, json.RawMessage(m.Raw()))
		default:
			if !found || there[0] != '{' {
				err = d.Set(at, json.RawMessage("{}"))
			}
			err = errors.Join(err, d.merge(&m, at))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ParsePointer reads a JSON Pointer (RFC 6901), "/log-opts/max-size", into the
// path that [Document.Get] and other methods take. The empty pointer is the
// whole document. In an element ~1 is a slash, and ~0 a tilde.
func ParsePointer(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("%q is not a JSON Pointer: it has to start with a slash, as in \"/log-opts/max-size\"", s)
	}
	path := strings.Split(s[1:], "/")
	for i, name := range path {
		if odd := strings.NewReplacer("~0", "", "~1", "").Replace(name); strings.Contains(odd, "~") {
			return nil, fmt.Errorf("%q is not a JSON Pointer: a tilde is written ~0, and a slash in a key ~1", s)
		}
		path[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(name)
	}
	return path, nil
}

// gate checks a text before sjson and gjson read it. They do not check syntax:
// sjson replaces a document that it cannot read, without an error. The text
// will be nested in as many values as parents.
func gate(name, text string, parents int) error {
	if err := encoding(name, text); err != nil {
		return err
	}
	if i := members.TooDeep(text, members.MaxDepth-parents); i >= 0 || parents > members.MaxDepth {
		return at(name, text, max(i, 0), "nested more than %d deep (dockerd itself stops at 10000)", members.MaxDepth)
	}
	if err := valid(name, text); err != nil {
		return err
	}
	return sound(name, text, members.Root(text))
}

// encoding refuses a text that is too large or not plain UTF-8.
func encoding(name, text string) error {
	switch {
	case len(text) > maxSize:
		return at(name, "", 0, "%d bytes, more than the %d that a daemon.json may have here (dockerd itself has no limit)", len(text), maxSize)
	case strings.HasPrefix(text, "\xef\xbb\xbf"):
		return at(name, text, 0, "the file starts with a byte order mark: dockerd before 23.0 does not start with it; save it as UTF-8 without one")
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return at(name, text, 0, "the file is UTF-16: dockerd before 23.0 does not start with it; save it as UTF-8 without a byte order mark")
	}
	if utf8.ValidString(text) {
		return nil
	}
	i := 0
	for r, n := rune(0), 0; r != utf8.RuneError || n != 1; {
		i += n
		r, n = utf8.DecodeRuneInString(text[i:])
	}
	return at(name, text, i, "byte 0x%02x is not UTF-8: dockerd from 23.0 does not start with it, and 20.10 reads another text", text[i])
}

// valid is json.Valid with a position, and explains the usual mistakes.
func valid(name, text string) error {
	var (
		raw json.RawMessage
		bad *json.SyntaxError
	)
	err := json.Unmarshal([]byte(text), &raw)
	if err == nil {
		return nil
	}
	if !errors.As(err, &bad) {
		return at(name, text, 0, "%v", err)
	}
	// At the end of the text encoding/json tries a space. Inside a literal its
	// error is about that space.
	if said := bad.Error(); strings.HasPrefix(said, "unexpected end") ||
		int(bad.Offset) == len(text) && strings.HasPrefix(said, "invalid character ' ' in literal") && text[len(text)-1] != ' ' {
		return at(name, text, len(text), "the file ends in the middle of the document: no dockerd starts with it")
	}
	offset := max(int(bad.Offset)-1, 0) // Offset counts the bytes read, the bad one included
	return at(name, text, offset, "%s", explain(text, offset, bad.Error()))
}

// sound checks what the syntax allows: duplicate keys, and numbers on which
// dockerd's first decoding into a map fails.
func sound(name, text string, v *members.Value) error {
	if v == nil {
		return nil // null
	}
	if c := v.Kind(); c == '-' || '0' <= c && c <= '9' {
		if _, err := strconv.ParseFloat(v.Raw(), 64); err != nil {
			return at(name, text, v.Offset(), "the number %.40s is too large: no dockerd starts with it", v.Raw())
		}
	}
	seen := map[string]bool{}
	items := v.Items()
	for i := range items {
		m := &items[i]
		if v.Kind() == '{' {
			key := m.Key()
			if seen[key] {
				return at(name, text, m.Offset(), "the key %q is here twice: dockerd takes the last one, most editors the first; remove one", key)
			}
			seen[key] = true
		}
		if err := sound(name, text, m); err != nil {
			return err
		}
	}
	return nil
}

// explain describes a syntax error at offset; said is encoding/json's text.
func explain(text string, offset int, said string) string {
	rest := text[min(offset, len(text)):]
	before := strings.TrimRight(text[:min(offset, len(text))], " \t\r\n")
	r, _ := utf8.DecodeRuneInString(rest)
	const never = "; no dockerd starts with it"
	after := strings.Contains(said, "after top-level value")
	switch {
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"), r == '#':
		if after {
			return "a comment after the document: dockerd accepts none from 23.0 on, and 20.10 ignores what is here; remove it"
		}
		return "dockerd accepts no comments; no dockerd starts with one"
	case after && r == 0:
		return "a NUL byte after the document: dockerd from 23.0 does not start with it, and 20.10 ignores it"
	case after && (r == '{' || r == '['):
		return "a second document: dockerd from 23.0 does not start with it, and 20.10 ignores it"
	case after:
		return "text after the document: dockerd from 23.0 does not start with it, and 20.10 ignores it"
	case (r == '}' || r == ']') && strings.HasSuffix(before, ","):
		return "a comma before the closing bracket" + never
	case strings.Contains(said, "after object key:value pair"), strings.Contains(said, "after array element"):
		return "a comma is missing before this" + never
	case r == '\'' || r == '‘' || r == '’':
		return "JSON wants straight double quotes, not single ones" + never
	case r == '“' || r == '”' || r == '„':
		return "JSON wants straight double quotes, not typographic ones" + never
	case r == '\u00a0':
		return "a no-break space, which JSON does not take for a space" + never
	case r == '\ufeff':
		return "a byte order mark inside of the file" + never
	case strings.Contains(said, "in string literal") && r < ' ':
		return "a line break or control character inside of quotes" + never
	}
	return said + never
}

// at is the error about the byte at offset of the document.
func at(name, text string, offset int, format string, args ...any) error {
	line, col := position(text, offset)
	return &usernskit.FileError{
		File: name, Line: line, Col: col,
		Err: refuse(fmt.Sprintf(format, args...), ErrInvalid),
	}
}

// position returns line and column of the byte at offset, both from 1, the
// column in bytes.
func position(text string, offset int) (line, col int) {
	before := text[:min(offset, len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}
