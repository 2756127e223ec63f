package bootargs

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit"
)

// The variables of /etc/default/grub that end up on the command line. Only the
// first is ever written: the recovery entries have it too.
const (
	grubVariable        = "GRUB_CMDLINE_LINUX"
	grubDefaultVariable = "GRUB_CMDLINE_LINUX_DEFAULT"
)

// Around a line that was added because the assignment itself cannot be edited.
const (
	blockBegin = "# usernskit: begin\n"
	blockEnd   = "# usernskit: end\n"
)

// edit does ops to the value of a variable. before are the files sourced
// earlier. The value's assignment is edited in place. Where it cannot be (a
// condition, a command, "+=") and o only adds, a line of our own at the end of
// the file does it; otherwise the error matches [ErrUnsupportedSyntax].
func (f *shellFile) edit(name string, ops []op, before ...*shellFile) ([]byte, error) {
	g := f
	init := Parse(f.value(name, before).text).InitArgs()
	for _, o := range ops {
		src, err := g.editOne(name, o, before)
		if err != nil {
			return nil, err
		}
		if g, err = parseShell(f.name, src); err != nil {
			return nil, fmt.Errorf("BUG: after an edit: %w", err)
		}
		if err := g.check(name, o, before, init); err != nil {
			return nil, err
		}
	}
	return g.src, nil
}

