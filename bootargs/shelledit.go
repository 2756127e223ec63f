package bootargs

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// The variables of /etc/default/grub that end up on the command line. Only the
// first is ever written: the recovery entries have it too.
const (
	grubVariable        = "GRUB_CMDLINE_LINUX"
	grubDefaultVariable = "GRUB_CMDLINE_LINUX_DEFAULT"
)

// Markers of a line that was added because no assignment can be edited. The
// second means that the line before it had no newline.
const (
	blockBegin = "# usernskit: begin\n"
	blockAfter = "# usernskit: begin, and an end for the line above\n"
	blockEnd   = "# usernskit: end\n"
)

// edit does ops to the value of a variable. before are the files sourced
// earlier. The variable's assignment is edited in place. If that is not possible
// (a condition, a command, "+="), an op that only adds goes to our own line at
// the end of the file, and any other fails with [ErrUnsupportedSyntax].
func (f *shellFile) edit(name string, ops []op, before ...*shellFile) ([]byte, error) {
	g := f
	was := Cmdline(f.value(name, before).text)
	for _, o := range ops {
		src, ok := g.editOwnBlock(name, o)
		var err error
		if !ok {
			src, err = g.editOne(name, o, before)
		}
		if err == nil {
			g, err = f.edited(src)
		}
		if err == nil && !ok {
			g, err = g.moveBehind(name, o, before)
		}
		if err == nil && !ok {
			err = g.check(name, o, before, was)
		}
		if err != nil {
			return nil, err
		}
	}
	if file, s, ok := readOnly(append(slices.Clone(before), g)...); ok && !bytes.Equal(g.src, f.src) {
		return nil, file.errorAt(s, fmt.Errorf("%w: %s is read-only here", ErrUnsupportedSyntax, s.name))
	}
	return g.src, nil
}

// readOnly finds an assignment to a variable that an earlier line has made
// read-only: the shell ends there.
func readOnly(files ...*shellFile) (*shellFile, shellStep, bool) {
	fixed := map[string]bool{}
	for _, f := range files {
		for _, s := range f.steps {
			if s.assigns && fixed[s.name] {
				return f, s, true
			}
			fixed[s.name] = fixed[s.name] || s.fixed
		}
	}
	return nil, shellStep{}, false
}

// edited parses the file with new bytes.
func (f *shellFile) edited(src []byte) (*shellFile, error) {
	g, err := parseShell(f.name, src)
	if err != nil {
		return nil, fmt.Errorf("BUG: after an edit: %w", err)
	}
	return g, nil
}

func (f *shellFile) editOne(name string, o op, before []*shellFile) ([]byte, error) {
	steps, unread := f.live(name)
	value := f.value(name, before)
	if !value.unknown {
		if o.done(value.text) {
			return f.src, nil
		}
		o = o.missingFrom(value.text)
	}
	switch {
	case unread != nil && (o.removes() || o.replacesGroup()):
		return nil, unread
	case len(steps) == 0 && o.removes():
		return f.src, nil
	case len(steps) == 0 || steps[0].odd != nil:
		text, err := apply("", []op{o})
		if err != nil || text == "" {
			return f.src, err
		}
		text = encodeShell(text, inDouble)
		if unread != nil || value.unknown || value.text != "" { // here, or in the files before
			text = "${" + name + "} " + text
		}
		return f.block(name, text)
	}
	src := f.src
	// The last assignment comes first, so the offsets of the others hold.
	for i, s := range steps {
		p := o
		if i > 0 {
			if p = o.earlier(); len(p.words) == 0 {
				break
			}
		}
		list, err := p.on(s.word.text)
		if err == nil && len(list) > 0 && name == grubVariable {
			if col, bad := checkGRUB(s.word.text); bad != nil {
				err = fmt.Errorf("byte %d of the value: %w", col, bad)
			}
		}
		if err != nil {
			return nil, f.errorAt(s, err)
		}
		s.word.src = src
		src = dropBlock(s.word.splice(list), name, "${"+name+"}", "")
	}
	return src, nil
}

// value returns what a variable holds after the files of before and this one
// were sourced.
func (f *shellFile) value(name string, before []*shellFile) shellValue {
	return evaluate(append(slices.Clone(before), f)...)[name]
}

