package daemoncfg

import (
	"strings"
	"unicode/utf8"
)

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
			return "a comment after the document: dockerd accepts none from 23.0 on, and 20.10 ignores what stands here; remove it"
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
