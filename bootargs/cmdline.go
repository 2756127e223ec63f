package bootargs

import (
	"fmt"
	"iter"
	"strings"
)

// A Cmdline is one kernel command line: any text, blanks and quotes included.
//
// The grammar is that of next_arg() in the kernel's lib/cmdline.c. Blanks (the
// byte 0xA0 too) separate arguments; '"' is the only quote, opens and closes
// anywhere, and cannot be escaped; the first '=' after the first byte ends the
// name. A bare "--" ends the kernel's part.
type Cmdline string

// Args yields the arguments that the kernel reads, in order: those before "--".
func (c Cmdline) Args() iter.Seq[Arg] {
	return func(yield func(Arg) bool) {
		s := string(c)
		var t token
		for t.next(s, t.to) && !t.ends(s) {
			if !yield(t.arg(s)) {
				return
			}
		}
	}
}

// initArgs returns the text that the kernel hands to init: what follows the
// first bare "--". ok is false where there is none.
func (c Cmdline) initArgs() (text string, ok bool) {
	s := string(c)
	var t token
	for t.next(s, t.to) {
		if t.ends(s) {
			return s[t.to:], true
		}
	}
	return "", false
}

// sameInit reports whether init gets the same of both lines.
func sameInit(a, b Cmdline) bool {
	textA, _ := a.initArgs()
	textB, _ := b.initArgs()
	return textA == textB
}

// Effective returns the last argument of that name, which for a name that does
// not accumulate is the one in force. "-" and "_" are the same in names.
func (c Cmdline) Effective(name string) (last Arg, ok bool) {
	for a := range c.Args() {
		if sameName(a.Name, name) {
			last, ok = a, true
		}
	}
	return last, ok
}

// A token is the place of an argument in a line: of its raw bytes, and of name
// and value without their quotes.
type token struct {
	from, to         int
	name, nameEnd    int
	value, valueEnd  int
	hasValue, isOpen bool // open: a quote was not closed, the line ends inside it
}

func (t *token) arg(s string) Arg {
	return Arg{s[t.name:t.nameEnd], s[t.value:t.valueEnd], t.hasValue}
}

// ends reports whether t ends the kernel's part. Quotes do not hide it.
func (t *token) ends(s string) bool {
	return t.nameEnd-t.name == 2 && !t.hasValue && s[t.name:t.nameEnd] == "--"
}

// next makes t the first token at or after pos, false if there is none.
// Between two tokens there is always a blank.
func (t *token) next(s string, pos int) bool {
	for pos < len(s) && blank(s[pos]) {
		pos++
	}
	if pos == len(s) {
		return false
	}
	*t = token{from: pos, name: pos, isOpen: s[pos] == '"'}
	quoted := t.isOpen
	if quoted {
		t.name++ // the name begins past a quote that opens the token
	}
	equals, end := 0, t.name
	for ; end < len(s); end++ {
		b := s[end]
		if b == '"' {
			t.isOpen = !t.isOpen
		} else if b == '=' && equals == 0 && end > t.name {
			equals = end
		} else if !t.isOpen && blank(b) {
			break
		}
	}
	t.to, t.hasValue = end, equals > 0
	// Two pairs of quotes come off: around the token, and around the value.
	last := end
	if quoted && last > t.name && s[last-1] == '"' {
		last--
	}
	t.nameEnd = last
	if t.hasValue {
		value := equals + 1
		if value < end && s[value] == '"' {
			value++
			if s[end-1] == '"' {
				last = end - 1
			}
		}
		t.nameEnd, t.value, t.valueEnd = equals, value, max(value, last)
	}
	return true
}

// blank is isspace() of the kernel, whose table is Latin-1.
func blank(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0xA0 }

// An Arg is one argument as the kernel reads it, its quotes removed.
type Arg struct {
	Name  string
	Value string
	// HasValue distinguishes "name=" from "name". To the kernel's booleans the
	// bare name is 1 and the empty value is an error.
	HasValue bool
}

// ParseArg reads exactly one argument as the kernel spells it, dyndbg="file
// a.c +p" for instance. Errors match [ErrSyntax]: no or several arguments, an
// open quote, a control character, the end mark "--", or a variable of the
// boot loader such as $tuned_params, which edits leave alone.
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
	case t.from > 0 || t.to < len(s):
		return Arg{}, fmt.Errorf("%q: %w: more than one argument; quote blanks as name=\"a b\"", s, ErrSyntax)
	case t.ends(s):
		return Arg{}, fmt.Errorf("%q: %w: ends the kernel's part and is not an argument", s, ErrSyntax)
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

