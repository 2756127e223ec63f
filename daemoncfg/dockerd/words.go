package dockerd

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// splitWords splits as systemd does (systemd.syntax(7), "Quoting"): at white
// space, with "..." and '...' around words or parts of them. A backslash begins
// a C escape where escapes is set, else it is dropped. A quote without an end
// takes the rest; with escapes that word is dropped.
func splitWords(s string, escapes bool) (words []string) {
	for s = trimBlank(s); s != ""; s = trimBlank(s) {
		word, rest, whole := nextWord(s, escapes)
		if whole || !escapes {
			words = append(words, word)
		}
		s = rest
	}
	return words
}

func trimBlank(s string) string { return strings.TrimLeft(s, blanks) }

const blanks = " \t\r\n"

// nextWord reads the first word of s, which begins with it. It returns false if
// a quote has no end. An escape that C does not know stays as it is.
func nextWord(s string, escapes bool) (word, rest string, whole bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && !escapes:
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case c == '\\' && i+1 < len(s):
			char, wide, tail, err := strconv.UnquoteChar(s[i:], 0)
			i++
			switch {
			case s[i] == '"' || s[i] == '\'':
				b.WriteByte(s[i])
			case s[i] == 's':
				b.WriteByte(' ')
			case err != nil || char == 0:
				b.WriteString(s[i-1 : i+1])
				continue
			case wide:
				b.WriteRune(char)
			default:
				b.WriteByte(byte(char))
			}
			if err == nil {
				i = len(s) - len(tail) - 1
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte(blanks, c) >= 0:
			return b.String(), s[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", quote == 0
}

// readEnvironmentFile reads a file that a unit names in EnvironmentFile=. It is
// not shell (systemd.exec(5)): nothing is expanded, "export X=" is not an
// assignment, ; also begins a comment, a # after a value belongs to it, and the
// last assignment of a name wins. With joins, a backslash at the end of a comment
// joins the next line to it, as it did before systemd v254
// (https://github.com/systemd/systemd/pull/28079). It returns nil if systemd does
// not read the file: for a NUL, and for a name or value that is not UTF-8.
func readEnvironmentFile(file, text string, joins bool) variables {
	vars := variables{}
	if strings.Contains(text, "\x00") {
		return nil
	}
	for at := 0; at < len(text); {
		rest := strings.TrimLeft(text[at:], " \t\r\n")
		at = len(text) - len(rest)
		line := firstLine(rest)
		end := at + len(line) + 1
		name, _, assigns := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "#"), strings.HasPrefix(line, ";"):
			for joins && end < len(text) && joinsNext(line) {
				line = firstLine(text[end:])
				end += len(line) + 1
			}
		case assigns && name != "":
			value, n := readValue(rest[len(name)+1:])
			end = at + len(name) + 1 + n
			if !utf8.ValidString(name + value) {
				return nil
			}
			if name = strings.TrimRight(name, " \t"); isName(name) {
				vars[name] = word{value, origin{file, 1 + strings.Count(text[:at], "\n"), name}}
			}
		}
		at = end
	}
	return vars
}

func firstLine(text string) string {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return text[:i]
	}
	return text
}

// joinsNext reports whether a line ends in a backslash that is not escaped.
func joinsNext(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// readValue reads what follows the equals sign, up to the line's end. Quoted
// parts come first, with white space dropped between them. Quotes in the word
// after them do not count, and an escape begins that word
// (parse_env_file_internal in systemd's env-file.c).
func readValue(text string) (value string, end int) {
	var b strings.Builder
	keep := 0 // length of b up to the last quoted or escaped part, never trimmed
	quote := byte(0)
	inWord := false
	i := 0
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'':
			inWord = inWord || quote == 0
			i++
			switch {
			case i == len(text): // the last backslash of a file is dropped
			case text[i] == '\n', text[i] == '\r' && quote == 0: // the value continues on the next line
			case quote == '"' && !strings.ContainsRune("\"\\`$", rune(text[i])):
				b.WriteString(text[i-1 : i+1])
			default:
				b.WriteByte(text[i])
			}
			keep = b.Len()
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
			keep = b.Len()
		case c == '\n', c == '\r':
			return trimTail(b.String(), keep), i + 1
		case inWord:
			b.WriteByte(c)
		case c == '"', c == '\'':
			quote = c
		case c != ' ' && c != '\t':
			inWord = true
			b.WriteByte(c)
		}
	}
	return trimTail(b.String(), keep), min(i, len(text))
}

