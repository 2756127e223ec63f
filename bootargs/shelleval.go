package bootargs

import (
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// A shellValue is what a variable holds after the files so far were sourced.
type shellValue struct {
	text    string
	unknown bool
	file    string // where it was last assigned
	line    int
	stop    usernskit.FileError // where "--" came into the text, if it has one
}

// evaluate sources files one after the other, as grub-mkconfig does, by
// reading them. Variables of the environment are taken to be unset.
func evaluate(files ...*shellFile) map[string]shellValue {
	env := map[string]shellValue{}
	lost := false // a step was passed after which nothing is known for sure
	for _, f := range files {
		for _, s := range f.steps {
			switch {
			case s.assigns:
				v := shellValue{file: f.name, line: s.line, unknown: s.odd != nil}
				if s.odd == nil {
					v.text, v.unknown = s.word.expand(env, lost)
				}
				if Parse(v.text).stops() {
					v.stop = usernskit.FileError{File: f.name, Line: s.line}
					if old := env[s.name].stop; old.File != "" && s.word.refers(s.name) {
						v.stop = old
					}
				}
				env[s.name] = v
			case s.name != "":
				env[s.name] = shellValue{unknown: true, file: f.name, line: s.line}
			default:
				lost = true
				for name, v := range env {
					v.unknown = true
					env[name] = v
				}
			}
		}
	}
	if lost {
		for _, name := range []string{grubVariable, grubDefaultVariable} {
			if v, ok := env[name]; !ok {
				v.unknown = true
				env[name] = v
			}
		}
	}
	return env
}

// expand gives the word with the variables put in.
func (w shellWord) expand(env map[string]shellValue, lost bool) (text string, unknown bool) {
	var b strings.Builder
	for i := 0; i < len(w.text); {
		n := w.variable[i]
		if n == 0 {
			b.WriteByte(w.text[i])
			i++
			continue
		}
		v, known := env[strings.Trim(w.text[i:i+n], "${}")]
		unknown = unknown || v.unknown || lost && !known
		b.WriteString(v.text)
		i += n
	}
	return b.String(), unknown
}

// refers reports whether the word is built on the variable.
func (w shellWord) refers(name string) bool {
	for i, n := range w.variable {
		if n > 0 && strings.Trim(w.text[i:i+n], "${}") == name {
			return true
		}
	}
	return false
}

// live returns the steps that make up the value that the variable has at the
// end of the file, the last one first: the last assignment, and those before
// it for as long as each is built on the one before. whole is false where
// something on the way cannot be read.
func (f *shellFile) live(name string) (steps []shellStep, whole bool) {
	for _, s := range slices.Backward(f.steps) {
		switch {
		case s.exits || !s.assigns && (s.name == name || s.name == ""):
			return steps, false
		case !s.assigns || s.name != name:
			continue
		case s.odd != nil:
			return append(steps, s), false
		}
		steps = append(steps, s)
		if !s.word.refers(name) {
			return steps, true
		}
	}
	return steps, true
}