// moveBehind moves the arguments that o set to the end of the value, where a
// variable in it sets their name to another value.
func (f *shellFile) moveBehind(name string, o op, before []*shellFile) (*shellFile, error) {
	value := f.value(name, before)
	steps, _ := f.live(name)
	if o.verb != verbSet || o.replacesGroup() || value.unknown || o.inForce(value.text) || len(steps) == 0 {
		return f, nil
	}
	word := steps[0].word
	g, err := f.edited(word.splice(remove(word.text, o.names)))
	if err != nil {
		return nil, err
	}
	steps, _ = g.live(name)
	word = steps[0].word
	back, err := add(word.text, nil, o.words)
	if err != nil {
		return nil, err
	}
	return g.edited(word.splice(back))
}

// check makes sure that the edit has its effect. It fails if an added argument
// would follow the "--" of an earlier assignment or file, or if a removed one
// comes from a variable or follows a "--".
func (f *shellFile) check(name string, o op, before []*shellFile, was Cmdline) error {
	value := f.value(name, before)
	steps, unread := f.live(name)
	takes := o.removes() || o.verb == verbSet && o.replacesGroup()
	w, lost := o.lost(value.text)
	switch {
	case len(steps) == 0 || value.unknown && !takes:
		return nil
	case value.unknown:
		return cmp.Or(unread, error(&usernskit.FileError{File: value.file, Line: value.line, Err: fmt.Errorf("%w: reading does not show the value of %s", ErrUnsupportedSyntax, name)}))
	case lost && value.stop.File != "":
		return value.behind(w)
	case !sameInit(Cmdline(value.text), was):
		return f.errorAt(steps[0], fmt.Errorf("%w: what init gets, behind \"--\", would change too", ErrUnsupportedSyntax))
	case lost:
		return f.errorAt(steps[0], fmt.Errorf("%w: the kernel would not find %s in this value, for what comes before it", ErrUnsupportedSyntax, w.text))
	case takes && !o.done(value.text):
		return f.errorAt(steps[0], fmt.Errorf("%w: what is to go comes from another variable", ErrUnsupportedSyntax))
	}
	return nil
}

// behind is the error for an argument after the "--" of a value.
func (v shellValue) behind(w word) error {
	at := v.stop
	at.Err = fmt.Errorf("%w: \"--\" ends the kernel's part here, and %s would be behind it", ErrUnsupportedSyntax, w.text)
	return &at
}

// lost returns the first argument of o that the kernel does not find in text, a
// whole value.
func (o op) lost(text string) (word, bool) {
	if o.verb == verbSet {
		o.verb = verbAppend
	}
	if left := o.missingFrom(text).words; len(left) > 0 && !o.removes() {
		return left[0], true
	}
	return word{}, false
}

// done reports whether o would leave text, a whole value, as it is.
func (o op) done(text string) bool {
	list, err := o.on(text)
	return err == nil && len(list) == 0
}

// met reports whether text has what o asks for, whatever older values it has.
func (o op) met(text string) bool { return o.done(text) || o.verb == verbSet && o.inForce(text) }

// finished reports whether text needs no edit: older values may be left in it,
// unless they count too.
func (o op) finished(text string) bool { return o.done(text) || !o.replacesGroup() && o.met(text) }

// inForce reports whether the last value given for each name is in force in text.
func (o op) inForce(text string) bool {
	last := map[string]Arg{}
	for _, w := range o.words {
		last[group(w.Name)] = w.Arg
	}
	for _, a := range last {
		if have, ok := Cmdline(text).Effective(a.Name); !ok || !have.equal(a) {
			return false
		}
	}
	return true
}

// removes reports whether o only removes.
func (o op) removes() bool { return o.verb == verbRemove || o.verb == verbRemoveExact }

// replacesGroup reports whether o must know every argument of a name: to add one
// only if it is missing, or to replace one whose every occurrence counts.
func (o op) replacesGroup() bool {
	return o.verb == verbAdd || o.verb == verbSet && slices.ContainsFunc(o.words, func(w word) bool { return accumulates(w.Name) })
}

// earlier returns what o does to the assignments on which the last one builds.
func (o op) earlier() op {
	switch {
	case o.removes():
		return o
	case o.verb == verbSet:
		return op{verbRemove, slices.DeleteFunc(slices.Clone(o.words), func(w word) bool { return !accumulates(w.Name) })}
	}
	return op{}
}

