package daemoncfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// A Document is a daemon.json, byte for byte. An edit changes one member and
// keeps all other bytes; a failed edit changes nothing.
type Document struct {
	name string
	now  string
	// blank is the document before it had an object: nothing, white space or
	// null. Deleting the last member restores it.
	blank    string
	wasBlank bool

	// Where it was read: see Open.
	missing bool
	before  []byte
	startup *dockerd.Startup
}

// Parse reads a daemon.json as strictly as the strictest dockerd from 20.10 to
// 29: what any of them refuses is a [*usernskit.FileError] that matches
// [ErrInvalid] and names the versions. Refused beyond that are duplicate keys
// (dockerd takes the last, most editors the first) and documents beyond
// [MaxSize] or nested more than 64 deep.
//
// An empty file, white space and null are configurations without members.
// dockerd 20.10 does not start with the first two: see [Document.Lint].
//
// The name is for errors and is never opened.
func Parse(name string, data []byte) (*Document, error) {
	text := string(data)
	if err := gate(name, text); err != nil {
		return nil, err
	}
	d := &Document{name: name, now: text, before: data}
	if inner := trim(text); inner == "" || inner == "null" {
		d.blank, d.wasBlank = text, true
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
	text := d.now
	steps, ok := d.walk(text, path)
	if !ok {
		return nil, false
	}
	return json.RawMessage(steps[len(steps)-1].value.of(text)), true
}

// Position returns line and column, both from 1, of the key at path, or of an
// array's element. It returns 0, 0 if it is absent.
func (d *Document) Position(path ...string) (line, col int) {
	text := d.now
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
func (d *Document) isBlank() bool { return d.now == d.blank && (d.wasBlank || d.now == "") }

// A span is a stretch of the document, by byte offsets.
type span struct{ start, end int }

func (s span) of(text string) string { return text[s.start:s.end] }

// An item is a member of an object, or an element of an array, without a key.
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

// A step is one value along a path.
type step struct {
	value span
	items []item // of an object or array that the path leads into
	index int    // of the item that the path takes, or -1
}

// kind is the first byte of the step's value: '{' and '[' have items.
func (s step) kind(text string) byte { return text[s.value.start] }

// walk follows path from the root as far as values exist. It returns the root
// and a step for each element, and whether that is all of them. The last step
// of an incomplete walk has the index -1.
func (d *Document) walk(text string, path []string) ([]step, bool) {
	if d.isBlank() {
		return nil, false
	}
	steps := make([]step, 1, len(path)+1)
	steps[0] = step{value: root(text)}
	for _, name := range path {
		s := &steps[len(steps)-1]
		s.index = -1
		switch s.kind(text) {
		case '{':
			s.items = items(text, s.value)
			s.index = member(text, s.items, name)
		case '[':
			s.items = items(text, s.value)
			if i, ok := arrayIndex(name); ok && i < len(s.items) {
				s.index = i
			}
		}
		if s.index < 0 {
			return steps, false
		}
		steps = append(steps, step{value: s.items[s.index].value})
	}
	return steps, true
}

// member returns the index of the member of that name, or -1.
func member(text string, list []item, name string) int {
	for i, it := range list {
		if unquote(it.key.of(text)) == name {
			return i
		}
	}
	return -1
}

// arrayIndex reads an index as RFC 6901, section 4 has it: no sign and no
// leading zero.
func arrayIndex(name string) (int, bool) {
	if len(name) == 0 || len(name) > 9 || len(name) > 1 && name[0] == '0' {
		return 0, false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	i, err := strconv.Atoi(name)
	return i, err == nil
}

// ParsePointer reads a JSON Pointer (RFC 6901), "/log-opts/max-size", into the
// path that [Document.Get] and the others take. The empty pointer is the whole
// document. In an element ~1 is a slash, and ~0 a tilde.
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

// pointer writes path as a JSON Pointer, for messages.
func pointer(path []string) string {
	if len(path) == 0 {
		return "the document"
	}
	var b strings.Builder
	for _, name := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// gate comes before sjson and gjson, which do not check syntax: sjson replaces
// a document that it cannot read, without an error.
func gate(name, text string) error {
	if len(text) > MaxSize {
		return at(name, "", 0, "%d bytes, more than the %d that a daemon.json may have here (dockerd itself has no limit)", len(text), MaxSize)
	}
	if err := encoding(name, text); err != nil {
		return err
	}
	inner := root(text)
	if s := inner.of(text); s == "" || s == "null" {
		return nil
	}
	if i := tooDeep(text, maxDepth); i >= 0 {
		return at(name, text, i, "nested more than %d deep (dockerd itself stops at 10000)", maxDepth)
	}
	if err := valid(name, text); err != nil {
		return err
	}
	if text[inner.start] != '{' {
		return at(name, text, inner.start, "the document must be an object, { ... }: no dockerd starts with anything else")
	}
	return sound(name, text, inner)
}

// encoding refuses what is not plain UTF-8.
func encoding(name, text string) error {
	switch {
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

// tooDeep returns the offset of the first bracket nested deeper than limit, or
// -1. It counts brackets in any text, so that it can run before every parser.
func tooDeep(text string, limit int) int {
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

// valid is json.Valid with a place, and words for the usual mistakes.
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
	// At the end encoding/json tries a space, and reports it inside of a
	// literal.
	if said := bad.Error(); strings.HasPrefix(said, "unexpected end") ||
		int(bad.Offset) == len(text) && strings.HasPrefix(said, "invalid character ' ' in literal") && text[len(text)-1] != ' ' {
		return at(name, text, len(text), "the file ends in the middle of the document: no dockerd starts with it")
	}
	offset := max(int(bad.Offset)-1, 0) // Offset counts the bytes read, the bad one included
	return at(name, text, offset, "%s", explain(text, offset, bad.Error()))
}

// sound checks what the syntax allows: duplicate keys, and numbers on which
// dockerd's first decoding into a map fails.
func sound(name, text string, s span) error {
	switch c := text[s.start]; {
	case c == '{' || c == '[':
		seen := map[string]bool{}
		for _, it := range items(text, s) {
			if c == '{' {
				key := unquote(it.key.of(text))
				if seen[key] {
					return at(name, text, it.key.start, "the key %q is here twice: dockerd takes the last one, most editors the first; remove one", key)
				}
				seen[key] = true
			}
			if err := sound(name, text, it.value); err != nil {
				return err
			}
		}
	case c == '-' || '0' <= c && c <= '9':
		if _, err := strconv.ParseFloat(s.of(text), 64); err != nil {
			return at(name, text, s.start, "the number %.40s is too large: no dockerd starts with it", s.of(text))
		}
	}
	return nil
}

// unquote reads a key as encoding/json and gjson do, including halves of
// surrogate pairs.
func unquote(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var key string
	if err := json.Unmarshal([]byte(raw), &key); err != nil {
		panic("BUG: a key that is not a string: " + err.Error())
	}
	return key
}

// explain describes the syntax error said of encoding/json at offset.
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

// problem is the Err of a [usernskit.FileError] about daemon.json.
type problem struct {
	text string
	is   error
}

func (p *problem) Error() string        { return p.text }
func (p *problem) Is(target error) bool { return target == p.is }

// at is the error about the byte at offset of the document.
func at(name, text string, offset int, format string, args ...any) error {
	line, col := position(text, offset)
	return &usernskit.FileError{
		File: name, Line: line, Col: col,
		Err: &problem{text: fmt.Sprintf(format, args...), is: ErrInvalid},
	}
}

// position returns line and column of the byte at offset, both from 1, the
// column in bytes.
func position(text string, offset int) (line, col int) {
	before := text[:min(offset, len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}
