package bootargs

import (
	"fmt"
	"iter"
	"slices"
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
		all, n := split(string(c))
		for _, t := range all[:n] {
			if !yield(t.Arg) {
				return
			}
		}
	}
}

// initArgs returns the text that the kernel hands to init: what follows the
// first bare "--". ok is false where there is none.
func (c Cmdline) initArgs() (text string, ok bool) {
	all, n := split(string(c))
	if n == len(all) {
		return "", false
	}
	return string(c)[all[n].to:], true
}

// anyArg reports whether is holds for one of the kernel's arguments.
func anyArg(line string, is func(Arg) bool) bool {
	all, n := split(line)
	return slices.ContainsFunc(all[:n], func(t token) bool { return is(t.Arg) })
}

func hasName(line, name string) bool {
	return anyArg(line, func(a Arg) bool { return sameName(a.Name, name) })
}

// sameInit reports whether init gets the same text from both lines.
func sameInit(a, b Cmdline) bool {
	textA, _ := a.initArgs()
	textB, _ := b.initArgs()
	return textA == textB
}

// Effective returns the last argument of a name. It is the one in force, unless
// every occurrence of the name counts. "-" and "_" are the same in names.
func (c Cmdline) Effective(name string) (last Arg, ok bool) {
	for a := range c.Args() {
		if sameName(a.Name, name) {
			last, ok = a, true
		}
	}
	return last, ok
}

// A token is an argument and the place of its raw bytes in a line.
type token struct {
	Arg
	from, to int
	isOpen   bool // a quote was not closed, the line ends inside it
}

// ends reports whether t ends the kernel's part. Quotes do not hide it.
func (t token) ends() bool { return t.Name == "--" && !t.HasValue }

// split returns the tokens of a line, and how many of them are the kernel's:
// all, or those before a "--".
func split(s string) (all []token, n int) {
	s, _, _ = strings.Cut(s, "\x00") // which ends the line for every reader in C
	for pos := 0; ; {
		for pos < len(s) && blank(s[pos]) {
			pos++
		}
		if pos == len(s) {
			break
		}
		t := readToken(s, pos)
		pos = t.to
		all = append(all, t)
	}
	if n = slices.IndexFunc(all, token.ends); n < 0 {
		n = len(all)
	}
	return all, n
}

// readToken reads the token at from, which is not a blank.
func readToken(s string, from int) token {
	t := token{from: from, isOpen: s[from] == '"'}
	quoted, name := t.isOpen, from
	if quoted {
		name++ // the name begins past a quote that opens the token
	}
	equals, end := 0, name
	for ; end < len(s); end++ {
		b := s[end]
		if b == '"' {
			t.isOpen = !t.isOpen
		} else if b == '=' && equals == 0 && end > name {
			equals = end
		} else if !t.isOpen && blank(b) {
			break
		}
	}
	t.to, t.HasValue = end, equals > 0
	// Two pairs of quotes come off: around the token, and around the value.
	last := end
	if quoted && last > name && s[last-1] == '"' {
		last--
	}
	if !t.HasValue {
		t.Name = s[name:last]
		return t
	}
	value := equals + 1
	if value < end && s[value] == '"' {
		value++
		if s[end-1] == '"' {
			last = end - 1
		}
	}
	t.Name, t.Value = s[name:equals], s[value:max(value, last)]
	return t
}

// blank is isspace() of the kernel, whose table is Latin-1.
func blank(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0xA0 }

// An Arg is one argument as the kernel reads it, its quotes removed.
type Arg struct {
	Name  string
	Value string
	// HasValue distinguishes "name=" from "name". For a boolean parameter the
	// kernel takes the bare name for 1 and refuses the empty value.
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
	all, _ := split(s)
	if len(all) == 0 {
		return Arg{}, fmt.Errorf("%q: %w: empty", s, ErrSyntax)
	}
	t, why := all[0], ""
	switch {
	case t.isOpen:
		why = "a quote is not closed"
	case t.from > 0 || t.to < len(s):
		why = `more than one argument; quote blanks as name="a b"`
	case t.ends():
		why = "ends the kernel's part and is not an argument"
	case t.Name == "":
		why = "no name"
	case isVariable(t.Name):
		why = "a variable of the boot loader, which edits leave alone"
	default:
		return t.Arg, nil
	}
	return Arg{}, fmt.Errorf("%q: %w: %s", s, ErrSyntax, why)
}

// String spells the argument for the kernel, with quotes only where blanks
// need them.
func (a Arg) String() string {
	text := a.Name
	if a.HasValue {
		text += "="
	}
	switch {
	case hasBlank(a.Name):
		return `"` + text + a.Value + `"`
	case hasBlank(a.Value):
		return text + `"` + a.Value + `"`
	}
	return text + a.Value
}

