package bootargs

import (
	"fmt"
	"strings"
)

// An Arg is one argument as the kernel reads it, its quotes removed.
type Arg struct {
	Name  string
	Value string
	// HasValue tells "name=" from "name". To the kernel's booleans the bare
	// name is 1 and the empty value is an error.
	HasValue bool
}

// ParseArg reads exactly one argument as the kernel spells it, dyndbg="file
// a.c +p" for instance. Errors match [ErrSyntax]: no or several arguments, an
// open quote, a control character, the end mark "--", or a variable of the
// boot loader such as $tuned_params, which no edit touches.
func ParseArg(s string) (Arg, error) {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return Arg{}, fmt.Errorf("%q: %w: control character at byte %d", s, ErrSyntax, i+1)
		}
	}
	var t token
	ok := t.next(s, 0)
	a := t.arg(s)
	switch {
	case !ok:
		return Arg{}, fmt.Errorf("%q: %w: empty", s, ErrSyntax)
	case t.isOpen:
		return Arg{}, fmt.Errorf("%q: %w: a quote is not closed", s, ErrSyntax)
	case t.from > 0 || int(t.to) < len(s):
		return Arg{}, fmt.Errorf("%q: %w: more than one argument; quote blanks as name=\"a b\"", s, ErrSyntax)
	case t.ends(s):
		return Arg{}, fmt.Errorf("%q: %w: ends the kernel's part and is no argument", s, ErrSyntax)
	case a.Name == "":
		return Arg{}, fmt.Errorf("%q: %w: no name", s, ErrSyntax)
	case isVariable(a.Name):
		return Arg{}, fmt.Errorf("%q: %w: a variable of the boot loader, which edits leave alone", s, ErrSyntax)
	}
	return a, nil
}

// String spells the argument for the kernel, with quotes only where blanks
// need them.
func (a Arg) String() string {
	text, value := a.Name, a.Value
	if a.HasValue {
		text += "="
	}
	blanks := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r < 0x80 && blank(byte(r)) }) || strings.IndexByte(s, 0xA0) >= 0
	}
	switch {
	case blanks(a.Name):
		return `"` + text + value + `"`
	case blanks(value):
		return text + `"` + value + `"`
	}
	return text + value
}

// equal compares as the kernel does: names by parameq(), values byte for byte.
func (a Arg) equal(b Arg) bool {
	return a.HasValue == b.HasValue && a.Value == b.Value && sameName(a.Name, b.Name)
}

// sameName is parameq() of kernel/params.c: "-" equals "_".
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (a[i] != '-' && a[i] != '_' || b[i] != '-' && b[i] != '_') {
			return false
		}
	}
	return true
}

// isVariable reports whether a name is "$word" or "${word}...", which GRUB or
// the shell replaces by what we cannot know.
func isVariable(name string) bool {
	return len(name) > 1 && name[0] == '$' && (name[1] == '{' || name[1] == '_' || isLetter(name[1]))
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