func (f *shellFile) editOne(name string, o op, before []*shellFile) ([]byte, error) {
	steps, whole := f.live(name)
	value := f.value(name, before)
	if !value.unknown && o.done(value.text) {
		return f.src, nil
	}
	if !value.unknown && o.verb == verbAppend {
		o.words = absent(value.text, o.words)
	}
	if !value.unknown && o.verb == verbAdd {
		o.words = slices.DeleteFunc(slices.Clone(o.words), func(w word) bool {
			_, ok := Parse(value.text).Effective(w.Name)
			return ok
		})
	}
	switch {
	case !whole && (o.removes() || o.replacesGroup()):
		return nil, f.blame(name)
	case !whole && (len(steps) == 0 || steps[0].odd != nil):
		return f.append(name, o, true)
	case len(steps) == 0 && o.removes():
		return f.src, nil
	case len(steps) == 0: // the files before may have a value
		return f.append(name, o, value.unknown || value.text != "")
	}
	src := f.src
	// The last assignment comes first, so the offsets of the others hold.
	for i, s := range steps {
		p := o
		if i > 0 {
			if p = o.earlier(); p.words == nil {
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
		src = s.word.splice(list)
		src = dropBlock(src, name)
	}
	return f.settle(src, name, o, before)
}

// value is what a variable holds once the files before this one, and this one,
// were sourced.
func (f *shellFile) value(name string, before []*shellFile) shellValue {
	return evaluate(append(slices.Clone(before), f)...)[name]
}

// settle moves what was set behind a variable in the same value that holds
// another.
func (f *shellFile) settle(src []byte, name string, o op, before []*shellFile) ([]byte, error) {
	if o.verb != verbSet || o.replacesGroup() {
		return src, nil
	}
	g, err := parseShell(f.name, src)
	if err != nil {
		return nil, fmt.Errorf("BUG: after an edit: %w", err)
	}
	value := g.value(name, before)
	steps, _ := g.live(name)
	if value.unknown || o.inForce(value.text) || len(steps) == 0 {
		return src, nil
	}
	word := steps[0].word
	gone, err := op{verbRemove, o.words}.on(word.text)
	if err != nil {
		return nil, err
	}
	text := splices(word.text, gone)
	back, err := add(text, nil, o.words)
	if err != nil {
		return nil, err
	}
	src = word.splice(gone)
	if g, err = parseShell(f.name, src); err != nil {
		return nil, fmt.Errorf("BUG: after an edit: %w", err)
	}
	steps, _ = g.live(name)
	return steps[0].word.splice(back), nil
}

// check looks whether the edit has come about. What was added may stand behind
// a "--" of an earlier assignment, or of a file before this one; what was to go
// may come from a variable, or from an assignment that others put behind a
// "--", where init gets it. Then nothing can be done here.
func (f *shellFile) check(name string, o op, before []*shellFile, init string) error {
	value := f.value(name, before)
	steps, _ := f.live(name)
	takes := o.removes() || o.verb == verbSet && o.replacesGroup()
	w, lost := o.lost(value.text)
	switch {
	case len(steps) == 0 || value.unknown && !takes:
		return nil
	case value.unknown:
		return f.blame(name)
	case lost && value.stop.File != "":
		return value.behind(w)
	case Parse(value.text).InitArgs() != init:
		return f.errorAt(steps[0], fmt.Errorf("%w: what init gets, behind \"--\", would change too", ErrUnsupportedSyntax))
	case lost:
		return f.errorAt(steps[0], fmt.Errorf("%w: the kernel would not find %s in this value, for what comes before it", ErrUnsupportedSyntax, w.text))
	case takes && !o.done(value.text):
		return f.errorAt(steps[0], fmt.Errorf("%w: what is to go comes from another variable", ErrUnsupportedSyntax))
	}
	return nil
}

// behind is the error for what would stand behind the "--" of a value.
func (v shellValue) behind(w word) error {
	at := v.stop
	at.Err = fmt.Errorf("%w: \"--\" ends the kernel's part here, and %s would stand behind it", ErrUnsupportedSyntax, w.text)
	return &at
}

// lost returns the first argument that o gives and that the kernel does not
// find in text, a whole value.
func (o op) lost(text string) (word, bool) {
	for _, w := range o.words {
		ok := true
		switch o.verb {
		case verbSet, verbAppend:
			ok = holds(text, w.Arg)
		case verbAdd:
			_, ok = Parse(text).Effective(w.Name)
		}
		if !ok {
			return w, true
		}
	}
	return word{}, false
}

// done reports whether o would leave text, a whole value, as it is.
func (o op) done(text string) bool {
	list, err := o.on(text)
	return err == nil && len(list) == 0
}

// inForce reports whether each name that was set has its last value last.
func (o op) inForce(text string) bool {
	last := map[string]Arg{}
	for _, w := range o.words {
		last[group(w.Name)] = w.Arg
	}
	for _, a := range last {
		if have, ok := Parse(text).Effective(a.Name); !ok || !have.equal(a) {
			return false
		}
	}
	return true
}

// removes reports whether o is for arguments to go and for nothing else.
func (o op) removes() bool { return o.verb == verbRemove || o.verb == verbRemoveExact }

// replacesGroup reports whether o has to take arguments away that it cannot see.
func (o op) replacesGroup() bool {
	return o.verb == verbAdd || o.verb == verbSet && slices.ContainsFunc(o.words, func(w word) bool { return accumulates(w.Name) })
}

// earlier is what o does to the assignments that the last one is built on.
func (o op) earlier() op {
	switch o.verb {
	case verbRemove, verbRemoveExact:
		return o
	case verbSet:
		p := op{verb: verbRemove}
		for _, w := range o.words {
			if accumulates(w.Name) {
				p.words = append(p.words, w)
			}
		}
		return p
	}
	return op{}
}

// append adds an assignment of our own at the end of the file. builds says
// that there is a value to keep.
func (f *shellFile) append(name string, o op, builds bool) ([]byte, error) {
	for _, s := range f.steps {
		if s.exits {
			return nil, f.errorAt(s, fmt.Errorf("%w: the shell may stop reading here", ErrUnsupportedSyntax))
		}
	}
	if n := len(f.src); n > 0 && bytes.HasSuffix(f.src, []byte("\\\n")) || bytes.HasSuffix(f.src, []byte("\\")) {
		return nil, &usernskit.FileError{File: f.name, Err: fmt.Errorf("%w: it ends in a continued line", ErrUnsupportedSyntax)}
	}
	text, err := apply("", []op{o})
	if err != nil || text == "" {
		return f.src, err
	}
	src := bytes.Clone(f.src)
	if n := len(src); n > 0 && src[n-1] != '\n' {
		src = append(src, '\n')
	}
	line := name + `="` + encodeShell(text, inDouble) + "\"\n"
	if builds {
		line = blockBegin + name + `="${` + name + `} ` + encodeShell(text, inDouble) + "\"\n" + blockEnd
	}
	return append(src, line...), nil
}

// dropBlock takes our block out of the file when nothing is left in it.
func dropBlock(src []byte, name string) []byte {
	return bytes.Replace(src, []byte(blockBegin+name+`="${`+name+"}\"\n"+blockEnd), nil, 1)
}

// blame names the place on account of which a variable cannot be edited.
func (f *shellFile) blame(name string) error {
	for _, s := range slices.Backward(f.steps) {
		switch {
		case s.name == name && s.odd != nil:
			return f.errorAt(s, s.odd)
		case !s.assigns && (s.name == name || s.name == ""):
			return f.errorAt(s, fmt.Errorf("%w: %s may be changed here in a way that cannot be told by reading", ErrUnsupportedSyntax, name))
		}
	}
	return &usernskit.FileError{File: f.name, Err: fmt.Errorf("%w: the value of %s cannot be told", ErrUnsupportedSyntax, name)}
}
