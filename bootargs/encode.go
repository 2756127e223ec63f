package bootargs

import (
	"fmt"
	"strings"
)

// spellLiteral is for what reaches the kernel unchanged: systemd-boot
// entries, cmdline.txt. Quotes go around the value, never around the whole
// argument, so that no line begins with one (systemd-boot takes a pair of
// quotes around a whole line off).
func spellLiteral(a Arg, text string) (string, error) {
	if text[0] != '"' {
		return text, nil
	}
	text = a.String()
	if b, err := ParseArg(text); err != nil || b != a {
		return "", fmt.Errorf("%w: without the quotes around all of it the quote inside means another thing", ErrEncoding)
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

// spellGRUB is for what GRUB reads as a command of its script language, be it
// grub.cfg, the options of a BLS entry or kernelopts. After parsing it puts a
// backslash before each of ' " \ that is left (grub-core/lib/cmdline.c), so
// those cannot reach the kernel, however they are quoted.
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
// the kernel, or ends the command: an edit there could cut a word in two, and
// what is added would not arrive. col counts from 1.
func checkGRUB(text string) (col int, err error) {
	const plain, escaped, single, double, doubleEscaped = 0, 1, 2, 3, 4
	state, word := plain, false
	bounds := boundaries(text)
	for i := range len(text) {
		b := text[i]
		if state != plain && bounds.at(i) {
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
		return len(text) + 1, fmt.Errorf("%w: GRUB finds a quote or backslash that nothing follows", ErrUnsupportedSyntax)
	}
	return 0, nil
}

// A bounds walks along the places where the kernel's tokens begin and end.
type bounds struct {
	text string
	t    token
	ok   bool
}

func boundaries(text string) *bounds {
	b := &bounds{text: text}
	b.ok = b.t.next(text, 0)
	return b
}

// at must be asked with rising i.
func (b *bounds) at(i int) bool {
	for b.ok && i > int(b.t.to) {
		b.ok = b.t.next(b.text, b.t.to)
	}
	return b.ok && (i == int(b.t.from) || i == int(b.t.to))
}
