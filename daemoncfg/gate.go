package daemoncfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usernskit/usernskit"
)

// gate comes before sjson and gjson. Both take any bytes for JSON, and sjson
// replaces a document that it cannot read by one of its own, without an error.
// Nothing behind the gate checks syntax again.
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
	if i := tooDeep(text, MaxDepth); i >= 0 {
		return at(name, text, i, "nested more than %d deep (dockerd itself stops at 10000)", MaxDepth)
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
// -1. It counts brackets and needs no valid JSON, so that it can stand before
// every parser.
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
	// At the end encoding/json tries a space, and blames it inside of a literal.
	if said := bad.Error(); strings.HasPrefix(said, "unexpected end") ||
		int(bad.Offset) == len(text) && strings.HasPrefix(said, "invalid character ' ' in literal") && text[len(text)-1] != ' ' {
		return at(name, text, len(text), "the file ends in the middle of the document: no dockerd starts with it")
	}
	offset := max(int(bad.Offset)-1, 0) // Offset counts the bytes read, the bad one included
	return at(name, text, offset, "%s", explain(text, offset, bad.Error()))
}

// sound checks what the syntax leaves open: keys that come twice, and numbers on
// which dockerd's first decoding into a map fails.
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

// unquote reads a key as encoding/json does. gjson reads the same,
// halves of surrogate pairs included; FuzzDocument holds it to that.
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

// explain says in words what is wrong at offset, where encoding/json has found
// the syntax error said.
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
