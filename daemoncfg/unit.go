package daemoncfg

import (
	"strings"
)

// A setting of a unit file of systemd, in [Service].
type setting struct {
	key, value string
	file       string
	line       int
}

// readUnit returns the settings of [Service] in a unit file or drop-in, in
// order, as systemd.syntax(7) has it: a backslash at the end joins lines with a
// space, and comments in between are dropped without ending the join. Some
// readers of unit files take such a comment for part of the value. A backslash
// that another one escapes joins nothing, and the end of the file ends a join
// (config_parse in systemd's conf-parser.c).
func readUnit(file, text string) []setting {
	var (
		list    []setting
		section string
		joined  strings.Builder
		first   int // line that the joined one began on
	)
	end := func() {
		whole := strings.TrimSpace(joined.String())
		joined.Reset()
		if strings.HasPrefix(whole, "[") {
			section = whole
			return
		}
		key, value, ok := strings.Cut(whole, "=")
		if ok && section == "[Service]" {
			list = append(list, setting{strings.TrimSpace(key), strings.TrimSpace(value), file, first})
		}
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		start := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(start, "#") || strings.HasPrefix(start, ";") {
			continue
		}
		if joined.Len() == 0 {
			first = i + 1
			line = start
		}
		if backslashes := len(line) - len(strings.TrimRight(line, `\`)); backslashes%2 == 1 {
			joined.WriteString(line[:len(line)-1] + " ")
			continue
		}
		joined.WriteString(line)
		end()
	}
	end()
	return list
}

// service is what the settings come to: systemd.service(5), systemd.exec(5).
type service struct {
	exec        []setting // ExecStart
	environment []setting
	files       []setting // EnvironmentFile
}

// combine lets later settings add to earlier ones, and an empty one reset them.
func combine(list []setting) service {
	var s service
	add := func(to *[]setting, set setting) {
		if set.value == "" {
			*to = nil
			return
		}
		*to = append(*to, set)
	}
	for _, set := range list {
		switch set.key {
		case "ExecStart":
			add(&s.exec, set)
		case "Environment":
			add(&s.environment, set)
		case "EnvironmentFile":
			add(&s.files, set)
		}
	}
	return s
}

// variables are the environment of a service. Each value remembers its file.
type variables map[string]word

// assign reads the assignments of an Environment= line.
func (v variables) assign(set setting) {
	for _, w := range splitWords(set.value, true) {
		if name, value, ok := strings.Cut(w, "="); ok {
			v[name] = word{unspecify(value), origin{set.file, set.line, name}}
		}
	}
}

// commandLine splits and expands an ExecStart= line. sure is false where a
// specifier other than %% is in it, or it begins a shell.
func (v variables) commandLine(set setting) (words []word, sure bool) {
	sure = true
	here := origin{file: set.file, line: set.line}
	literal := false
	for i, text := range splitWords(set.value, true) {
		if i == 0 {
			// '@' '-' ':' '+' '!' and '|' are for systemd; a colon means no variables.
			prefix := text[:len(text)-len(strings.TrimLeft(text, "@-:+!|"))]
			literal = strings.Contains(prefix, ":")
			if strings.Contains(prefix, "@") {
				sure = false // the next word is argv[0]
			}
			text = text[len(prefix):]
		}
		if strings.Contains(strings.ReplaceAll(text, "%%", ""), "%") {
			sure = false
		}
		text = unspecify(text)
		if literal || i == 0 {
			words = append(words, word{text, here})
			continue
		}
		words = append(words, v.expand(text, here)...)
	}
	return words, sure
}

// expand replaces variables in one word. $NAME as a word of its own is split
// at white space, with quotes taken off; ${NAME} anywhere else is not split.
func (v variables) expand(text string, here origin) []word {
	if name, ok := strings.CutPrefix(text, "$"); ok && isName(name) {
		value := v[name]
		var words []word
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
		if end := strings.IndexByte(rest, '}'); strings.HasPrefix(rest, "${") && end > 0 && isName(rest[2:end]) {
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

func unspecify(s string) string { return strings.ReplaceAll(s, "%%", "%") }

// isName reports whether s is a name that systemd and shells take for a
// variable's.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !(i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}