// mayLeave returns an error for the first step at which the shell may leave the
// file, nil if there is none.
func (f *shellFile) mayLeave() error {
	for _, s := range f.steps {
		if s.exits {
			return f.errorAt(s, fmt.Errorf("%w: the shell may stop reading here", ErrUnsupportedSyntax))
		}
	}
	return nil
}

// block adds our block at the end of the file, with a value that is encoded
// for double quotes.
func (f *shellFile) block(name, value string) ([]byte, error) {
	if err := f.mayLeave(); err != nil {
		return nil, err
	}
	if n := len(f.src); n > 0 && bytes.HasSuffix(f.src, []byte("\\\n")) || bytes.HasSuffix(f.src, []byte("\\")) {
		return nil, &usernskit.FileError{File: f.name, Err: fmt.Errorf("%w: it ends in a continued line", ErrUnsupportedSyntax)}
	}
	begin := blockBegin
	if n := len(f.src); n > 0 && f.src[n-1] != '\n' {
		begin = "\n" + blockAfter
	}
	return slices.Concat(f.src, []byte(begin+name+`="`+value+"\"\n"+blockEnd)), nil
}

// dropBlock removes our block if its value is only one of the bases.
func dropBlock(src []byte, name string, bases ...string) []byte {
	for _, base := range bases {
		line := name + `="` + base + "\"\n" + blockEnd
		for _, block := range []string{"\n" + blockAfter + line, blockBegin + line} {
			if i := bytes.Index(src, []byte(block)); i >= 0 {
				src = replace(src, i, len(block), "")
			}
		}
	}
	return src
}

// editOwnBlock takes arguments out of our block, in a file whose other lines
// cannot be edited. Otherwise ok is false.
func (f *shellFile) editOwnBlock(name string, o op) (src []byte, ok bool) {
	steps, unread := f.live(name)
	if unread == nil || !o.removes() || len(steps) == 0 || steps[0].odd != nil {
		return nil, false
	}
	s := steps[0]
	start := bytes.LastIndexByte(f.src[:s.from], '\n') + 1
	if !bytes.HasSuffix(f.src[:start], []byte(blockBegin)) && !bytes.HasSuffix(f.src[:start], []byte(blockAfter)) {
		return nil, false
	}
	list, err := o.on(s.word.text)
	if err != nil || len(list) == 0 {
		return nil, false
	}
	return dropBlock(s.word.splice(list), name, "${"+name+"}", ""), true
}

// A shellValue is what a variable holds at some point.
type shellValue struct {
	text    string
	unknown bool
	file    string // where it was last assigned
	line    int
	stop    usernskit.FileError // where the text got its "--", if it has one
}

// evaluate returns the variables after the files were sourced in order, as far
// as reading shows them. Environment variables are taken to be unset.
func evaluate(files ...*shellFile) map[string]shellValue {
	env := map[string]shellValue{}
	lost := false // after a step with unknown effects
	for _, f := range files {
		left := false // the shell may have left the file
		for _, s := range f.steps {
			left = left || s.exits
			switch {
			case s.fixed:
			case s.assigns:
				v := shellValue{file: f.name, line: s.line, unknown: s.odd != nil}
				if s.odd == nil {
					v.text, v.unknown = s.word.expand(env, lost)
				}
				v.unknown = v.unknown || left
				if _, stops := Cmdline(v.text).initArgs(); stops {
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
		for _, name := range []string{grubVariable, grubDefaultVariable, "GRUB_DEFAULT", ubootVariable, alpineVariable} {
			if v, ok := env[name]; !ok {
				v.unknown = true
				env[name] = v
			}
		}
	}
	return env
}

// expand returns the word's text with its variables expanded.
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

// refers reports whether the word uses the variable.
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
// it for as long as each is built on the one before. err names the step on the
// way that cannot be understood. After a step at which the shell may leave the
// file, no step is sure to be reached.
func (f *shellFile) live(name string) (steps []shellStep, err error) {
	if err := f.mayLeave(); err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(f.steps) {
		switch {
		case s.fixed:
			continue
		case !s.assigns && (s.name == name || s.name == ""):
			return steps, f.errorAt(s, fmt.Errorf("%w: reading does not show what %s is after this", ErrUnsupportedSyntax, name))
		case s.name != name:
			continue
		case s.odd != nil:
			return append(steps, s), f.errorAt(s, s.odd)
		}
		steps = append(steps, s)
		if !s.word.refers(name) {
			return steps, nil
		}
	}
	return steps, nil
}