// isBlank reports whether a line has no argument.
func isBlank(s string) bool {
	all, _ := split(s)
	return all == nil
}

func hasBlank(s string) bool { return slices.ContainsFunc([]byte(s), blank) }

// equal compares as the kernel does: names by parameq(), values byte for byte.
func (a Arg) equal(b Arg) bool {
	return a.HasValue == b.HasValue && a.Value == b.Value && sameName(a.Name, b.Name)
}

// sameName is parameq() of kernel/params.c: "-" equals "_".
func sameName(a, b string) bool { return underscores(a) == underscores(b) }

func underscores(name string) string { return strings.ReplaceAll(name, "-", "_") }

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

// without refuses arguments with one of these bytes, which a layer changes.
func without(bytes, layer string, spell speller) speller {
	return func(a Arg, text string) (string, error) {
		if i := strings.IndexAny(text, bytes); i >= 0 {
			return "", fmt.Errorf("%w: %s changes %q", ErrEncoding, layer, text[i])
		}
		if spell == nil {
			return text, nil
		}
		return spell(a, text)
	}
}

// spellLimine is for /etc/default/limine, whose reader knows assignments in
// double quotes.
var spellLimine = without("\"'\\$`", "limine-entry-tool", nil)

// spellUBoot is for extlinux.conf, in which U-Boot expands ${name}
// (cli_simple_process_macros in its boot/pxe_utils.c).
var spellUBoot = without("$", "U-Boot", spellLiteral)

// spellMadeUBoot is for a file from which a tool makes extlinux.conf, and in
// which the tool reads a backslash as part of an escape.
var spellMadeUBoot = without(`\`, "the program that makes extlinux.conf", spellUBoot)

// spellGRUB is for what GRUB reads as a command: grub.cfg, the options of a BLS
// entry, kernelopts. After parsing, GRUB puts a backslash before each of ' " \
// that is left (grub-core/lib/cmdline.c), so these cannot reach the kernel in
// any quoting.
func spellGRUB(a Arg, _ string) (string, error) {
	const never, quote = "'\"\\$`", " ;&|<>{}#"
	if i := strings.IndexAny(a.Name+a.Value, never); i >= 0 {
		return "", fmt.Errorf("%w: GRUB does not pass %q on", ErrEncoding, (a.Name + a.Value)[i])
	}
	if strings.ContainsAny(a.Name, quote) || hasBlank(a.Name) {
		return "", fmt.Errorf("%w: %q needs quotes, and GRUB drops those around a name", ErrEncoding, a.Name)
	}
	if a.HasValue && (strings.ContainsAny(a.Value, quote) || hasBlank(a.Value)) {
		return a.Name + `="` + a.Value + `"`, nil
	}
	return a.String(), nil
}

// checkGRUB reports the first place where GRUB splits a line differently from
// the kernel, or ends the command: an edit there could split a word, and added
// text would not arrive. col counts from 1.
func checkGRUB(text string) (col int, err error) {
	all, _ := split(text)
	edges := map[int]bool{} // of the kernel's words
	for _, t := range all {
		edges[t.from], edges[t.to] = true, true
	}
	quote, escaped, word, variable := byte(0), false, false, false
	for i := range len(text) {
		b := text[i]
		switch {
		case edges[i] && (quote != 0 || escaped):
			return i + 1, fmt.Errorf("%w: GRUB's quotes and the kernel's split this line differently", ErrUnsupportedSyntax)
		case escaped:
			escaped = false
		case b == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '\'' || b == '"':
			quote = b
		case strings.IndexByte(";&|<>\n", b) >= 0 || b == '#' && !word:
			return i + 1, fmt.Errorf("%w: an unquoted %q ends the line for GRUB", ErrUnsupportedSyntax, b)
		case b == '{' && i > 0 && text[i-1] == '$':
			variable = true
		case b == '}' && variable:
			variable = false
		case b == '{' || b == '}':
			return i + 1, fmt.Errorf("%w: GRUB may read an unquoted %q as a block of commands", ErrUnsupportedSyntax, b)
		case blank(b) && b != ' ' && b != '\t':
			return i + 1, fmt.Errorf("%w: %q separates words for the kernel and not for GRUB", ErrUnsupportedSyntax, b)
		}
		word = quote != 0 || escaped || b != ' ' && b != '\t'
	}
	if quote != 0 || escaped {
		return len(text) + 1, fmt.Errorf("%w: GRUB finds an unfinished quote or backslash", ErrUnsupportedSyntax)
	}
	return 0, nil
}