// isVariable reports whether a name is "$word" or "${word}...", whose value
// GRUB or the shell knows.
func isVariable(name string) bool {
	return len(name) > 1 && name[0] == '$' && (name[1] == '{' || name[1] == '_' || isLetter(name[1]))
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// spellLiteral is for what reaches the kernel unchanged: systemd-boot entries,
// cmdline.txt. Quotes go around the value, never around the whole argument,
// because systemd-boot removes a pair of quotes around a whole line.
func spellLiteral(a Arg, text string) (string, error) {
	if text[0] != '"' {
		return text, nil
	}
	text = a.String()
	if b, err := ParseArg(text); err != nil || b != a {
		return "", fmt.Errorf("%w: a quote inside the value needs quotes around the whole argument", ErrEncoding)
	}
	return text, nil
}

// spellUBoot is for extlinux.conf, in which U-Boot expands ${name}
// (cli_simple_process_macros in its boot/pxe_utils.c).
func spellUBoot(a Arg, text string) (string, error) {
	if strings.Contains(text, "$") {
		return "", fmt.Errorf("%w: U-Boot expands \"$\" in extlinux.conf", ErrEncoding)
	}
	return spellLiteral(a, text)
}

// spellLimine is for /etc/default/limine, whose reader knows assignments in
// double quotes.
func spellLimine(_ Arg, text string) (string, error) {
	if i := strings.IndexAny(text, "\"'\\$`"); i >= 0 {
		return "", fmt.Errorf("%w: %q inside a value of %s", ErrEncoding, text[i], limineDefaults)
	}
	return text, nil
}

// spellGRUB is for what GRUB reads as a command: grub.cfg, the options of a BLS
// entry, kernelopts. After parsing it puts a backslash before each of ' " \
// that is left (grub-core/lib/cmdline.c), so these cannot reach the kernel in
// any quoting.
func spellGRUB(a Arg, _ string) (string, error) {
	const never, quote = "'\"\\$`", " ;&|<>{}#"
	if i := strings.IndexAny(a.Name+a.Value, never); i >= 0 {
		return "", fmt.Errorf("%w: GRUB does not pass %q on", ErrEncoding, (a.Name + a.Value)[i])
	}
	if i := strings.IndexAny(a.Name, quote); i >= 0 {
		return "", fmt.Errorf("%w: %q in a name means something to GRUB", ErrEncoding, a.Name[i])
	}
	if strings.IndexByte(a.Name, 0xA0) >= 0 {
		return "", fmt.Errorf("%w: byte 0xa0 in a name is a blank to the kernel, and GRUB drops the quotes around a name", ErrEncoding)
	}
	switch {
	case !a.HasValue:
		return a.Name, nil
	case strings.ContainsAny(a.Value, quote) || strings.IndexByte(a.Value, 0xA0) >= 0:
		return a.Name + `="` + a.Value + `"`, nil
	}
	return a.Name + "=" + a.Value, nil
}

// checkGRUB reports the first place where GRUB splits a line differently from
// the kernel, or ends the command: an edit there could split a word, and added
// text would not arrive. col counts from 1.
func checkGRUB(text string) (col int, err error) {
	const plain, escaped, single, double, doubleEscaped = 0, 1, 2, 3, 4
	state, word := plain, false
	var t token // of the kernel, that i is in or before
	more := t.next(text, 0)
	for i := range len(text) {
		b := text[i]
		for more && i > t.to {
			more = t.next(text, t.to)
		}
		if state != plain && more && (i == t.from || i == t.to) {
			return i + 1, fmt.Errorf("%w: GRUB's quotes and the kernel's split this line differently", ErrUnsupportedSyntax)
		}
		switch state {
		case escaped:
			state = plain
		case doubleEscaped:
			state = double
		case single:
			if b == '\'' {
				state = plain
			}
		case double:
			switch b {
			case '"':
				state = plain
			case '\\':
				state = doubleEscaped
			}
		default:
			switch {
			case b == '\\':
				state = escaped
			case b == '\'':
				state = single
			case b == '"':
				state = double
			case strings.IndexByte(";&|<>\n", b) >= 0 || b == '#' && !word:
				return i + 1, fmt.Errorf("%w: an unquoted %q ends the line for GRUB", ErrUnsupportedSyntax, b)
			case blank(b) && b != ' ' && b != '\t':
				return i + 1, fmt.Errorf("%w: %q separates words for the kernel and not for GRUB", ErrUnsupportedSyntax, b)
			}
		}
		word = state != plain || b != ' ' && b != '\t'
	}
	if state != plain {
		return len(text) + 1, fmt.Errorf("%w: GRUB finds an unfinished quote or backslash", ErrUnsupportedSyntax)
	}
	return 0, nil
}