func trimTail(s string, keep int) string {
	return s[:keep] + strings.TrimRight(s[keep:], " \t")
}

// variables are the environment of a service. Each value remembers its file.
type variables map[string]word

// assign reads the assignments of an Environment= line.
func (v variables) assign(set setting) {
	for _, w := range splitWords(set.value, true) {
		if name, value, ok := strings.Cut(w, "="); ok && isName(name) {
			v[name] = word{specifiers.Replace(value), origin{set.file, set.line, name}}
		}
	}
}

// commandLine splits and expands an ExecStart= line. sure is false if it has a
// specifier that is not known, a quote without an end, or a second command.
func (v variables) commandLine(set setting) (words []word, sure bool) {
	sure = true
	here := origin{file: set.file, line: set.line}
	literal, named := false, false
	rest := trimBlank(set.value)
	for i := 0; rest != ""; i++ {
		text, tail, whole := nextWord(rest, true)
		// As words of their own ; separates commands, and \; is a semicolon.
		switch raw := rest[:len(rest)-len(tail)]; {
		case raw == ";" && i > 0:
			return words, sure && trimBlank(tail) == ""
		case raw == `\;`:
			text = ";"
		}
		rest = trimBlank(tail)
		sure = sure && whole
		if i == 0 {
			// '@' '-' ':' '+' '!' and '|' are for systemd; a colon turns variables off.
			prefix := text[:len(text)-len(strings.TrimLeft(text, "@-:+!|"))]
			literal = strings.Contains(prefix, ":")
			named = strings.Contains(prefix, "@")
			text = text[len(prefix):]
		}
		if named && i == 1 {
			continue // it is argv[0]
		}
		sure = sure && !open(text)
		text = specifiers.Replace(text)
		if literal || i == 0 {
			words = append(words, word{text, here})
			continue
		}
		words = append(words, v.expand(text, here)...)
	}
	return words, sure
}

// expand replaces variables in one word, as replace_env_argv in systemd's
// env-util.c does. A word that begins with $ is a variable whatever follows. It
// is split at white space, with quotes taken off; ${NAME} anywhere else is not
// split.
func (v variables) expand(text string, here origin) (words []word) {
	if name, ok := strings.CutPrefix(text, "$"); ok && !strings.HasPrefix(name, "{") && !strings.HasPrefix(name, "$") {
		value := v[name]
		for _, part := range splitWords(value.text, false) {
			words = append(words, word{part, value.from})
		}
		return words
	}
	var b strings.Builder
	from := here
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		if strings.HasPrefix(rest, "$$") {
			b.WriteByte('$')
			i++
			continue
		}
		if end := strings.IndexAny(rest, "}:"); strings.HasPrefix(rest, "${") && end > 0 && rest[end] == '}' {
			if value, ok := v[rest[2:end]]; ok {
				b.WriteString(value.text)
				from = value.from
			}
			i += end
			continue
		}
		b.WriteByte(text[i])
	}
	return []word{{b.String(), from}}
}

// specifiers are those with the same value in every system unit, see
// systemd.unit(5).
var specifiers = strings.NewReplacer("%%", "%", "%E", "/etc", "%S", "/var/lib", "%C", "/var/cache", "%L", "/var/log", "%t", "/run")

// open reports whether a text has other specifiers.
func open(text string) bool {
	return strings.Contains(specifiers.Replace(strings.ReplaceAll(text, "%%", "")), "%")
}

// isName reports whether systemd and shells accept s as a variable's name.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !(i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}
