package daemoncfg

import "strings"

// readEnvironmentFile reads a file that a unit names in EnvironmentFile=. It
// looks like shell and is not (systemd.exec(5)): nothing is expanded, "export
// X=" is no assignment, ; begins a comment too, a # behind a value belongs to
// it, and the last assignment of a name wins.
func readEnvironmentFile(file, text string) variables {
	vars := variables{}
	for i := 0; i < len(text); {
		name, value, end := readAssignment(text[i:])
		if isName(name) {
			line := 1 + strings.Count(text[:i+strings.Index(text[i:], name)], "\n")
			vars[name] = word{value, origin{file, line, name}}
		}
		i += end
	}
	return vars
}

// readAssignment reads one assignment, or one line that is none, and returns
// how many bytes it took.
func readAssignment(text string) (name, value string, end int) {
	lineEnd := func(i int) int {
		if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
			return i + n + 1
		}
		return len(text)
	}
	start := strings.TrimLeft(text, " \t\r\n")
	skip := len(text) - len(start)
	if start == "" {
		return "", "", len(text)
	}
	if start[0] == '#' || start[0] == ';' {
		// A backslash at the end of a comment continues it.
		for end = lineEnd(skip); end < len(text) && strings.HasSuffix(text[:end], "\\\n"); {
			end = lineEnd(end)
		}
		return "", "", end
	}
	equal := strings.IndexByte(start, '=')
	if equal < 0 || strings.Contains(start[:equal], "\n") {
		return "", "", lineEnd(skip)
	}
	name = strings.TrimRight(start[:equal], " \t")
	value, n := readValue(start[equal+1:])
	return name, value, skip + equal + 1 + n
}

// readValue reads what stands behind the equals sign, up to the line's end.
func readValue(text string) (value string, end int) {
	var b strings.Builder
	keep := 0 // length of b up to which white space at its end was quoted
	quote := byte(0)
	i := len(text) - len(strings.TrimLeft(text, " \t"))
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			switch {
			case text[i] == '\n': // the next line goes on
			case quote == '"' && !strings.ContainsRune("\"\\`$", rune(text[i])):
				b.WriteString(text[i-1 : i+1])
			default:
				b.WriteByte(text[i])
			}
			keep = b.Len()
		case quote != 0 && c == quote:
			quote = 0
			keep = b.Len()
		case quote != 0:
			b.WriteByte(c)
		case c == '\n':
			return trimTail(b.String(), keep), i + 1
		case c == '\r' && (i+1 == len(text) || text[i+1] == '\n'):
		case (c == '"' || c == '\'') && b.Len() == keep:
			// Quotes count at the start of a value, and after a quoted part.
			quote = c
		default:
			b.WriteByte(c)
		}
	}
	return trimTail(b.String(), keep), i
}

func trimTail(s string, keep int) string {
	return s[:keep] + strings.TrimRight(s[keep:], " \t")
}
